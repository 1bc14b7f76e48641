//! The btfgen program from outside: where results go, what of a file is kept, that nothing but the input counts.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use btf::view::BtfView;
use rustix::fs::XattrFlags;

use support::folder::{Folder, SOURCE};
use support::{btfgen, encode, must, text};

/// The lines of a raw BTF file, on top of the base file if there is one.
fn lines(bytes: &[u8], base: Option<&[u8]>) -> Vec<String> {
    let base = base.map(|b| BtfView::parse(b).expect("the base is BTF"));
    text::lines(&BtfView::parse_on(bytes, base.as_ref()).expect("it is BTF"))
}

fn section(folder: &Folder, name: &str) -> Vec<u8> {
    support::section(&folder.file(name), ".BTF").expect("there is a .BTF")
}

#[test]
fn in_place() {
    let folder = Folder::with_samples();
    let before = folder.read("sample.o");
    assert_eq!(encode(folder.path(), ["sample.o"]), "", "quiet by default");
    assert_eq!(folder.names(), ["base", "driver.ko", "sample.o", "vmlinux"], "nothing is left behind");
    assert_ne!(folder.read("sample.o"), before);
    let lines = lines(&section(&folder, "sample.o"), None);
    for start in
        ["STRUCT object size=136", "FUNC add(to: *struct object, name: *const char) -> int", "VAR per_cpu_object"]
    {
        assert!(lines.iter().any(|l| text::matches(l, start)), "no {start} in {lines:#?}");
    }
    // What other tools see of the file is as before, but for the new section.
    for flag in ["-sW", "-rW", "-lW"] {
        folder.write("old.o", &before);
        let sections = |name: &str| String::from_utf8(must(folder.path(), "readelf", [flag, name]).out).expect("ASCII");
        assert_eq!(sections("sample.o"), sections("old.o"));
    }
}

#[test]
fn detached_leaves_the_input_alone() {
    let folder = Folder::with_samples();
    let before = folder.listing();
    assert_eq!(encode(folder.path(), ["--btf_encode_detached", "out.btf", "sample.o"]), "");
    let mut after = folder.listing();
    let (bytes, mode, ..) = after.remove(Path::new("out.btf")).expect("it was written");
    assert_eq!(after, before);
    assert_eq!(mode & 0o777, 0o666 & !umask());
    encode(folder.path(), ["sample.o"]);
    assert_eq!(section(&folder, "sample.o"), bytes, "the same as in place");
}

fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").expect("it is readable");
    let umask = status.lines().find_map(|l| l.strip_prefix("Umask:")).expect("it has a mask");
    u32::from_str_radix(umask.trim(), 8).expect("it is octal")
}

#[test]
fn a_longer_file_is_replaced() {
    let folder = Folder::with_samples();
    folder.write("out.btf", &[b'x'; 100_000]);
    folder.chmod("out.btf", 0o604);
    encode(folder.path(), ["--btf_encode_detached", "out.btf", "sample.o"]);
    encode(folder.path(), ["--btf_encode_detached", "new.btf", "sample.o"]);
    assert_eq!(folder.read("out.btf"), folder.read("new.btf"));
    let mode = fs::metadata(folder.file("out.btf")).expect("it is there").mode();
    assert_eq!(mode & 0o777, 0o604, "its mode is kept");
}

#[test]
fn detached_to_standard_output() {
    let folder = Folder::with_samples();
    let run = btfgen(folder.path(), ["--btf_encode_detached", "/dev/stdout", "sample.o"]);
    assert_eq!(run.code, 0, "{}", run.err);
    encode(folder.path(), ["--btf_encode_detached", "out.btf", "sample.o"]);
    assert_eq!(run.out, folder.read("out.btf"));
}

