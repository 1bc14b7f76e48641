//! `btfgen dump`: formats, names, errors; headers that say in C what the BTF says, with several compilers and machines.

#[path = "dump/random.rs"]
mod random;
mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use btf::ids::StrOff;
use btf::view::BtfView;

use support::folder::Folder;
use support::{btfgen, encode, must, skipped, text, works};

/// Compilers of machines that differ in byte order, word and alignment.
const COMPILERS: [&str; 8] = [
    "gcc",
    "clang",
    "aarch64-linux-gnu-gcc",
    "arm-linux-gnueabihf-gcc",
    "i686-linux-gnu-gcc",
    "mips-linux-gnu-gcc",
    "powerpc64le-linux-gnu-gcc",
    "s390x-linux-gnu-gcc",
];

/// All types in the DWARF, used or not.
const ALL_TYPES: [&str; 3] = ["-g", "-c", "-fno-eliminate-unused-debug-types"];

/// The types that `source` declares, whatever their order, and the header that was made of them.
fn described(at: &Path, compiler: &str, source: &str, flags: &[&str]) -> (Vec<String>, String) {
    fs::write(at.join("a.c"), source).expect("it is written");
    must(at, compiler, ALL_TYPES.iter().chain(flags).chain(&["-o", "a.o", "a.c"]));
    encode(at, ["--btf_encode_detached", "a.btf", "a.o"]);
    let bytes = fs::read(at.join("a.btf")).expect("it was written");
    let mut lines = text::lines(&BtfView::parse(&bytes).expect("it is BTF"));
    lines.sort_unstable();
    (lines, dump(at, &["-f", "c", "a.btf"]))
}

#[track_caller]
fn dump(at: &Path, args: &[&str]) -> String {
    let run = btfgen(at, ["dump"].iter().chain(args));
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    String::from_utf8(run.out).expect("names are ASCII")
}

/// A header made of what a compiler says of `source` says the same, to the same compiler.
#[track_caller]
fn round_trip(at: &Path, compiler: &str, source: &str) {
    let (before, header) = described(at, compiler, source, &["-w"]);
    let (after, again) = described(at, compiler, &header, &["-w"]);
    if before != after {
        let only = |these: &[String], those: &[String]| {
            let only: Vec<&str> = these.iter().filter(|line| !those.contains(line)).map(String::as_str).collect();
            only.join("\n")
        };
        let (lost, new) = (only(&before, &after), only(&after, &before));
        panic!("{compiler}\n--- lost\n{lost}\n--- new\n{new}\n--- source\n{source}\n--- header\n{header}");
    }
    assert!(!before.is_empty() && again.len() > 100, "{compiler}");
}

fn installed() -> impl Iterator<Item = &'static str> {
    COMPILERS.into_iter().filter(|compiler| {
        let is_there = works(compiler, &["--version"]);
        if !is_there {
            skipped(&format!("{compiler} is not installed"));
        }
        is_there
    })
}

#[test]
fn a_header_says_what_the_source_said() {
    let source = fs::read_to_string(support::root().join("tests/dump/every.c")).expect("it is there");
    let folder = Folder::new();
    for compiler in installed() {
        round_trip(folder.path(), compiler, &source);
        let flags = ["-Wall", "-Wextra", "-Werror", "-c", "-x", "c", "-o", "h.o"];
        must(folder.path(), compiler, flags.iter().chain(&["-include", "a.c", "/dev/null"]));
    }
}

#[test]
fn random_types() {
    let rounds = std::env::var("DUMP_ROUNDS").map_or(5, |rounds| rounds.parse().expect("it is a number"));
    let first = std::env::var("DUMP_FROM").map_or(0, |from| from.parse().expect("it is a number"));
    let folder = Folder::new();
    for compiler in installed() {
        for seed in first..first + rounds {
            eprintln!("{compiler}, seed {seed}");
            round_trip(folder.path(), compiler, &random::source(seed));
        }
    }
}

/// Sizes and offsets that a BTF has, as assertions in C; bit-fields have no offset there.
fn assertions(view: &BtfView<'_>) -> String {
    let name = |offset| String::from_utf8_lossy(view.string(offset).expect("a name")).into_owned();
    let mut out = String::new();
    for (_, ty) in view.types().filter(|(_, ty)| ty.is_composite() && ty.name_off() != StrOff::EMPTY) {
        let tag = format!("{} {}", ty.kind().name().to_lowercase(), name(ty.name_off()));
        _ = writeln!(out, "_Static_assert(sizeof({tag}) == {}, \"\");", ty.size_or_type());
        for member in ty.members().filter(|m| m.name_off != StrOff::EMPTY && m.bit_size(ty.kflag()) == 0) {
            let (path, bits) = (name(member.name_off), member.bit_offset(ty.kflag()));
            _ = writeln!(out, "_Static_assert(__builtin_offsetof({tag}, {path}) * 8 == {bits}, \"\");");
        }
    }
    out
}

#[test]
fn bpf_has_the_layout_of_the_machine() {
    if !works("clang", &["-target", "bpf", "-x", "c", "-c", "/dev/null", "-o", "/dev/null"]) {
        return skipped("clang for BPF is not installed");
    }
    let folder = Folder::new();
    let at = folder.path();
    let every = fs::read_to_string(support::root().join("tests/dump/every.c")).expect("it is there");
    for source in (0..5).map(random::source).chain([every]) {
        let (_, header) = described(at, "gcc", &source, &["-w"]);
        let bytes = fs::read(at.join("a.btf")).expect("it was written");
        let assertions = assertions(&BtfView::parse(&bytes).expect("it is BTF"));
        assert!(assertions.len() > 100);
        fs::write(at.join("bpf.c"), header + &assertions).expect("it is written");
        must(at, "clang", ["-target", "bpf", "-w", "-c", "bpf.c"]);
    }
}

