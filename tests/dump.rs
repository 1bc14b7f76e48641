//! `btfgen dump`: formats, names, errors; headers that say in C what the BTF says, with several compilers and machines.

#[path = "dump/random.rs"]
mod random;
mod support;

use std::fs;
use std::path::Path;

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