#[test]
fn detached_dir() {
    let folder = Folder::with_samples();
    fs::create_dir(folder.file("out")).expect("folder is made");
    let before = folder.listing();
    encode(folder.path(), ["--detached-dir", "out", "--btf_base", "base", "sample.o", "driver.ko"]);
    let mut after = folder.listing();
    let base = section(&folder, "base");
    let (driver, ..) = after.remove(Path::new("out/driver.ko.btf")).expect("it was written");
    let (sample, ..) = after.remove(Path::new("out/sample.o.btf")).expect("it was written");
    after.get_mut(Path::new("out")).expect("it is there").clone_from(&before[Path::new("out")]);
    assert_eq!(after, before);
    assert!(lines(&driver, Some(&base)).iter().any(|l| text::matches(l, "STRUCT driver size=40")));
    // All types of the sample are in the base already; functions and variables are its own all the same.
    let lines = lines(&sample, Some(&base));
    let own = |l: &&String| !["FUNC ", "VAR ", "DATASEC "].iter().any(|k| l.starts_with(k));
    assert_eq!(lines.iter().find(own), None);
    assert_eq!(lines.iter().filter(|l| l.starts_with("FUNC ")).count(), 3);
}

#[test]
fn a_copy() {
    let folder = Folder::with_samples();
    let before = folder.listing();
    encode(folder.path(), ["-o", "copy.o", "sample.o"]);
    let mut after = folder.listing();
    let (copy, mode, ..) = after.remove(Path::new("copy.o")).expect("it was written");
    assert_eq!(after, before);
    assert_eq!(mode & 0o777, 0o666 & !umask());
    encode(folder.path(), ["sample.o"]);
    assert_eq!(copy, folder.read("sample.o"));
}

#[test]
fn a_module_on_its_base() {
    let folder = Folder::with_samples();
    let said = encode(folder.path(), ["-v", "--btf_base", "base", "driver.ko"]);
    assert!(said.contains("0 redefined"), "{said}");
    let base = section(&folder, "base");
    let own = lines(&section(&folder, "driver.ko"), Some(&base));
    let starts = |start: &str| own.iter().any(|l| text::matches(l, start));
    assert!(
        starts("STRUCT driver size=40") && starts("FUNC drive(d: *struct driver, l: *struct list) -> int"),
        "{own:#?}"
    );
    assert!(!starts("STRUCT list") && !starts("INT"), "{own:#?}");
    // A raw BTF file as the base: the same.
    let in_place = section(&folder, "driver.ko");
    folder.write("base.btf", &base);
    encode(folder.path(), ["--btf_base", "base.btf", "--btf_encode_detached", "out.btf", "driver.ko"]);
    assert_eq!(folder.read("out.btf"), in_place);
}

#[test]
fn twice_is_once() {
    let folder = Folder::with_samples();
    for (file, base) in [("sample.o", None), ("vmlinux", None), ("driver.ko", Some("base"))] {
        let args = || base.iter().flat_map(|b| ["--btf_base", b]).chain([file]);
        encode(folder.path(), args());
        let once = folder.read(file);
        encode(folder.path(), args());
        assert!(folder.read(file) == once, "{file} differs after the second time");
    }
}

/// No shell sees the names of files (W31).
#[test]
fn odd_names() {
    let folder = Folder::with_samples();
    let names = ["a b.o", "x;touch INJECTED;.o", "$(touch INJECTED).o", "quote'\".o", "new\nline.o", "-v.o"];
    for name in names {
        folder.write(name, &folder.read("sample.o"));
        encode(folder.path(), ["--", name]);
        section(&folder, name);
    }
    let mut expected: Vec<String> =
        ["base", "driver.ko", "sample.o", "vmlinux"].into_iter().chain(names).map(String::from).collect();
    expected.sort();
    assert_eq!(folder.names(), expected);
}

