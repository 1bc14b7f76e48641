//! What the end-to-end tests share: the program, compilers, BTF as lines of text, bytes made by hand.
//!
//! Each test file takes what it needs of it, so unused parts are no mistake.
#![allow(dead_code)]

pub mod bytes;
pub mod folder;
pub mod ids;
pub mod text;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("cli/ lies in the root").to_owned()
}

/// A program's end: exit code and what it wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// Exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Run {
    fn from(o: Output) -> Run {
        Run { code: o.status.code().unwrap_or(-1), out: o.stdout, err: String::from_utf8_lossy(&o.stderr).into_owned() }
    }
}

/// btfgen with these arguments, in a folder.
pub fn btfgen_command<S: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_btfgen"));
    command.current_dir(folder).args(args).stdin(Stdio::null()).env_remove("RUST_BACKTRACE");
    // The job server of a `make -j test` is not for these.
    ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CARGO_MAKEFLAGS"].iter().for_each(|name| _ = command.env_remove(name));
    command
}

/// Runs btfgen with these arguments, in a folder.
pub fn btfgen<S: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = S>) -> Run {
    btfgen_command(folder, args).output().expect("btfgen starts").into()
}

/// Runs btfgen, which must succeed; what it said on standard error.
#[track_caller]
pub fn encode<S: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = S>) -> String {
    let run = btfgen(folder, args);
    assert_eq!(run.code, 0, "{}", run.err);
    run.err
}

/// Runs a program, which must succeed.
pub fn tool<S: AsRef<OsStr>>(folder: &Path, name: &str, args: impl IntoIterator<Item = S>) -> Result<Run, String> {
    let mut command = Command::new(name);
    // Messages in English, objects without the date.
    command.current_dir(folder).args(args).stdin(Stdio::null()).env("LC_ALL", "C");
    let run: Run = command.output().map_err(|e| format!("cannot run {name}: {e}"))?.into();
    match run.code {
        0 => Ok(run),
        _ => Err(format!("{command:?} failed:\n{}", run.err)),
    }
}

/// Runs a program that must succeed; its failure is the test's.
#[track_caller]
pub fn must<S: AsRef<OsStr>>(folder: &Path, name: &str, args: impl IntoIterator<Item = S>) -> Run {
    tool(folder, name, args).unwrap_or_else(|e| panic!("{e}"))
}

/// Whether a program is there and can do something: it runs with these arguments.
pub fn works(name: &str, args: &[&str]) -> bool {
    Command::new(name)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// Whether clang is installed.
pub fn has_clang() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| works("clang", &["--version"]))
}

/// Compiles C source text to `NAME.o` in a folder.
#[track_caller]
pub fn compile(folder: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    compile_with("gcc", folder, name, source, flags)
}

/// Compiles C source text with a compiler of another target, too.
#[track_caller]
pub fn compile_with(compiler: &str, folder: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let c = folder.join(format!("{name}.c"));
    std::fs::write(&c, source).expect("source is written");
    let object = format!("{name}.o");
    let c = c.file_name().expect("it has a name").to_str().expect("in UTF-8");
    must(folder, compiler, ["-g", "-c"].iter().chain(flags).chain(&["-o", &object, c]));
    folder.join(object)
}

/// The contents of a section of an ELF file, if it is there.
pub fn section(file: &Path, name: &str) -> Option<Vec<u8>> {
    let bytes = std::fs::read(file).expect("file is readable");
    let elf = dwarf::elf::ElfFile::parse(&bytes).expect("file is ELF");
    elf.section(name.as_bytes()).map(|s| elf.bytes(s).expect("section is in the file").to_vec())
}

/// Says on standard error why a test could not look at something. (Shown with `--nocapture`.)
pub fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}
