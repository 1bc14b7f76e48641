//! What cannot be encoded: one clear line, a documented exit code, and nothing changed on the disk.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use btf::view::BtfView;

use support::bytes::Blob;
use support::folder::Folder;
use support::{Run, btfgen, compile, encode, must};

/// Runs btfgen on what must fail: exactly this on standard error, this exit code, and no change of anything in the folder.
#[track_caller]
fn refuses(folder: &Folder, args: &[&str], code: i32, error: &str) {
    let before = folder.listing();
    let run = btfgen(folder.path(), args);
    assert_eq!((run.code, run.err.trim_end()), (code, error), "{args:?}");
    assert_eq!(run.err.lines().count(), error.lines().count(), "{}", run.err);
    assert!(run.out.is_empty(), "{args:?} wrote to standard output");
    assert!(folder.listing() == before, "{args:?} changed something: {:?}", folder.names());
}

/// The same wherever the result would go.
#[track_caller]
fn refuses_everywhere(folder: &Folder, file: &str, code: i32, error: &str) {
    let error = format!("btfgen: error: {file}: {error}");
    refuses(folder, &[file], code, &error);
    refuses(folder, &["-j1", file], code, &error);
    refuses(folder, &["-o", "out", file], code, &error);
    refuses(folder, &["--btf_encode_detached", "out", file], code, &error);
    refuses(folder, &["--detached-dir", ".", file], code, &error);
}

fn update_section(folder: &Folder, file: &str, section: &str, bytes: &[u8]) {
    folder.write("contents", bytes);
    must(folder.path(), "objcopy", ["--update-section", &format!("{section}=contents"), file]);
    fs::remove_file(folder.file("contents")).expect("it is there");
}

fn section(folder: &Folder, file: &str, name: &str) -> Vec<u8> {
    support::section(&folder.file(file), name).expect("it is there")
}

#[test]
fn not_elf() {
    let folder = Folder::new();
    folder.write("text", b"hello, world\n");
    refuses_everywhere(&folder, "text", 3, "this is not an ELF file");
    folder.write("empty", b"");
    refuses_everywhere(&folder, "empty", 3, "this is not an ELF file");
    folder.write("magic", b"\x7fELF");
    refuses_everywhere(&folder, "magic", 3, "the ELF header names no known class (32 or 64 bit)");
    folder.write("raw.btf", &Blob::new(false).int("int", 4).bytes());
    refuses_everywhere(&folder, "raw.btf", 3, "this is not an ELF file");
}

#[test]
fn no_dwarf() {
    let folder = Folder::new();
    compile(folder.path(), "x", "int f(int a) { return a; }", &["-g0"]);
    let error = "no DWARF debug information (.debug_info): build with CONFIG_DEBUG_INFO_DWARF5 or -g, and encode before stripping";
    refuses_everywhere(&folder, "x.o", 4, error);
    compile(folder.path(), "x", "int f(int a) { return a; }", &[]);
    must(folder.path(), "strip", ["--strip-debug", "x.o"]);
    refuses_everywhere(&folder, "x.o", 4, error);
}

#[test]
fn cannot_be_read() {
    let folder = Folder::with_samples();
    refuses(
        &folder,
        &["nowhere.o"],
        1,
        "btfgen: error: nowhere.o: cannot be read: No such file or directory (os error 2)",
    );
    refuses(
        &folder,
        &["."],
        1,
        "btfgen: error: .: cannot be read: is a directory; --modules-dir encodes the modules below it",
    );
    refuses(&folder, &["--detached-dir", ".", ".."], 2, "btfgen: error: .. is not a file");
    symlink("nothing", folder.file("dangling")).expect("link is made");
    refuses(
        &folder,
        &["dangling"],
        1,
        "btfgen: error: dangling: cannot be read: No such file or directory (os error 2)",
    );
    symlink("loop", folder.file("loop")).expect("link is made");
    refuses(
        &folder,
        &["loop"],
        1,
        "btfgen: error: loop: cannot be read: Too many levels of symbolic links (os error 40)",
    );
}

