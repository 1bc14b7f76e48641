//! The error of this crate: what is damaged, and the section and byte where.

use std::fmt;

/// Result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with an ELF file or its DWARF, and where. One line when displayed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    kind: ErrorKind,
    section: &'static str,
    offset: Option<u64>,
    text: String,
}

/// The class of an [`Error`], for callers that act on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Not an ELF file, or one whose headers make no sense.
    Elf,
    /// A section that DWARF needs is missing or cannot be decompressed.
    Section,
    /// DWARF that is cut short or contradicts itself.
    Dwarf,
    /// DWARF of a kind that this version does not read.
    Unsupported,
}

impl Error {
    /// An error in the file as a whole.
    pub fn elf(text: impl Into<String>) -> Error {
        Error { kind: ErrorKind::Elf, section: "", offset: None, text: text.into() }
    }

    /// An error at a byte of a section.
    pub fn at(kind: ErrorKind, section: &'static str, offset: u64, text: impl Into<String>) -> Error {
        Error { kind, section, offset: Some(offset), text: text.into() }
    }

    /// An error in a section as a whole.
    pub fn section(kind: ErrorKind, section: &'static str, text: impl Into<String>) -> Error {
        Error { kind, section, offset: None, text: text.into() }
    }

    /// The byte of the section, if it is known.
    pub(crate) fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.section, self.offset) {
            ("", _) => {}
            (section, None) => write!(f, "{section}: ")?,
            (section, Some(offset)) => write!(f, "{section}+{offset:#x}: ")?,
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
