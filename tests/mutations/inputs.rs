//! What is damaged: modules and a slice of vmlinux of a real kernel if there is one, the stand-in kernel with its module, and files with
//! units that refer to each other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use btf::view::BtfView;
use encoder::input::Input;
use mutate::file::Original;
use mutate::sites::Sites;
use mutate::slice;

/// A file to be damaged, and the base that it is encoded on.
pub struct Subject {
    /// Name for the reports.
    pub name: String,
    /// The file.
    pub original: Original,
    /// Its base, by number in [`Inputs::bases`].
    pub base: Option<usize>,
}

/// All of them.
pub struct Inputs {
    /// Raw BTF.
    pub bases: Vec<Vec<u8>>,
    /// Files.
    pub subjects: Vec<Subject>,
}

/// Modules of a real kernel, from the smallest on: `.BTF_ids` with kfuncs, per-CPU variables, tags of functions are in some of them.
const MODULES: [&str; 5] = [
    "fs/nls/nls_ucs2_utils.ko",
    "lib/lz4/lz4hc_compress.ko",
    "drivers/comedi/comedi_pci.ko",
    "net/vmw_vsock/vsock_loopback.ko",
    "net/ipv4/tcp_dctcp.ko",
];

/// Which units of a real kernel are taken, and how many bytes of them.
const SLICES: [(usize, usize); 2] = [(97, 150_000), (41, 500_000)];

impl Inputs {
    /// Looks for a real kernel (`BTFGEN_CACHE`, `KERNEL`) and makes the rest.
    pub fn new(folder: &Path) -> Inputs {
        let mut inputs = Inputs { bases: Vec::new(), subjects: Vec::new() };
        inputs.add_fixtures(folder);
        inputs.add_distant(folder);
        match kernel() {
            Some(kernel) => inputs.add_kernel(&kernel),
            None => println!("no real kernel here, so only the stand-in is damaged; make test-kernel fetches one"),
        }
        inputs
    }

    /// A module without a base has all its types to itself.
    fn add(&mut self, name: &str, bytes: Vec<u8>, base: Option<usize>) {
        let original = Original::new(bytes).unwrap_or_else(|| panic!("{name}: its DWARF cannot be taken apart"));
        self.subjects.push(Subject { name: name.into(), original, base });
    }

    fn add_fixtures(&mut self, folder: &Path) {
        let source = root().join("kernel-fixtures");
        let build = format!("BUILD={}", folder.display());
        let mut command = Command::new("make");
        command.arg("-s").arg(&build).current_dir(source).env_remove("MAKEFLAGS").stdout(std::process::Stdio::null());
        let status = command.status();
        assert!(status.expect("make starts").success(), "kernel-fixtures cannot be built");
        let vmlinux = read(&folder.join("vmlinux"));
        self.bases.push(encoded(&vmlinux));
        let base = Some(self.bases.len() - 1);
        self.add("stand-in vmlinux", vmlinux, None);
        self.add("stand-in driver.ko", read(&folder.join("driver.ko")), base);
    }

    /// Two units that refer to each other: the DWARF of `tests/sources` in all the ways that move it out of its unit.
    fn add_distant(&mut self, folder: &Path) {
        let sources = root().join("tests/sources");
        let compile = |out: &str, flags: &[&str]| {
            for unit in ["one", "two"] {
                let mut command = Command::new("gcc");
                command.args(["-g", "-gdwarf-5", "-O1", "-ffreestanding", "-fno-pie", "-w", "-c"]).args(flags);
                run(
                    command.arg("-o").arg(format!("{unit}.{out}.o")).arg(sources.join(unit).with_extension("c")),
                    folder,
                );
            }
            [format!("one.{out}.o"), format!("two.{out}.o")]
        };
        let link = |out: &str, objects: &[String]| {
            let script = root().join("tests/cases/kernel.lds");
            run(Command::new("ld").arg("-T").arg(script).args(["-e", "entry", "-o", out]).args(objects), folder);
        };
        let objects = compile("lto", &["-flto"]);
        let flags = ["-g", "-O1", "-flto", "-r", "-flinker-output=nolto-rel", "-nostdlib", "-o", "lto.ko"];
        run(Command::new("gcc").args(flags).args(objects), folder);
        link("types", &compile("types", &["-fdebug-types-section"]));
        link("plain", &compile("plain", &[]));
        let mut made = vec!["lto.ko", "types"];
        if Command::new("dwz").arg("--version").output().is_ok() {
            run(Command::new("dwz").args(["-o", "dwz", "plain"]), folder);
            made.push("dwz");
        } else {
            println!("dwz is not installed, so no DWARF that it moved is damaged");
        }
        for name in made {
            self.add(&format!("tests/sources, {name}"), read(&folder.join(name)), None);
        }
    }

    fn add_kernel(&mut self, kernel: &Path) {
        let vmlinux = Input::open(&kernel.join("vmlinux")).expect("vmlinux is readable");
        let elf = dwarf::elf::ElfFile::parse(vmlinux.bytes()).expect("vmlinux is ELF");
        let btf = elf.section(b".BTF").and_then(|s| elf.bytes(s).ok()).expect("vmlinux has BTF").to_vec();
        self.bases.push(btf);
        let base = Some(self.bases.len() - 1);
        for (step, bytes) in SLICES {
            let sites = Sites::of_units(vmlinux.bytes(), slice::every(step, bytes)).expect("vmlinux has DWARF");
            let slice = slice::slice(vmlinux.bytes(), &sites).expect("vmlinux is linked");
            self.add(&format!("vmlinux, {} units of it", sites.units.len()), slice, None);
        }
        for module in MODULES {
            let path = kernel.join("modules").join(module);
            // Which modules there are depends on the kernel.
            if path.exists() {
                let bytes = read(&path);
                self.add(&format!("{module}, no base"), bytes.clone(), None);
                self.add(module, bytes, base);
            }
        }
    }

    /// The bases, parsed.
    pub fn views(&self) -> Vec<BtfView<'_>> {
        self.bases.iter().map(|base| BtfView::parse(base).expect("the base is BTF")).collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("cli/ lies in the root")
}

/// Runs what makes an input.
fn run(command: &mut Command, folder: &Path) {
    let output = command.current_dir(folder).output();
    let output = output.unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The BTF of a file, which cannot fail.
fn encoded(file: &[u8]) -> Vec<u8> {
    let outcome = mutate::pipeline::run(file, None, 2);
    match outcome {
        Ok(mutate::pipeline::Outcome::Encoded(btf)) => btf,
        other => panic!("the stand-in kernel is not encoded: {other:?}"),
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The folder of the real kernel in the cache.
fn kernel() -> Option<PathBuf> {
    let home = || std::env::var("HOME").map(|home| format!("{home}/.cache/btfgen"));
    let cache = std::env::var("BTFGEN_CACHE").or_else(|_| home()).ok()?;
    let version = std::env::var("KERNEL").unwrap_or("7.3".into());
    Some(Path::new(&cache).join("kernels").join(version)).filter(|kernel| kernel.join("vmlinux").exists())
}
