//! Names on their way from DWARF to BTF.
//!
//! A kernel's units mention ten million names, and nearly all of them belong to types that another unit had already. So a
//! worker does not look at names: it folds its units with *spellings*, numbers that tell a name without reading it, and
//! only the names of the classes that are left become [`StrId`]s of the file ([`btf::dedup::fold::Fold::merge`]).
//!
//! * In a linked file a string stands once in `.debug_str`: its offset is its spelling.
//! * A name of up to three bytes, which compilers put into the DIE itself, is its own spelling.
//! * All else is interned by content: in a relocatable file every unit brings its own copies of the strings.
//!
//! Nothing promises that a name has one spelling. Two spellings make two classes of one type, which merge when the classes
//! are spelled out. What does not come right by itself is a unit that has a tag in two spellings, or an empty name that does
//! not look empty: [`btf::dedup::renumber::Renumbering::misled`] tells, and the units are read again by content.
//!
//! Kernels accept letters, digits, `_` and `.` in names (kernel/bpf/btf.c). Names of other languages have more; each byte
//! that is not accepted becomes `_`, so that the type is kept.

use std::borrow::Cow;

use btf::dedup::renumber::Spelling;
use btf::strings::{StrId, Strings};
use dwarf::die::Text;
use dwarf::unit::Unit;
use gimli::Endianity;

/// First spelling of short names; those below are offsets in `.debug_str`, + 1.
const SHORT: u32 = 1 << 28;
/// First spelling of names that were interned by content.
const INTERNED: u32 = SHORT + (1 << 24);

/// How the spellings of names are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spellings {
    /// By offset in `.debug_str`: the file is linked.
    ByOffset,
    /// By content, short names by themselves: the file is relocatable.
    ByContent,
    /// By content only, so that every name has one spelling.
    Unique,
}

/// The names of a worker.
#[derive(Debug)]
pub struct Names<'a> {
    debug_str: &'a [u8],
    spellings: Spellings,
    /// Offsets below this are spellings.
    offsets: u64,
    interned: Interned,
    /// Bytes of the longest name that is accepted.
    longest: usize,
    /// A string was not where DWARF says.
    pub missing: bool,
    /// All names together are many times longer than the sections that they are in, so names are parts of others.
    pub overlap: bool,
    /// Bytes that names may have.
    most: usize,
}

/// How many times the bytes of the sections names may have. Linkers share the ends of names, which are short; n names that end in one of
/// n bytes would take n² bytes.
const TIMES: usize = 16;

/// Names that were interned by content.
#[derive(Debug)]
pub struct Interned {
    strings: Strings<'static>,
    /// Per name the one that was interned after it the last time: units have the same headers, so it is most often the one that
    /// comes next, and comparing costs less than hashing.
    next: Vec<StrId>,
    /// The name that was interned last.
    previous: StrId,
}

impl Default for Interned {
    fn default() -> Interned {
        Interned { strings: Strings::new(), next: Vec::new(), previous: StrId::EMPTY }
    }
}

impl Interned {
    /// The name at the beginning of `text`, up to a NUL; `None` if there is no NUL.
    fn intern_at(&mut self, text: &[u8]) -> Option<StrId> {
        let expected = self.next.get(self.previous.0 as usize).copied().unwrap_or_default();
        let found = match self.strings.is_at(expected, text) {
            true if expected != StrId::EMPTY => Some(expected),
            _ => self.strings.intern_at(text).inspect(|&found| self.expect(found)),
        };
        self.previous = found.unwrap_or_default();
        found
    }

    /// Notes that a name came after the previous one.
    fn expect(&mut self, name: StrId) {
        let previous = self.previous.0 as usize;
        if self.next.len() <= previous {
            self.next.resize(self.strings.len() as usize, StrId::EMPTY);
        }
        self.next[previous] = name;
    }
}