#[test]
fn formats_and_names() {
    let folder = Folder::with_samples();
    let at = folder.path();
    let all = dump(at, &["base"]);
    assert_eq!(dump(at, &["--format", "raw", "base"]), all);
    let some = dump(at, &["base", "object", "list", "handler_t"]);
    let lines: Vec<&str> = some.lines().filter(|line| line.starts_with('[')).collect();
    assert_eq!(lines.len(), 3, "{some}");
    assert!(some.lines().all(|line| all.lines().any(|other| other == line)), "the same lines\n{some}");

    let json: serde_json::Value = serde_json::from_str(&dump(at, &["-f", "json", "base"])).expect("it is JSON");
    let types = json["types"].as_array().expect("an array");
    assert_eq!(types.len(), all.lines().filter(|line| line.starts_with('[')).count());
    let object = types.iter().find(|ty| ty["name"] == "object" && ty["kind"] == "STRUCT").expect("it is there");
    assert_eq!((&object["vlen"], &object["members"][0]["name"]), (&5.into(), &"list".into()));
    let some: serde_json::Value =
        serde_json::from_str(&dump(at, &["-f", "json", "base", "object"])).expect("it is JSON");
    assert_eq!(some["types"].as_array().expect("an array"), std::slice::from_ref(object));

    let header = dump(at, &["-f", "c", "base", "word"]);
    assert!(header.contains("union word {") && !header.contains("struct object"), "{header}");
    // What a function takes, and nothing that it does not need.
    let header = dump(at, &["-f", "c", "base", "add"]);
    assert!(header.contains("struct object;\n"), "{header}");
    assert!(header.contains("extern int add(struct object *to, const char *name);"), "{header}");
    assert!(!header.contains("struct object {"), "{header}");
    let header = dump(at, &["-f", "c", "base", "per_cpu_object"]);
    assert!(header.contains("extern struct object per_cpu_object;"), "{header}");
}

#[test]
fn a_module_on_its_base() {
    let folder = Folder::with_samples();
    let at = folder.path();
    encode(at, ["--btf_base", "base", "driver.ko"]);
    let raw = dump(at, &["-B", "base", "driver.ko"]);
    assert!(raw.contains("STRUCT 'driver'") && !raw.contains("STRUCT 'object'"), "{raw}");
    // A name of the base is looked for there if the module has none of it.
    assert!(dump(at, &["-B", "base", "driver.ko", "object"]).contains("STRUCT 'object'"));
    // A header of a module has the base's types, too, as programs need both.
    let header = dump(at, &["-B", "base", "-f", "c", "driver.ko"]);
    assert!(header.contains("struct driver {\n\tstruct list list;") && header.contains("struct object {"), "{header}");
    let header = dump(at, &["-B", "base", "-f", "c", "driver.ko", "driver"]);
    assert!(header.contains("struct driver {") && !header.contains("struct object"), "{header}");
    fs::write(at.join("m.c"), header).expect("it is written");
    must(at, "gcc", ["-Wall", "-Werror", "-c", "m.c"]);
}

#[test]
fn what_is_wrong_is_said() {
    let folder = Folder::with_samples();
    let at = folder.path();
    let fails = |args: &[&str]| {
        let run = btfgen(at, ["dump"].iter().chain(args));
        assert!(run.out.is_empty());
        (run.code, run.err)
    };
    for format in ["raw", "json", "c"] {
        let (code, err) = fails(&["-f", format, "base", "list", "nothing"]);
        assert_eq!((code, err.as_str()), (2, "btfgen: error: base: no type has the name `nothing`\n"));
    }
    assert_eq!(fails(&["-f", "yaml", "base"]).0, 2);
    // A struct that contains itself: no C.
    let words: [u32; 6] = [1, 0x0400_0001, 8, 3, 1, 0];
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    for word in [24, 0, 24, 24, 5] {
        bytes.extend_from_slice(&u32::to_le_bytes(word));
    }
    words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    bytes.extend_from_slice(b"\0s\0m\0");
    folder.write("circle.btf", &bytes);
    let said = "btfgen: error: circle.btf: cannot be written in C: BTF type 1: it is made of type 1, which is made of it: C has no such types\n";
    assert_eq!(fails(&["-f", "c", "circle.btf"]), (3, said.into()));
    assert!(dump(at, &["circle.btf"]).starts_with("[1] STRUCT 's' size=8 vlen=1\n"));
    // Nobody who reads on: no error; a full disk: one.
    for format in ["raw", "json", "c"] {
        let btfgen = env!("CARGO_BIN_EXE_btfgen");
        let run = must(at, "bash", ["-c", &format!("'{btfgen}' dump -f {format} base | head -c 1")]);
        assert_eq!((run.out.len(), run.err.as_str()), (1, ""));
        if Path::new("/dev/full").exists() {
            let full = format!("'{btfgen}' dump -f {format} base >/dev/full; test $? = 1");
            let said = must(at, "bash", ["-c", &full]).err;
            assert!(said.starts_with("btfgen: error: standard output: "), "{said}");
        }
    }
}