/// btfgen as a user who may not do everything: as root by way of setpriv, else as it is. None with a word if neither goes.
fn as_user(folder: &Folder, args: &[&str]) -> Option<Run> {
    if fs::read_to_string("/proc/self/status").is_ok_and(|s| !s.contains("Uid:\t0\t")) {
        return Some(btfgen(folder.path(), args));
    }
    let drop = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    // The program must be where that user may go.
    let program = folder.file("btfgen-program");
    fs::copy(env!("CARGO_BIN_EXE_btfgen"), &program).expect("program is copied");
    folder.chmod("btfgen-program", 0o755);
    if !support::works("setpriv", &[&drop[..], &["true"]].concat()) {
        support::skipped("running as root, and setpriv cannot become somebody else");
        return None;
    }
    let mut command = Command::new("setpriv");
    command.current_dir(folder.path()).args(drop).arg(&program).args(args);
    // Another test may just have forked while the copy was open for writing; its child lets go of it in a moment.
    for _ in 0..100 {
        let run: Run = command.output().expect("setpriv runs").into();
        if !run.err.contains("Text file busy") {
            return Some(run);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("the copied program stays busy");
}

#[test]
fn no_permission() {
    let folder = Folder::with_samples();
    folder.chmod(".", 0o777);
    folder.chmod("sample.o", 0o000);
    let Some(run) = as_user(&folder, &["sample.o"]) else { return };
    let error = "btfgen: error: sample.o: cannot be read: Permission denied (os error 13)\n";
    assert_eq!((run.code, run.err.as_str()), (1, error));
    folder.chmod("sample.o", 0o644);
    folder.chmod(".", 0o555);
    let before = folder.listing();
    let run = as_user(&folder, &["sample.o"]).expect("it worked before");
    let at = folder.path().display();
    let error =
        format!("btfgen: error: sample.o: cannot create a temporary file in `{at}`: Permission denied (os error 13)\n");
    assert_eq!((run.code, run.err), (1, error));
    let run = as_user(&folder, &["--btf_encode_detached", "out.btf", "sample.o"]).expect("it worked before");
    let error = "btfgen: error: out.btf: cannot create a temporary file in `.`: Permission denied (os error 13)\n";
    assert_eq!((run.code, run.err.as_str()), (1, error));
    folder.chmod(".", 0o755);
    let mut after = folder.listing();
    // The program was copied again.
    after.remove(Path::new("btfgen-program"));
    assert!(before.into_iter().filter(|(name, _)| name != Path::new("btfgen-program")).eq(after));
}

#[test]
fn no_such_folder() {
    let folder = Folder::with_samples();
    let error = "btfgen: error: none/out: cannot create a temporary file in `none`: No such file or directory (os error 2); make that folder first";
    refuses(&folder, &["--btf_encode_detached", "none/out", "sample.o"], 1, error);
    refuses(&folder, &["-o", "none/out", "sample.o"], 1, error);
    let error = "btfgen: error: none/sample.o.btf: cannot create a temporary file in `none`: No such file or directory (os error 2); make that folder first";
    refuses(&folder, &["--detached-dir", "none", "sample.o"], 1, error);
}

#[test]
fn full_disk() {
    let folder = Folder::with_samples();
    let error = "btfgen: error: /dev/full: cannot write `/dev/full`: No space left on device (os error 28)";
    refuses(&folder, &["--btf_encode_detached", "/dev/full", "sample.o"], 1, error);
    refuses(&folder, &["-o", "/dev/full", "sample.o"], 1, error);

    let small = folder.file("small");
    fs::create_dir(&small).expect("folder is made");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=32k", "none"]).arg(&small).output();
    if !mounted.is_ok_and(|o| o.status.success()) {
        return support::skipped("a small tmpfs cannot be mounted (that takes root): in-place writing on a full disk");
    }
    let result = std::panic::catch_unwind(|| {
        // Room for the file, none for a second one.
        let object = folder.read("sample.o");
        folder.write("small/sample.o", &object);
        folder.write("small/filler", &vec![0; (28 << 10) - object.len().next_multiple_of(4096)]);
        let at = small.join("sample.o");
        let error = format!(
            "btfgen: error: small/sample.o: cannot write `{}`: No space left on device (os error 28)",
            fs::canonicalize(&at).expect("it is there").display()
        );
        refuses(&folder, &["small/sample.o"], 1, &error);
    });
    must(folder.path(), "umount", ["small"]);
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn wrong_usage() {
    let folder = Folder::with_samples();
    refuses(&folder, &[], 2, "btfgen: error: no file to encode; see btfgen --help");
    let error = "btfgen: error: --btf_encode_detached takes one file; use --detached-dir for many";
    refuses(&folder, &["--btf_encode_detached", "out", "sample.o", "driver.ko"], 2, error);
    let error = "btfgen: error: -o takes one file; use --detached-dir for many";
    refuses(&folder, &["-o", "out", "sample.o", "driver.ko"], 2, error);
    fs::create_dir(folder.file("a")).expect("folder is made");
    folder.write("a/sample.o", &folder.read("sample.o"));
    let error = "btfgen: error: sample.o and a/sample.o have the same name, so --detached-dir would write one over the other: use a folder for each";
    refuses(&folder, &["--detached-dir", ".", "sample.o", "a/sample.o"], 2, error);
    // In place, one would come after the other, or find the file changed.
    symlink("sample.o", folder.file("link.o")).expect("link is made");
    let error = "btfgen: error: sample.o and link.o are the same file: name it once";
    refuses(&folder, &["sample.o", "driver.ko", "link.o"], 2, error);
    let error = "btfgen: error: dialect `klingon` is unknown; pass auto, pahole-1.31, pahole-1.32, or traits as in arrays=flat,enum64=on";
    refuses(&folder, &["--dialect=klingon", "sample.o"], 2, error);
    // The argument parser's own words: only that they are there.
    for args in [["--nonsense", "sample.o"], ["-jx", "sample.o"], ["--compat=gcc", "sample.o"]] {
        let before = folder.listing();
        let run = btfgen(folder.path(), args);
        assert!(run.code == 2 && run.err.starts_with("error: "), "{run:?}");
        assert!(folder.listing() == before);
    }
}

#[test]
fn bad_base() {
    let folder = Folder::with_samples();
    let base = |name: &str, error: &str| {
        let error = format!("btfgen: error: {name}: {error}");
        refuses(&folder, &["--btf_base", name, "driver.ko"], 5, &error);
        refuses(&folder, &["--btf_base", name, "--btf_encode_detached", "out", "driver.ko"], 5, &error);
    };
    base("none", "the base cannot be read: No such file or directory (os error 2)");
    base(".", "the base cannot be read: is a directory");
    let no_btf =
        "no BTF in this file (section .BTF): encode it first, or pass another vmlinux or /sys/kernel/btf/vmlinux";
    base("vmlinux", no_btf);
    folder.write("text", b"hello\n");
    base("text", "neither an ELF file nor raw BTF");
    folder.write("empty", b"");
    base("empty", "neither an ELF file nor raw BTF");
    let damaged = "the base BTF is damaged, or the BTF of a module, which cannot be a base: ";
    let raw = section(&folder, "base", ".BTF");
    folder.write("short", &raw[..20]);
    base("short", &format!("{damaged}BTF: the header has 24 bytes, of 20 in all"));
    folder.write("cut", &raw[..raw.len() - 10]);
    let run = btfgen(folder.path(), ["--btf_base", "cut", "driver.ko"]);
    assert!(run.code == 5 && run.err.starts_with(&format!("btfgen: error: cut: {damaged}")), "{run:?}");
    // That of a module.
    folder.write("split.ko", &folder.read("driver.ko"));
    encode(folder.path(), ["--btf_base", "base", "split.ko"]);
    let module = &format!("{damaged}BTF strings+0x0: the first string is not the empty one");
    base("split.ko", module);
    folder.write("split.btf", &section(&folder, "split.ko", ".BTF"));
    base("split.btf", module);
}

#[test]
fn base_of_another_machine() {
    let folder = Folder::with_samples();
    folder.write("big.btf", &Blob::new(true).int("int", 4).int("long int", 8).bytes());
    let big = "the base BTF is big-endian, the file is little-endian: pass the vmlinux of the same build";
    refuses(&folder, &["--btf_base", "big.btf", "driver.ko"], 5, &format!("btfgen: error: driver.ko: {big}"));
    folder.write("narrow.btf", &Blob::new(false).int("int", 4).int("long unsigned int", 4).bytes());
    let narrow = "the base BTF is of a 32-bit kernel, the file has 64 bits: pass the vmlinux of the same build";
    refuses(&folder, &["--btf_base", "narrow.btf", "driver.ko"], 5, &format!("btfgen: error: driver.ko: {narrow}"));

    let source = "int f(long a) { return a; }";
    if support::works("gcc", &["-m32", "-ffreestanding", "-E", "-x", "c", "/dev/null"]) {
        compile(folder.path(), "narrow", source, &["-m32", "-ffreestanding"]);
        let error = "the base BTF is of a 64-bit kernel, the file has 32 bits: pass the vmlinux of the same build";
        refuses(&folder, &["--btf_base", "base", "narrow.o"], 5, &format!("btfgen: error: narrow.o: {error}"));
        // On its own it is fine.
        encode(folder.path(), ["narrow.o"]);
    } else {
        support::skipped("this gcc has no -m32");
    }
    if support::works("s390x-linux-gnu-gcc", &["--version"]) {
        support::compile_with("s390x-linux-gnu-gcc", folder.path(), "big", source, &["-ffreestanding"]);
        let error = "the base BTF is little-endian, the file is big-endian: pass the vmlinux of the same build";
        refuses(&folder, &["--btf_base", "base", "big.o"], 5, &format!("btfgen: error: big.o: {error}"));
        encode(folder.path(), ["--btf_base", "big.btf", "big.o"]);
    } else {
        support::skipped("no compiler for a big-endian machine (s390x-linux-gnu-gcc)");
    }
}

#[test]
fn damaged_dwarf() {
    let folder = Folder::with_samples();
    let sample = folder.read("sample.o");
    let info = section(&folder, "sample.o", ".debug_info");

    update_section(&folder, "sample.o", ".debug_info", &info[..40]);
    let size = info.len();
    let error = format!(
        ".debug_info+0x0: the unit has {size} bytes, the section only 36 more; the file is cut short or damaged"
    );
    let run = btfgen(folder.path(), ["sample.o"]);
    assert_eq!(run.code, 3, "{}", run.err);
    assert!(run.err.starts_with("btfgen: error: sample.o: .debug_info+0x0: the unit has "), "{error}\n{}", run.err);
    assert!(run.err.ends_with(" bytes, the section only 36 more; the file is cut short or damaged\n"), "{}", run.err);

    folder.write("sample.o", &sample);
    update_section(&folder, "sample.o", ".debug_abbrev", &[0xff; 100]);
    refuses_everywhere(&folder, "sample.o", 3, ".debug_abbrev+0x0: the abbreviation table is cut short");

    // In a linked file nothing refers to the sections by symbols, so that they can go.
    let vmlinux = folder.read("vmlinux");
    must(folder.path(), "objcopy", ["--remove-section", ".debug_abbrev", "vmlinux"]);
    refuses_everywhere(&folder, "vmlinux", 3, ".debug_abbrev+0x0: the abbreviation table is cut short");
    folder.write("vmlinux", &vmlinux);
    must(folder.path(), "objcopy", ["--remove-section", ".debug_str", "vmlinux"]);
    let error =
        ".debug_info+0x0: unit sample.c: a name lies outside of the section of strings, which is cut short or damaged";
    refuses_everywhere(&folder, "vmlinux", 3, error);
}

/// Changes a section's bytes where they stand in the file: objcopy makes relocations anew.
fn patch_section(folder: &Folder, file: &str, name: &str, change: impl FnOnce(&mut [u8])) {
    let mut bytes = fs::read(folder.file(file)).expect("it is there");
    let elf = dwarf::elf::ElfFile::parse(&bytes).expect("file is ELF");
    let section = elf.section(name.as_bytes()).expect("it is there");
    let range = section.offset as usize..(section.offset + section.size) as usize;
    change(&mut bytes[range]);
    folder.write(file, &bytes);
}

/// A size in a header is not asked of the system before as many bytes are there.
#[test]
fn compressed_to_less_than_they_say() {
    let folder = Folder::new();
    compile(folder.path(), "x", "int f(int a) { return a; }", &["-gz=zlib"]);
    let (file, good) = ("x.o", folder.read("x.o"));
    for size in [1 << 40, 1 << 62, 7, u64::MAX] {
        folder.write(file, &good);
        // ch_size (gABI, Elf64_Chdr).
        patch_section(&folder, file, ".debug_info", |bytes| bytes[8..16].copy_from_slice(&u64::to_le_bytes(size)));
        let length = section(&folder, file, ".debug_info").len() - 24;
        let error = format!(
            ".debug_info: cannot be decompressed: it is damaged: {length} bytes do not decompress to the {size} that its header tells of"
        );
        refuses_everywhere(&folder, file, 3, &error);
    }
}

/// n names that each begin one byte later in a string of n bytes: not n² bytes of memory.
#[test]
fn names_within_a_name() {
    let source = "
        .section .debug_abbrev, \"\", @progbits
        .byte 1, 0x11, 1, 0, 0,  2, 0x16, 0, 3, 0x0e, 0, 0,  0
        .section .debug_str, \"\", @progbits
        .Lname: .fill 3000, 1, 'x'
        .byte 0
        .section .debug_info, \"\", @progbits
        .long .Lend - .Lstart
        .Lstart: .short 5
        .byte 1, 8
        .long 0
        .byte 1
        .set i, 0
        .rept 3000
        .byte 2
        .long .Lname + i
        .set i, i + 1
        .endr
        .byte 0
        .Lend:";
    let folder = Folder::new();
    folder.write("x.s", source.as_bytes());
    must(folder.path(), "as", ["-o", "x.o", "x.s"]);
    let error = ".debug_info+0x0: unit : names are parts of other names, and together many times longer than the sections that they are in";
    refuses_everywhere(&folder, "x.o", 3, error);
}

/// A section header of type SHT_NULL means nothing, whatever its name.
#[test]
fn inactive_headers() {
    let folder = Folder::with_samples();
    encode(folder.path(), ["sample.o"]);
    let good = section(&folder, "sample.o", ".BTF");
    let mut bytes = folder.read("sample.o");
    let headers = mutate::image::Headers::of(&bytes).expect("it is ELF");
    let at = headers.section(".BTF").expect("it was encoded").at;
    bytes[at + 4..at + 8].fill(0);
    folder.write("sample.o", &bytes);
    encode(folder.path(), ["sample.o"]);
    assert_eq!(section(&folder, "sample.o", ".BTF"), good);
}

#[test]
fn relocations() {
    /// Bytes of an entry in 64-bit files.
    const ENTRY: usize = 24;
    let folder = Folder::new();
    let source = "struct s { int a; struct s *b; }; int f(struct s *s) { return s->a; } int g(int a) { return a; }";
    compile(folder.path(), "x", source, &[]);
    if support::section(&folder.file("x.o"), ".rela.debug_info").is_none_or(|s| s.len() % ENTRY != 0) {
        return support::skipped("no 64-bit relocations on this machine");
    }
    encode(folder.path(), ["--btf_encode_detached", "expected.btf", "x.o"]);

    // Linkers and assemblers sort them, but nothing says that they must.
    patch_section(&folder, "x.o", ".rela.debug_info", |table| {
        let reversed: Vec<u8> = table.chunks_exact(ENTRY).rev().flatten().copied().collect();
        table.copy_from_slice(&reversed);
    });
    encode(folder.path(), ["--btf_encode_detached", "x.btf", "x.o"]);
    assert!(folder.read("x.btf") == folder.read("expected.btf"));

    let end = section(&folder, "x.o", ".debug_info").len() as u64;
    patch_section(&folder, "x.o", ".rela.debug_info", |table| {
        table[..8].copy_from_slice(&if cfg!(target_endian = "big") { end.to_be_bytes() } else { end.to_le_bytes() });
    });
    let error = format!(".debug_info+{end:#x}: a relocation lies outside of the section");
    refuses_everywhere(&folder, "x.o", 3, &error);
}

/// A file that was cut short anywhere: an error, or (when nothing that is read was cut off) the same as the whole file.
#[test]
fn cut_anywhere() {
    for (name, base) in [("sample.o", None), ("vmlinux", None), ("driver.ko", Some("base"))] {
        let folder = Folder::with_samples();
        let whole = folder.read(name);
        let args = |file| base.iter().flat_map(|b| ["--btf_base", b]).chain(["--btf_encode_detached", "out.btf", file]);
        encode(folder.path(), args(name));
        let expected = folder.read("out.btf");
        let points = (0..150).map(|i| i * whole.len() / 150).chain((1..30).map(|i| whole.len() - i));
        for at in points {
            folder.write("cut", &whole[..at]);
            fs::remove_file(folder.file("out.btf")).ok();
            let run = btfgen(folder.path(), args("cut"));
            let what = format!("{name} cut at {at} of {}: {run:?}", whole.len());
            assert!(matches!(run.code, 0 | 3), "{what}");
            assert_eq!(run.err.lines().count(), usize::from(run.code != 0), "{what}");
            assert_eq!(folder.file("out.btf").exists(), run.code == 0, "{what}");
            assert!(run.code != 0 || folder.read("out.btf") == expected, "{what}");
        }
    }
}

#[test]
fn a_bad_file_does_not_stop_the_others() {
    let folder = Folder::with_samples();
    folder.write("alone.ko", &folder.read("driver.ko"));
    encode(folder.path(), ["--btf_base", "base", "alone.ko"]);
    folder.write("bad.ko", b"this is not ELF");
    compile(folder.path(), "nodebug", "int x;", &["-g0"]);
    let files = ["--btf_base", "base", "nodebug.o", "bad.ko", "driver.ko", "nowhere.ko"];
    let run = btfgen(folder.path(), files);
    let expected = "\
btfgen: error: nodebug.o: no DWARF debug information (.debug_info): build with CONFIG_DEBUG_INFO_DWARF5 or -g, and encode before stripping
btfgen: error: bad.ko: this is not an ELF file
btfgen: error: nowhere.ko: cannot be read: No such file or directory (os error 2)
";
    assert_eq!(
        (run.code, run.err.as_str()),
        (4, expected),
        "in the order of the arguments; the code is the first one's"
    );
    assert!(folder.read("driver.ko") == folder.read("alone.ko"), "the good one was done");
    assert_eq!(folder.read("bad.ko"), b"this is not ELF");
    // In another order: that of the first one again.
    let run = btfgen(folder.path(), ["--btf_base", "base", "driver.ko", "nowhere.ko", "bad.ko"]);
    assert_eq!(run.code, 1, "{}", run.err);
}

#[test]
fn only_regular_files_are_replaced() {
    let folder = Folder::with_samples();
    must(folder.path(), "mkfifo", ["pipe"]);
    let command = format!("cat sample.o > pipe & '{}' pipe; code=$?; wait; exit $code", env!("CARGO_BIN_EXE_btfgen"));
    let run: Run =
        Command::new("bash").current_dir(folder.path()).args(["-c", &command]).output().expect("bash runs").into();
    let at = fs::canonicalize(folder.file("pipe")).expect("it is there");
    let error =
        format!("btfgen: error: pipe: `{}` is not a regular file: name a file to write with -o\n", at.display());
    assert_eq!((run.code, run.err), (1, error));
}

/// xorshift64*, so that the same seed gives the same bytes everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Random bytes of a file changed, most of them in its debug information: a clear error, or BTF that is valid. Never a panic, never
/// without end. The number of runs can be set: BTFGEN_MUTATIONS=10000 cargo test --release --test bad_input mutations
#[test]
fn mutations() {
    let runs: u64 = std::env::var("BTFGEN_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(250);
    let seed: u64 = std::env::var("BTFGEN_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let folder = Folder::with_samples();
    let base_bytes = section(&folder, "base", ".BTF");
    let base = BtfView::parse(&base_bytes).expect("the base is BTF");
    let mut succeeded = 0;
    for (name, on_base) in [("sample.o", false), ("vmlinux", false), ("driver.ko", true)] {
        let whole = folder.read(name);
        let ranges: Vec<(usize, usize)> = [".debug_info", ".debug_abbrev", ".debug_str", ".symtab", ".rela.debug_info"]
            .iter()
            .filter_map(|s| {
                let contents = support::section(&folder.file(name), s).filter(|c| !c.is_empty())?;
                let at = whole.windows(contents.len()).position(|w| w == contents)?;
                Some((at, contents.len()))
            })
            .collect();
        for run_number in 0..runs {
            let mut random = Random(seed * 1_000_003 + run_number * 7919 + name.len() as u64 + 1);
            let mut bytes = whole.clone();
            for _ in 0..1 + random.below(4) {
                // The first two sections hold most of the meaning.
                let (start, len) = match random.below(8) {
                    0 => (0, whole.len()),
                    n @ 1..=4 => ranges[n % 2],
                    n => ranges[n % ranges.len()],
                };
                let at = start + random.below(len);
                bytes[at] = match random.below(4) {
                    0 => random.next() as u8,
                    1 => bytes[at] ^ (1 << random.below(8)),
                    2 => [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
                    _ => bytes[at].wrapping_add(1),
                };
            }
            folder.write("changed", &bytes);
            fs::remove_file(folder.file("out.btf")).ok();
            let mut args = vec!["20", env!("CARGO_BIN_EXE_btfgen"), "--btf_encode_detached", "out.btf", "changed"];
            args.extend(if on_base { &["--btf_base", "base"][..] } else { &[] });
            let run: Run =
                Command::new("timeout").current_dir(folder.path()).args(&args).output().expect("it runs").into();
            let what = format!("{name}, seed {seed}, run {run_number}: exit code {}: {}", run.code, run.err);
            if std::env::var_os("BTFGEN_KEEP").is_some() && !matches!(run.code, 0 | 3 | 4 | 5) {
                fs::write(format!("/tmp/changed-{name}-{seed}-{run_number}"), &bytes).expect("it is kept");
                eprintln!("{what}");
                continue;
            }
            assert!(!run.err.contains("panicked"), "{what}");
            assert!(matches!(run.code, 0 | 3 | 4 | 5 | 6), "{what}");
            if run.code != 0 {
                assert!(run.err.starts_with("btfgen: error: changed: ") && run.err.lines().count() == 1, "{what}");
                assert!(!folder.file("out.btf").exists(), "{what}");
                continue;
            }
            succeeded += 1;
            let out = folder.read("out.btf");
            let view = BtfView::parse_on(&out, on_base.then_some(&base)).unwrap_or_else(|e| panic!("{what}: {e}"));
            let findings = btf::verify::verify(
                &view,
                &btf::verify::Options { level: btf::verify::Level::Kernel, ..btf::verify::Options::default() },
            );
            assert!(findings.is_empty(), "{what}: {findings:?}");
        }
    }
    assert!(succeeded > 0, "a change of a string, for one, is harmless");
}