impl<'a> Names<'a> {
    /// The names of a file, which are in its `.debug_str` and in so many `other_bytes`; kernels take `longest` bytes. `interned` are those
    /// of another file, or none yet.
    pub fn new(
        debug_str: &'a [u8],
        other_bytes: usize,
        spellings: Spellings,
        interned: Interned,
        longest: usize,
    ) -> Names<'a> {
        // What follows the last NUL is no string.
        let end = debug_str.iter().rposition(|&b| b == 0).map_or(0, |at| at as u64 + 1);
        let offsets = if spellings == Spellings::ByOffset { end.min(u64::from(SHORT) - 1) } else { 0 };
        let most = TIMES.saturating_mul(debug_str.len().saturating_add(other_bytes));
        let most = most.saturating_add(interned.strings.bytes());
        Names { debug_str, spellings, offsets, interned, longest, missing: false, overlap: false, most }
    }

    /// There are so many more bytes that names may be in.
    pub fn expect_more(&mut self, bytes: usize) {
        self.most = self.most.saturating_add(TIMES.saturating_mul(bytes));
    }

    /// The names that were interned, for another file.
    pub fn into_interned(self) -> Interned {
        self.interned
    }

    /// The spelling of the name at an offset in `.debug_str`, if offsets are spellings.
    #[inline(always)]
    pub fn spelling_at(&self, offset: u64) -> Option<StrId> {
        (offset < self.offsets).then(|| StrId(offset as u32 + 1))
    }

    /// The spelling of a name that a DIE has.
    pub fn spelling<E: Endianity>(&mut self, unit: &Unit<'_, E>, text: Text) -> StrId {
        match text {
            Text::Inline(_) if self.spellings != Spellings::Unique => self.inline_spelling(unit, text),
            _ => self.other_spelling(unit, text),
        }
    }

    fn inline_spelling<E: Endianity>(&mut self, unit: &Unit<'_, E>, text: Text) -> StrId {
        let four = unit.text_and_rest(text).and_then(|rest| rest.first_chunk::<4>());
        match four {
            Some(&[0, ..]) => StrId::EMPTY,
            Some(&[a, 0, ..]) => short(a, 0, 0),
            Some(&[a, b, 0, _]) => short(a, b, 0),
            Some(&[a, b, c, 0]) => short(a, b, c),
            _ => self.other_spelling(unit, text),
        }
    }

    fn other_spelling<E: Endianity>(&mut self, unit: &Unit<'_, E>, text: Text) -> StrId {
        if let Some(spelling) = unit.str_offset(text).and_then(|offset| self.spelling_at(offset)) {
            return spelling;
        }
        let Some(text) = unit.text_and_rest(text) else {
            self.missing = true;
            return StrId::EMPTY;
        };
        if self.interned.strings.bytes() > self.most {
            self.overlap = true;
            return StrId::EMPTY;
        }
        let found = self.interned.intern_at(text);
        self.missing |= found.is_none();
        interned(found.unwrap_or_default())
    }

    /// A name as kernels accept it.
    pub fn accepted<'n>(&self, name: &'n [u8]) -> Cow<'n, [u8]> {
        accepted(name, self.longest)
    }

    /// The spelling of a name that no DIE has.
    pub fn intern(&mut self, name: &[u8]) -> StrId {
        interned(self.interned.strings.intern(name))
    }

    /// A spelled name.
    pub fn text(&self, spelling: StrId) -> Cow<'_, [u8]> {
        match spelling.0 {
            0 => Cow::Borrowed(b""),
            number @ INTERNED.. => Cow::Borrowed(self.interned.strings.get(StrId(number - INTERNED))),
            number @ SHORT.. => {
                let bytes = (number - SHORT).to_le_bytes();
                let length = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
                Cow::Owned(bytes[..length].to_vec())
            }
            number => Cow::Borrowed(dwarf::cursor::string_at(self.debug_str, u64::from(number) - 1).unwrap_or(b"")),
        }
    }
}

impl Spelling for Names<'_> {
    fn identifier(&self, name: StrId) -> (Cow<'_, [u8]>, bool) {
        let text = match name.0 {
            // No more than tells that it is too long: n names may be ends of one.
            number @ 1..SHORT => {
                let rest = self.debug_str.get(number as usize - 1..).unwrap_or(b"");
                let start = &rest[..rest.len().min(self.longest + 1)];
                Cow::Borrowed(dwarf::cursor::string_at(start, 0).unwrap_or(start))
            }
            _ => self.text(name),
        };
        match self.accepted(&text) {
            Cow::Borrowed(_) => (text, false),
            Cow::Owned(changed) => (Cow::Owned(changed), true),
        }
    }

    fn free(&self, name: StrId) -> Cow<'_, [u8]> {
        self.text(name)
    }
}

fn short(a: u8, b: u8, c: u8) -> StrId {
    StrId(SHORT + u32::from_le_bytes([a, b, c, 0]))
}

fn interned(name: StrId) -> StrId {
    assert!(name.0 < StrId::LIMIT - INTERNED, "more than {} distinct names", StrId::LIMIT - INTERNED);
    if name == StrId::EMPTY { name } else { StrId(INTERNED + name.0) }
}

/// True if kernels accept the name as it is, apart from its length.
pub fn is_identifier(name: &[u8]) -> bool {
    let first = name.first().is_none_or(|&b| b.is_ascii_alphabetic() || b == b'_' || b == b'.');
    first && name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
}

/// The name with what kernels do not accept replaced; of more than `longest` bytes the first are left.
fn accepted(name: &[u8], longest: usize) -> Cow<'_, [u8]> {
    if name.len() <= longest && is_identifier(name) {
        return Cow::Borrowed(name);
    }
    let mut changed: Vec<u8> = Vec::with_capacity(name.len() + 1);
    if name.first().is_some_and(u8::is_ascii_digit) {
        changed.push(b'_');
    }
    changed.extend(name.iter().map(|&b| if b.is_ascii_alphanumeric() || b == b'_' || b == b'.' { b } else { b'_' }));
    changed.truncate(longest);
    Cow::Owned(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kernels_accept() {
        let accepted = |name: &[u8]| accepted(name, 10).into_owned();
        for name in [&b""[..], b"a", b"_x9", b".L", b"foo.isra.0"] {
            assert_eq!(accepted(name), name);
        }
        assert_eq!(accepted(b"s$t"), b"s_t");
        assert_eq!(accepted(b"&[u32]"), b"__u32_");
        assert_eq!(accepted(b"9p"), b"_9p");
        assert_eq!(accepted("\u{e9}t\u{e9}".as_bytes()).len(), 5);
        assert_eq!(accepted(&[b'a'; 11]), [b'a'; 10]);
    }

    #[test]
    fn spellings_spell_their_names() {
        let mut names = Names::new(b"\0foo\0x\0cut", 0, Spellings::ByOffset, Interned::default(), 511);
        assert_eq!(names.offsets, 7);
        assert_eq!(&*names.text(StrId(1)), b"");
        assert_eq!(&*names.text(StrId(2)), b"foo");
        assert_eq!(&*names.text(StrId(3)), b"oo");
        assert_eq!(&*names.text(short(b'a', b'b', b'c')), b"abc");
        assert_eq!(&*names.text(short(b'i', 0, 0)), b"i");
        let long = names.intern(b"unsigned char");
        assert_eq!(&*names.text(long), b"unsigned char");
        assert_eq!(names.intern(b""), StrId::EMPTY);
        assert!(long.0 > short(0xff, 0xff, 0xff).0 && INTERNED < StrId::LIMIT);
    }
}
