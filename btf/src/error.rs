//! The error of this crate: what happened, where, and which kernel rule it breaks if it breaks one.
//!
//! Only reading damaged input and asking for something BTF cannot express fail; both carry a place precise enough to
//! look at the bytes. The library never prints: callers add the file's name.

use std::fmt;

use crate::ids::TypeId;

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong and where; one line when displayed. One pointer wide, so that results stay small.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    place: Place,
    rule: Option<&'static str>,
    text: String,
}

/// The class of an [`Error`], for callers that act on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Fewer bytes than the header or a record says.
    Truncated,
    /// The header is not one of BTF as far as this crate knows it: magic, version, flags, lengths.
    Header,
    /// The string section is not made of NUL-terminated strings.
    Strings,
    /// A type record is damaged or of an unknown kind.
    Record,
    /// A number does not fit the format: too many types, strings too long, too many members.
    Limit,
    /// The base BTF does not go with the split BTF.
    Base,
    /// Something that BTF cannot express was to be written.
    Model,
}

/// Where an [`Error`] happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Place {
    /// Nowhere in particular: the BTF as a whole.
    Whole,
    /// A byte offset from the start of one part of the BTF ("header", "types", "strings", "layout").
    Part {
        /// Name of the part.
        part: &'static str,
        /// Byte offset from the part's start.
        offset: u64,
    },
    /// A type.
    Type(TypeId),
}

impl Error {
    /// An error; `text` says what is wrong, without the place.
    pub fn new(kind: ErrorKind, place: Place, text: impl Into<String>) -> Error {
        Error(Box::new(Inner { kind, place, rule: None, text: text.into() }))
    }

    /// The same error with the number of the kernel rule that the input breaks ("H4"; see the `verify` module).
    pub fn with_rule(mut self, rule: &'static str) -> Error {
        self.0.rule = Some(rule);
        self
    }

    /// Class of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Where it happened.
    pub fn place(&self) -> Place {
        self.0.place
    }

    /// Number of the kernel's acceptance rule that the input breaks, if it is one of these.
    pub fn rule(&self) -> Option<&'static str> {
        self.0.rule
    }

    /// What happened, without the place.
    pub fn text(&self) -> &str {
        &self.0.text
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Whole => f.write_str("BTF"),
            Place::Part { part, offset } => write!(f, "BTF {part}+{offset:#x}"),
            Place::Type(id) => write!(f, "BTF type {id}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.place, self.0.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.0.rule.unwrap_or("-");
        write!(f, "Error({:?}, {rule}, {self})", self.0.kind)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_as_one_line_with_the_place_first() {
        let place = Place::Part { part: "header", offset: 2 };
        let e = Error::new(ErrorKind::Header, place, "version is 9, only 1 is known").with_rule("H5");
        assert_eq!(e.to_string(), "BTF header+0x2: version is 9, only 1 is known");
        assert_eq!((e.kind(), e.rule()), (ErrorKind::Header, Some("H5")));
        let e = Error::new(ErrorKind::Model, Place::Type(TypeId(7)), "too many members");
        assert_eq!(e.to_string(), "BTF type 7: too many members");
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
