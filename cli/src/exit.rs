//! Exit codes. They are part of the interface and documented in the help and in docs/usage.md.

use std::process::ExitCode;

use encoder::error::ErrorKind;

/// How the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// A file cannot be read or written.
    Io = 1,
    /// Wrong usage.
    Usage = 2,
    /// Not an ELF file, or damaged or unsupported DWARF.
    Input = 3,
    /// The input has no DWARF.
    NoDwarf = 4,
    /// The base is missing, damaged or does not go with the input.
    Base = 5,
    /// The result would be beyond the limits of BTF.
    Limit = 6,
    /// The result failed verification: a fault of btfgen.
    Verify = 7,
    /// A module needs a base, none was given, and none was found.
    NoBase = 8,
    /// Warnings about `.BTF_ids`, which are fatal by `--fatal_warnings`.
    Warnings = 9,
    /// `check`: the BTF does not belong to the base, or a kernel would refuse it.
    Refused = 10,
    /// `verify`: a kernel would refuse the BTF.
    Violation = 11,
}

impl Exit {
    /// What it means, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Io => "cannot read or write",
            Exit::Usage => "wrong usage",
            Exit::Input => "not ELF, damaged DWARF or BTF",
            Exit::NoDwarf => "no DWARF",
            Exit::Base => "base BTF missing or not fitting",
            Exit::Limit => "beyond the limits of BTF",
            Exit::Verify => "the result failed verification",
            Exit::NoBase => "no base found",
            Exit::Warnings => "warnings and --fatal_warnings",
            Exit::Refused => "`check` says no",
            Exit::Violation => "`verify` found a violation",
        }
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Exit {
        match kind {
            ErrorKind::Io => Exit::Io,
            ErrorKind::NoDwarf => Exit::NoDwarf,
            ErrorKind::Base | ErrorKind::BaseDamaged => Exit::Base,
            ErrorKind::Limit => Exit::Limit,
            ErrorKind::Verify => Exit::Verify,
            _ => Exit::Input,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