#[test]
fn a_section_that_is_there_is_replaced() {
    let folder = Folder::with_samples();
    folder.write("old.btf", &[7; 50_000]);
    folder.write("clean.o", &folder.read("sample.o"));
    encode(folder.path(), ["clean.o"]);
    must(folder.path(), "objcopy", ["--add-section", ".BTF=old.btf", "sample.o"]);
    encode(folder.path(), ["sample.o"]);
    assert_eq!(section(&folder, "sample.o"), section(&folder, "clean.o"));
    assert!(folder.read("sample.o").len() < 50_000, "the old bytes are gone");
    let sections = must(folder.path(), "readelf", ["-SW", "sample.o"]).out;
    assert_eq!(String::from_utf8_lossy(&sections).matches(" .BTF ").count(), 1);
}

#[test]
fn threads_do_not_matter() {
    let folder = Folder::with_samples();
    // Enough units that there is work for seven.
    for n in 0..40 {
        let source = format!(
            "{SOURCE}\nstruct own{n} {{ struct object *o; int x[{n} + 1]; }};\nint f{n}(struct own{n} *a, int b{n}) {{ return a->x[0]; }}"
        );
        let source = source.replace("int _start", "static int start").replace("per_cpu_object", &format!("pcpu{n}"));
        let source = source.replace("int add(", "static int add(").replace("int *find(", "static int *find(");
        support::compile(folder.path(), &format!("unit{n}"), &source, &["-O1", "-w"]);
    }
    let units: Vec<String> = (0..40).map(|n| format!("unit{n}.o")).collect();
    must(folder.path(), "ld", ["-r", "-o", "many.ko"].into_iter().chain(units.iter().map(String::as_str)));
    let mut results = Vec::new();
    for jobs in ["-j1", "-j2", "-j7", "-j"] {
        encode(folder.path(), [jobs, "--btf_base", "base", "--btf_encode_detached", "out.btf", "many.ko"]);
        results.push(folder.read("out.btf"));
        let files = units.iter().take(9).map(String::as_str);
        fs::create_dir_all(folder.file("out")).expect("folder is made");
        encode(folder.path(), [jobs, "--detached-dir", "out"].into_iter().chain(files));
        results
            .last_mut()
            .expect("it was pushed")
            .extend((0..9).flat_map(|n| folder.read(&format!("out/unit{n}.o.btf"))));
    }
    assert!(results.windows(2).all(|w| w[0] == w[1]), "the results differ");
}

#[test]
fn a_file_after_j_is_no_number() {
    let folder = Folder::with_samples();
    assert_eq!(encode(folder.path(), ["-j", "driver.ko", "--jobs", "sample.o", "-j", "2"]), "");
    assert!(!section(&folder, "driver.ko").is_empty() && !section(&folder, "sample.o").is_empty());
    let run = btfgen(folder.path(), ["-jx", "sample.o"]);
    assert!(run.code == 2 && run.err.contains("invalid value 'x' for '--jobs"), "{}", run.err);
}

#[test]
fn the_path_does_not_matter() {
    let folder = Folder::with_samples();
    let other = Folder::new();
    fs::create_dir_all(other.file("a b;c/$(d)")).expect("folder is made");
    other.write("a b;c/$(d)/-x.o", &folder.read("driver.ko"));
    encode(folder.path(), ["--btf_base", "base", "--btf_encode_detached", "here.btf", "driver.ko"]);
    let base = folder.file("base");
    let args =
        ["--btf_base", base.to_str().expect("UTF-8"), "--btf_encode_detached", "there.btf", "--", "a b;c/$(d)/-x.o"];
    encode(other.path(), args);
    assert_eq!(folder.read("here.btf"), other.read("there.btf"));
    // In place with such a name: nothing is executed, nothing else is made.
    encode(&other.file("a b;c/$(d)"), ["--btf_base", base.to_str().expect("UTF-8"), "--", "-x.o"]);
    assert_eq!(other.names(), ["a b;c", "a b;c/$(d)", "a b;c/$(d)/-x.o", "there.btf"]);
}

