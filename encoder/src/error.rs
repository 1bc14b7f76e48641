//! The error of this crate: what happened to a file, in one line, with a class that decides the exit code.

use std::fmt;

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a file was not encoded. One line when displayed, without the file's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    kind: ErrorKind,
    text: String,
}

/// The class of an [`Error`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file cannot be read or written.
    Io,
    /// The input is not what it should be: not ELF, damaged DWARF.
    Input,
    /// The input has no DWARF.
    NoDwarf,
    /// The base does not go with the input.
    Base,
    /// The base itself is damaged, or cannot be a base.
    BaseDamaged,
    /// The input has something that this version does not encode.
    Unsupported,
    /// The result would break a limit of BTF.
    Limit,
    /// The result is not what a kernel accepts: a fault of this program.
    Verify,
}

impl Error {
    /// An error of a class.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Error {
        Error { kind, text: text.into() }
    }

    /// The class.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl From<dwarf::error::Error> for Error {
    fn from(e: dwarf::error::Error) -> Error {
        let kind = match e.kind() {
            dwarf::error::ErrorKind::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::Input,
        };
        Error::new(kind, e.to_string())
    }
}

impl From<btf::error::Error> for Error {
    fn from(e: btf::error::Error) -> Error {
        Error::new(ErrorKind::Limit, e.to_string())
    }
}
