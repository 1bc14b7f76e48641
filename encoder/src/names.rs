//! Names on their way from DWARF to BTF.
//!
//! In a linked file a string stands once in `.debug_str`, so its offset tells the name and a table by offset saves
//! hashing it again. In a relocatable file every unit brings its own copies, and names are interned by content.
//!
//! Kernels accept letters, digits, `_` and `.` in names (btf-format 5.2). Names of other languages have more; each byte
//! that is not accepted becomes `_`, so that the type is kept.

use std::borrow::Cow;

use btf::strings::{StrId, Strings};
use dwarf::die::Text;
use dwarf::unit::Unit;
use gimli::Endianity;

/// Longest name that kernels accept, in bytes (KSYM_NAME_LEN less its NUL).
pub const MAX_NAME: usize = 511;

/// From DWARF strings to [`StrId`]s, with what is needed to do it fast.
#[derive(Debug, Default)]
pub struct Names {
    /// Per offset in `.debug_str` the identifier + 1, or 0. Empty in relocatable files.
    by_offset: Vec<u32>,
    /// Per string its form as an identifier + 1, or 0.
    identifier: Vec<u32>,
    /// Names that had to be changed.
    pub changed: u64,
}

impl Names {
    /// For a linked file with a `.debug_str` of so many bytes (0: intern by content).
    pub fn new(debug_str: usize) -> Names {
        Names { by_offset: vec![0; debug_str], ..Names::default() }
    }

    /// A name that a kernel accepts.
    #[inline]
    pub fn identifier<E: Endianity>(&mut self, strings: &mut Strings<'_>, unit: &Unit<'_, E>, text: Text) -> StrId {
        let offset = match unit.str_offset(text) {
            Some(offset) if offset < self.by_offset.len() as u64 => offset as usize,
            _ => return self.intern_identifier(strings, unit.text(text).unwrap_or(b"")),
        };
        match self.by_offset[offset] {
            0 => {
                let id = self.intern_identifier(strings, unit.text(text).unwrap_or(b""));
                self.by_offset[offset] = id.0 + 1;
                id
            }
            known => StrId(known - 1),
        }
    }

    /// Any text: names of base types, tags.
    pub fn free<E: Endianity>(&mut self, strings: &mut Strings<'_>, unit: &Unit<'_, E>, text: Text) -> StrId {
        strings.intern(unit.text(text).unwrap_or(b""))
    }

    fn intern_identifier(&mut self, strings: &mut Strings<'_>, name: &[u8]) -> StrId {
        let raw = strings.intern(name);
        let index = raw.0 as usize;
        if self.identifier.len() <= index {
            self.identifier.resize(strings.len() as usize, 0);
        }
        if self.identifier[index] == 0 {
            let accepted = accepted(name);
            let id = match accepted {
                Cow::Borrowed(_) => raw,
                Cow::Owned(changed) => {
                    self.changed += 1;
                    strings.intern(&changed)
                }
            };
            if self.identifier.len() <= index {
                self.identifier.resize(strings.len() as usize, 0);
            }
            self.identifier[index] = id.0 + 1;
        }
        StrId(self.identifier[index] - 1)
    }
}

/// True if kernels accept the name as it is.
pub fn is_accepted(name: &[u8]) -> bool {
    let first = name.first().is_none_or(|&b| b.is_ascii_alphabetic() || b == b'_' || b == b'.');
    first && name.len() <= MAX_NAME && name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
}

/// The name with what kernels do not accept replaced.
pub fn accepted(name: &[u8]) -> Cow<'_, [u8]> {
    if is_accepted(name) {
        return Cow::Borrowed(name);
    }
    let mut changed: Vec<u8> = Vec::with_capacity(name.len() + 1);
    if name.first().is_some_and(u8::is_ascii_digit) {
        changed.push(b'_');
    }
    changed.extend(name.iter().map(|&b| if b.is_ascii_alphanumeric() || b == b'_' || b == b'.' { b } else { b'_' }));
    changed.truncate(MAX_NAME);
    Cow::Owned(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kernels_accept() {
        for name in [&b""[..], b"a", b"_x9", b".L", b"foo.isra.0"] {
            assert_eq!(accepted(name), name);
        }
        assert_eq!(&*accepted(b"s$t"), b"s_t");
        assert_eq!(&*accepted(b"&[u32]"), b"__u32_");
        assert_eq!(&*accepted(b"9p"), b"_9p");
        assert_eq!(accepted("\u{e9}t\u{e9}".as_bytes()).len(), 5);
        assert_eq!(accepted(&[b'a'; 600]).len(), MAX_NAME);
    }
}