#[test]
fn links_modes_and_attributes_are_kept() {
    let folder = Folder::with_samples();
    fs::create_dir(folder.file("real")).expect("folder is made");
    fs::rename(folder.file("sample.o"), folder.file("real/sample.o")).expect("it is moved");
    symlink("real/sample.o", folder.file("link.o")).expect("link is made");
    symlink("link.o", folder.file("second.o")).expect("link is made");
    folder.chmod("real/sample.o", 0o751);
    let real = folder.file("real/sample.o");
    let has_attribute = rustix::fs::setxattr(&real, "user.note", b"kept", XattrFlags::empty()).is_ok();
    if !has_attribute {
        support::skipped("the file system of temporary files has no extended attributes");
    }
    // A time in the past, so that a new one is another one.
    let old = SystemTime::now() - Duration::from_secs(3600);
    let file = fs::File::options().write(true).open(folder.file("real/sample.o")).expect("it opens");
    file.set_modified(old).expect("time is set");
    drop(file);

    encode(folder.path(), ["second.o"]);
    assert_eq!(fs::read_link(folder.file("second.o")).expect("still a link"), Path::new("link.o"));
    assert_eq!(fs::read_link(folder.file("link.o")).expect("still a link"), Path::new("real/sample.o"));
    let metadata = fs::metadata(folder.file("real/sample.o")).expect("it is there");
    assert_eq!(metadata.mode() & 0o7777, 0o751);
    assert!(metadata.modified().expect("it has one") > old, "make sees that it is new");
    assert!(!section(&folder, "real/sample.o").is_empty());
    if has_attribute {
        let mut value = [0; 16];
        let len = rustix::fs::getxattr(&real, "user.note", &mut value).expect("it is there");
        assert_eq!(&value[..len], b"kept");
    }
    assert_eq!(folder.names(), ["base", "driver.ko", "link.o", "real", "real/sample.o", "second.o", "vmlinux"]);
}

/// A program keeps working: before, with `.BTF`, with `.BTF` replaced, with a loaded `.BTF`.
#[test]
fn executables_still_run() {
    let folder = Folder::new();
    let source = "struct s { int a; }; struct s *p; int f(struct s *x) { return x->a; }\n\
                  #include <stdio.h>\nint main(void) { struct s s = { 42 }; printf(\"%d\\n\", f(&s)); return 0; }";
    fs::write(folder.file("p.c"), source).expect("source is written");
    let run = |name: &str| {
        let output = Command::new(folder.file(name)).output().expect("it starts");
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"42\n"[..]), "{name}");
    };
    for (name, flags) in [("dynamic", vec![]), ("static", vec!["-static"]), ("fixed", vec!["-no-pie"])] {
        let args = ["-g", "-O1", "-o", name, "p.c"].into_iter().chain(flags);
        if let Err(error) = support::tool(folder.path(), "gcc", args) {
            support::skipped(&error);
            continue;
        }
        run(name);
        encode(folder.path(), [name]);
        run(name);
        let once = folder.read(name);
        encode(folder.path(), [name]);
        run(name);
        assert!(folder.read(name) == once, "{name} differs after the second time");
        assert!(lines(&section(&folder, name), None).iter().any(|l| l == "STRUCT s size=4 { a: int @0 }"));
    }
    // A section that is loaded, as the kernel's linker script makes it: it must stay where it is.
    let reserved = format!("{source}\nasm(\".section .BTF, \\\"a\\\"\\n.zero 4096\\n.text\");");
    fs::write(folder.file("p.c"), reserved).expect("source is written");
    must(folder.path(), "gcc", ["-g", "-O1", "-o", "loaded", "p.c"]);
    let before = must(folder.path(), "readelf", ["-lW", "loaded"]).out;
    encode(folder.path(), ["loaded"]);
    run("loaded");
    assert_eq!(must(folder.path(), "readelf", ["-lW", "loaded"]).out, before, "the segments are as they were");
    let btf = section(&folder, "loaded");
    assert_eq!(btf.len(), 4096, "its size is kept");
    assert!(lines(&btf, None).iter().any(|l| l == "STRUCT s size=4 { a: int @0 }"));
}

