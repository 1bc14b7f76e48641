//! What is printed: errors and warnings as one line each, on standard error.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use encoder::btf_ids::Finding;
use encoder::report::Summary;

use crate::colour::{ERROR, WARNING};
use crate::exit::Exit;

/// A file that could not be dealt with.
#[derive(Clone, Debug)]
pub struct Failure {
    /// How the program ends because of it.
    pub exit: Exit,
    /// The file.
    pub path: PathBuf,
    /// What happened, where, and what to do.
    pub text: String,
}

impl Failure {
    /// A failure of a file.
    pub fn new(exit: Exit, path: &Path, text: impl Into<String>) -> Failure {
        Failure { exit, path: path.to_owned(), text: text.into() }
    }
}

/// Whether only errors, warnings and what was asked for are printed. Of the process, like the terminal that this is about.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Says once, before anything is printed, whether `--quiet` was given.
pub fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

/// Whether `--quiet` was given.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints what happened that is of no file.
pub fn print_error(text: &str) {
    eprintln!("btfgen: {ERROR} {text}");
}

/// Prints a failure; returns its exit code.
pub fn print_failure(failure: &Failure) -> Exit {
    eprintln!("btfgen: {ERROR} {}: {}", failure.path.display(), failure.text);
    failure.exit
}

/// Prints what is good to know and nothing to worry about: not with `--quiet`.
pub fn print_remark(text: fmt::Arguments<'_>) {
    if !is_quiet() {
        eprintln!("btfgen: {text}");
    }
}

/// Prints a warning about a file.
pub fn print_warning(path: &Path, text: &str) {
    eprintln!("btfgen: {WARNING} {}: {text}", path.display());
}

/// Prints what there is to say about `.BTF_ids`, in the words that robots look for in the logs of kernel builds.
pub fn print_finding(path: &Path, finding: &Finding) {
    eprintln!("{}: {finding}", path.display());
}

/// What `println!` does here: a line on standard output that cannot be written, on a full disk for example, ends the program with an
/// error.
pub fn print_line(text: fmt::Arguments<'_>) {
    if let Err(failure) = printed(writeln!(io::stdout(), "{text}")) {
        std::process::exit(print_failure(&failure) as i32);
    }
}

/// What came of writing to standard output. That nobody reads it (`btfgen check | head`) is no failure.
pub fn printed(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Io, Path::new("standard output"), e.to_string()))
        }
        _ => Ok(()),
    }
}

/// Why warnings are an error.
pub fn fatal_warnings(count: usize) -> String {
    format!("{count} warnings, and --fatal_warnings was given: nothing was written")
}

/// The line that `-v` prints per file, and what else there is to say.
pub fn print_summary(path: &Path, s: &Summary) {
    let name = path.display();
    let mut line = format!(
        "{name}: {} bytes, {} types, {} functions, {} variables from {} types in {} units",
        s.bytes, s.types, s.functions, s.variables, s.types_read, s.units
    );
    if s.has_base {
        line += &format!("; {} types of the base used, {} redefined", s.base_types_used, s.redefined);
    }
    eprintln!("btfgen: {line}");
    s.remarks.iter().for_each(|remark| eprintln!("btfgen: {name}: {remark}"));
    if let Some((bytes, types, moved)) = s.distilled {
        eprintln!("btfgen: {name}: distilled base of {bytes} bytes, {types} types; {moved} types of the base moved");
    }
    if let Some(dialect) = s.dialect {
        let whose = if s.dialect_of_base { "of the base, following it" } else { "chosen" };
        eprintln!("btfgen: {name}: dialect {dialect} ({whose})");
    }
    if let Some(left_out) = &s.left_out {
        let why = if left_out.by_base { ", which the base says is the oldest one that it is for" } else { "" };
        let what = if left_out.what.is_empty() { "nothing".into() } else { left_out.what.join("; ") };
        eprintln!("btfgen: {name}: for Linux {}{why}, left out: {what}", left_out.kernel);
    }
    if s.sections_refused > 0 {
        eprintln!(
            "btfgen: {name}: {} data sections left out, whose names that kernel does not accept",
            s.sections_refused
        );
    }
    if s.units_excluded > 0 {
        eprintln!("btfgen: {name}: {} units left out because of their language", s.units_excluded);
    }
    if s.ambiguous_tags > 0 {
        eprintln!(
            "btfgen: {name}: {} names of structs, unions or enums with more than one definition",
            s.ambiguous_tags
        );
    }
    if s.names_changed > 0 {
        eprintln!("btfgen: {name}: {} names changed to what kernels accept", s.names_changed);
    }
    for (count, what) in s.degraded.list() {
        eprintln!("btfgen: {name}: {count} {what}");
    }
    let mut reasons = std::collections::BTreeMap::new();
    for report in &s.function_reports {
        if let Some(reason) = report.dropped {
            let (count, first) = reasons.entry(reason).or_insert((0u64, &report.name));
            *count += 1;
            *first = (*first).min(&report.name);
        }
    }
    for (reason, (count, first)) in reasons {
        let functions = if count == 1 { "function" } else { "functions" };
        eprintln!("btfgen: {name}: {count} {functions} left out: {reason}; first `{first}`");
    }
}

/// The lines that `--time` prints per file.
pub fn print_phases(path: &Path, s: &Summary) {
    eprintln!("{}:", path.display());
    for phase in &s.phases {
        eprintln!("{phase}");
    }
}
