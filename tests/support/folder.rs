//! A folder with files for a test, and what tells whether anything in it changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{compile, must};

/// C with something of everything: types, functions, a per-CPU variable.
pub const SOURCE: &str = r#"
struct list { struct list *next, **prev; };
enum color { RED, GREEN = -3 };
union word { unsigned long all; struct { char lo; unsigned hi : 5, top : 3; }; };
typedef int (*handler_t)(struct list *, enum color, ...);
struct object { struct list list; union word word; handler_t handler; long grid[3][4]; const char *name; };
__attribute__((section(".data..percpu"))) struct object per_cpu_object = { .name = "x" };
int add(struct object *to, const char *name) { to->name = name; return to->grid[1][2]; }
static int value;
int *find(union word w, int k) { return w.lo == k ? &value : 0; }
int _start(void) { return *find(per_cpu_object.word, 3) + add(&per_cpu_object, "y"); }
"#;

/// What a second unit of a module on top of [`SOURCE`] has.
pub const MODULE_SOURCE: &str = r#"
struct list { struct list *next, **prev; };
struct driver { struct list list; int private; long counts[2]; };
int drive(struct driver *d, struct list *l) { return d->list.next == l ? d->private : 0; }
int add(int other) { return other; }
"#;

struct Samples {
    object: Vec<u8>,
    module: Vec<u8>,
    vmlinux: Vec<u8>,
    encoded: Vec<u8>,
}

/// Compiled once per test program.
fn samples() -> &'static Samples {
    static SAMPLES: OnceLock<Samples> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let at = folder.path();
        let flags = ["-O1", "-ffreestanding", "-fno-pie"];
        compile(at, "sample", SOURCE, &flags);
        compile(at, "driver", MODULE_SOURCE, &flags);
        let script = super::root().join("tests/cases/kernel.lds");
        let script = script.to_str().expect("path is UTF-8");
        must(at, "ld", ["-T", script, "-o", "vmlinux", "sample.o"]);
        must(at, "ld", ["-T", script, "-o", "encoded", "sample.o"]);
        super::encode(at, ["encoded"]);
        let read = |name| fs::read(at.join(name)).expect("it was made");
        Samples {
            object: read("sample.o"),
            module: read("driver.o"),
            vmlinux: read("vmlinux"),
            encoded: read("encoded"),
        }
    })
}

/// A temporary folder.
pub struct Folder {
    dir: tempfile::TempDir,
}

/// Everything that can be seen of the files in a folder, by name.
pub type Listing = BTreeMap<PathBuf, (Vec<u8>, u32, i64, i64, u64)>;

impl Folder {
    /// An empty one.
    pub fn new() -> Folder {
        Folder { dir: tempfile::tempdir().expect("there is room for temporary files") }
    }

    /// One with `sample.o` (an object), `vmlinux` (linked), `driver.ko` (an object on top of it), and `base` (the same vmlinux, with
    /// BTF).
    pub fn with_samples() -> Folder {
        let folder = Folder::new();
        let s = samples();
        let files = [("sample.o", &s.object), ("vmlinux", &s.vmlinux), ("driver.ko", &s.module), ("base", &s.encoded)];
        files.iter().for_each(|(name, bytes)| folder.write(name, bytes));
        folder
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.file(name), bytes).expect("file is written");
    }

    /// Reads a file.
    #[track_caller]
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Sets a file's permissions.
    pub fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.file(name), fs::Permissions::from_mode(mode)).expect("mode is set");
    }

    /// What is there: bytes, mode, modification time, inode of everything, folders in it included.
    pub fn listing(&self) -> Listing {
        let mut all = Listing::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("folder is readable") {
                let path = entry.expect("entry is readable").path();
                let metadata = fs::symlink_metadata(&path).expect("entry is there");
                let bytes = if metadata.is_file() { fs::read(&path).unwrap_or_default() } else { Vec::new() };
                // A folder's time changes with temporary files, which nobody minds.
                let mut time = (metadata.mtime(), metadata.mtime_nsec());
                if metadata.is_dir() {
                    folders.push(path.clone());
                    time = (0, 0);
                }
                let state = (bytes, metadata.mode(), time.0, time.1, metadata.ino());
                all.insert(path.strip_prefix(self.path()).expect("it is in the folder").to_owned(), state);
            }
        }
        all
    }

    /// The names in it.
    pub fn names(&self) -> Vec<String> {
        self.listing().keys().map(|p| p.display().to_string()).collect()
    }
}
