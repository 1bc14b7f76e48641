//! Names on their way from DWARF to BTF.
//!
//! In a linked file a string stands once in `.debug_str`, so its offset tells the name, and a small cache by offset saves
//! hashing most of them: units have the same headers. (A table of all offsets would know every name, and took four times
//! as long for a kernel: it does not fit the processor's caches.) In a relocatable file every unit brings its own copies,
//! and names are interned by content.
//!
//! Kernels accept letters, digits, `_` and `.` in names (kernel/bpf/btf.c). Names of other languages have more; each byte
//! that is not accepted becomes `_`, so that the type is kept.

use std::borrow::Cow;

use btf::strings::{StrId, Strings};
use dwarf::die::Text;
use dwarf::unit::Unit;
use gimli::Endianity;

/// Longest name that kernels accept, in bytes (KSYM_NAME_LEN less its NUL).
pub const MAX_NAME: usize = 511;

/// Entries of the cache by offset, as a power of two: 1 MiB, so that it stays in a core's own cache.
const RECENT_BITS: u32 = 17;

/// From DWARF strings to [`StrId`]s, with what is needed to do it fast.
#[derive(Debug, Default)]
pub struct Names {
    /// Recently seen offsets in `.debug_str`, + 1, and their identifiers. Empty for relocatable files.
    recent: Vec<(u32, StrId)>,
    /// Per string its form as an identifier + 1, or 0.
    identifier: Vec<u32>,
    /// Names that had to be changed.
    pub changed: u64,
    /// A string was not where DWARF says.
    pub missing: bool,
}

impl Names {
    /// For a linked file, or for a relocatable one.
    pub fn new(linked: bool) -> Names {
        let size = if linked { 1 << RECENT_BITS } else { 0 };
        Names { recent: vec![(0, StrId::EMPTY); size], ..Names::default() }
    }

    /// A name that a kernel accepts.
    #[inline]
    pub fn identifier<E: Endianity>(&mut self, strings: &mut Strings<'_>, unit: &Unit<'_, E>, text: Text) -> StrId {
        let offset = match unit.str_offset(text) {
            Some(offset) if !self.recent.is_empty() && offset < u64::from(u32::MAX) => offset as u32,
            _ => return self.intern_identifier(strings, unit.text_and_rest(text)),
        };
        let slot = (offset.wrapping_mul(0x9e37_79b9) >> (32 - RECENT_BITS)) as usize;
        let (known, id) = self.recent[slot];
        if known == offset + 1 {
            return id;
        }
        let id = self.intern_identifier(strings, unit.text_and_rest(text));
        self.recent[slot] = (offset + 1, id);
        id
    }

    /// Any text: names of base types, tags.
    pub fn free<E: Endianity>(&mut self, strings: &mut Strings<'_>, unit: &Unit<'_, E>, text: Text) -> StrId {
        let text = unit.text(text);
        self.missing |= text.is_none();
        strings.intern(text.unwrap_or(b""))
    }

    #[inline]
    fn intern_identifier(&mut self, strings: &mut Strings<'_>, text: Option<&[u8]>) -> StrId {
        let raw = text.and_then(|t| strings.intern_at(t));
        self.missing |= raw.is_none();
        let raw = raw.unwrap_or_default();
        match self.identifier.get(raw.0 as usize) {
            Some(&known) if known != 0 => StrId(known - 1),
            _ => self.new_identifier(strings, raw),
        }
    }

    #[cold]
    fn new_identifier(&mut self, strings: &mut Strings<'_>, raw: StrId) -> StrId {
        let id = match accepted(strings.get(raw)) {
            Cow::Borrowed(_) => raw,
            Cow::Owned(changed) => {
                self.changed += 1;
                strings.intern(&changed)
            }
        };
        if self.identifier.len() <= raw.0 as usize {
            self.identifier.resize(strings.len() as usize, 0);
        }
        self.identifier[raw.0 as usize] = id.0 + 1;
        id
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