/// A loaded `.BTF` that is too small for the new contents cannot be written without breaking the program.
#[test]
fn a_loaded_section_that_is_too_small() {
    let folder = Folder::new();
    let source = "struct s { int a; } *p; asm(\".section .BTF, \\\"a\\\"\\n.zero 8\\n.text\"); int _start(void) { return p->a; }";
    fs::write(folder.file("p.c"), source).expect("source is written");
    must(folder.path(), "gcc", ["-g", "-nostdlib", "-static", "-o", "small", "p.c"]);
    let before = folder.listing();
    let run = btfgen(folder.path(), ["small"]);
    assert_eq!(run.code, 3, "{}", run.err);
    assert!(run.err.starts_with("btfgen: error: small: ") && run.err.contains(".BTF"), "{}", run.err);
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert_eq!(folder.listing(), before);
}

#[test]
fn languages_can_be_left_out() {
    let folder = Folder::with_samples();
    let said = encode(
        folder.path(),
        ["-v", "--lang_exclude=c11,c99,c,c89,c17,c23", "--btf_encode_detached", "o.btf", "sample.o"],
    );
    assert!(said.contains("1 units left out because of their language"), "{said}");
    assert_eq!(lines(&folder.read("o.btf"), None).iter().filter(|l| l.starts_with("STRUCT")).count(), 0);
    encode(folder.path(), ["--lang_exclude=rust,c++", "--btf_encode_detached", "o.btf", "sample.o"]);
    assert_ne!(lines(&folder.read("o.btf"), None).iter().filter(|l| l.starts_with("STRUCT")).count(), 0);
}

#[test]
fn what_it_says() {
    let folder = Folder::with_samples();
    let run = btfgen(folder.path(), ["--version"]);
    assert_eq!((run.code, run.out), (0, format!("btfgen {}\n", env!("CARGO_PKG_VERSION")).into_bytes()));
    let run = btfgen(folder.path(), ["--help"]);
    let help = String::from_utf8(run.out).expect("UTF-8");
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(help.contains("Usage: btfgen [OPTIONS] [FILE]...") && help.contains("--btf_base <BASE>"), "{help}");
    let said = encode(folder.path(), ["-v", "sample.o"]);
    assert!(said.starts_with("btfgen: sample.o: ") && said.contains(" 3 functions, 1 variables from "), "{said}");
    let said = encode(folder.path(), ["--time", "sample.o"]);
    assert!(said.starts_with("sample.o:\n") && said.contains(" ms  units"), "{said}");
    let said = encode(folder.path(), ["-v", "--btf_features=var,nonsense", "sample.o"]);
    assert!(said.starts_with("btfgen: feature `nonsense` is not known and ignored\n"), "{said}");
}

#[test]
fn functions_report() {
    let folder = Folder::with_samples();
    encode(
        folder.path(),
        ["--btf_base", "base", "--functions-report", "r.tsv", "--btf_encode_detached", "o", "driver.ko"],
    );
    let report = String::from_utf8(folder.read("r.tsv")).expect("UTF-8");
    let mut lines = report.lines();
    assert_eq!(lines.next(), Some("file\tfunction\tdecision\treason"));
    assert_eq!(lines.collect::<Vec<_>>(), ["driver.ko\tadd\tkept\t", "driver.ko\tdrive\tkept\t"]);
}

#[test]
fn dump() {
    let folder = Folder::with_samples();
    encode(folder.path(), ["--btf_base", "base", "driver.ko"]);
    let run = btfgen(folder.path(), ["dump", "--btf_base", "base", "driver.ko"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let dump = String::from_utf8(run.out).expect("ASCII");
    assert!(dump.contains(" STRUCT 'driver' size=40 vlen=3\n\t'list' type_id="), "{dump}");
    // A reader that has seen enough is no failure.
    let command = format!("'{}' dump base | head -n 1", env!("CARGO_BIN_EXE_btfgen"));
    let run = must(folder.path(), "bash", ["-o", "pipefail", "-c", &command]);
    assert!(run.out.starts_with(b"[1] ") && run.err.is_empty(), "{run:?}");
}
