//! Names as small numbers: each distinct string once, in layers.
//!
//! A [`Strings`] either stands alone or continues a frozen one (the names of the base BTF), which many modules share.
//! Numbers below the frozen layer's length are its own; new strings get the numbers after it. The layer on top remembers
//! what it found in the frozen one, so that a name costs one look-up however often it comes.
//!
//! A module brings a million copies of some ten thousand names, and interning them is most of the work of reading it. So
//! [`Strings::intern_at`] finds the end of a string and hashes it in the same pass, eight bytes at a time.

use hashbrown::HashTable;

/// A string of a [`Strings`] table. 0 is the empty string: no name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct StrId(pub u32);

impl StrId {
    /// The empty string, the name of everything anonymous.
    pub const EMPTY: StrId = StrId(0);
    /// Numbers stay below this, so that two more bits fit beside one in a word ([`crate::graph::Ref`]).
    pub const LIMIT: u32 = 1 << 29;
}

/// What the hash table holds per string: a part of its hash, to compare before touching the bytes, and its number.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    id: u32,
}

/// An interning table of byte strings; see the module's documentation.
#[derive(Debug, Default)]
pub struct Strings<'b> {
    base: Option<&'b Strings<'b>>,
    first: u32,
    bytes: Vec<u8>,
    /// End of each own string in `bytes`; it starts at the end of the one before.
    ends: Vec<usize>,
    table: HashTable<Slot>,
}

/// Folded multiplication by a fixed number: nothing about the output may depend on the run.
#[inline(always)]
fn mix(hash: u64, word: u64) -> u64 {
    let wide = u128::from(hash ^ word) * 0x9e37_79b9_7f4a_7c15_u128;
    wide as u64 ^ (wide >> 64) as u64
}

#[inline(always)]
fn finish(hash: u64, len: usize) -> u32 {
    let h = mix(hash, len as u64);
    (h ^ (h >> 32)) as u32
}

const SEED: u64 = 0x2545_f491_4f6c_dd1d;

/// The hash of a string: of its words of eight bytes, the last one filled up with zeros, and its length.
fn hash(bytes: &[u8]) -> u32 {
    let mut h = SEED;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        h = mix(h, u64::from_le_bytes(word.try_into().expect("eight bytes")));
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        h = mix(h, u64::from_le_bytes(last));
    }
    finish(h, bytes.len())
}

/// Length and hash of the NUL-terminated string at the start of `data`; None without a NUL.
#[inline]
fn scan(data: &[u8]) -> Option<(usize, u32)> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut h = SEED;
    let mut at = 0;
    while let Some(bytes) = data.get(at..).and_then(|d| d.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*bytes);
        // The lowest set bit marks the first byte that is zero.
        let zero = word.wrapping_sub(LOW) & !word & HIGH;
        if zero != 0 {
            let len = (zero.trailing_zeros() / 8) as usize;
            if len > 0 {
                h = mix(h, word & ((1 << (8 * len)) - 1));
            }
            return Some((at + len, finish(h, at + len)));
        }
        h = mix(h, word);
        at += 8;
    }
    let len = at + data[at..].iter().position(|&b| b == 0)?;
    Some((len, hash(&data[..len])))
}

/// Spreads the kept 32 bits over the 64 that the table looks at (it takes its tag from the top bits).
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<'b> Strings<'b> {
    /// A table with the empty string only.
    pub fn new() -> Strings<'static> {
        let mut strings =
            Strings { base: None, first: 0, bytes: Vec::new(), ends: Vec::new(), table: HashTable::new() };
        strings.intern(b"");
        strings
    }

    /// A table that continues `base`, which stays as it is.
    pub fn on(base: &'b Strings<'b>) -> Strings<'b> {
        Strings { base: Some(base), first: base.len(), bytes: Vec::new(), ends: Vec::new(), table: HashTable::new() }
    }

    /// A table that stands alone and has all the strings, the frozen layer's too, under the same numbers.
    pub fn copy(&self) -> Strings<'static> {
        let mut copy = Strings { first: 0, base: None, ..Strings::default() };
        match self.base {
            None => {
                copy.bytes.clone_from(&self.bytes);
                copy.ends.clone_from(&self.ends);
                copy.table.clone_from(&self.table);
            }
            Some(_) => (0..self.len()).for_each(|id| _ = copy.intern(self.get(StrId(id)))),
        }
        copy
    }

    /// Makes room for about `count` strings of `bytes` bytes in total.
    pub fn reserve(&mut self, count: usize, bytes: usize) {
        self.bytes.reserve(bytes);
        self.ends.reserve(count);
        self.table.reserve(count, |s| spread(s.hash));
    }

    /// Bytes of the own strings.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// One past the largest number, the frozen layer included.
    pub fn len(&self) -> u32 {
        self.first + self.ends.len() as u32
    }

    /// Never true: the empty string is always there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One past the largest number of the frozen layer; 0 without one.
    pub fn base_len(&self) -> u32 {
        self.first
    }

    /// The bytes of a string; of the empty one for a number that is not from this table.
    pub fn get(&self, id: StrId) -> &[u8] {
        match (id.0.checked_sub(self.first), self.base) {
            (Some(own), _) => {
                let own = own as usize;
                let end = self.ends.get(own).copied().unwrap_or(0);
                let start = if own == 0 { 0 } else { self.ends[own - 1] };
                self.bytes.get(start..end).unwrap_or(b"")
            }
            (None, Some(base)) => base.get(id),
            (None, None) => b"",
        }
    }

    /// True if the NUL-terminated string at the start of `data` is the one with this number.
    #[inline]
    pub fn is_at(&self, id: StrId, data: &[u8]) -> bool {
        let string = self.get(id);
        data.get(string.len()) == Some(&0) && data.starts_with(string)
    }

    /// The number of a string, if it is in the table.
    pub fn find(&self, string: &[u8]) -> Option<StrId> {
        self.find_hashed(string, hash(string))
    }

    #[inline]
    fn find_hashed(&self, string: &[u8], hash: u32) -> Option<StrId> {
        self.find_own(string, hash).or_else(|| self.base.and_then(|b| b.find_hashed(string, hash)))
    }

    #[inline]
    fn find_own(&self, string: &[u8], hash: u32) -> Option<StrId> {
        let same = |s: &Slot| s.hash == hash && self.get(StrId(s.id)) == string;
        self.table.find(spread(hash), same).map(|s| StrId(s.id))
    }

    /// The number of a string, which is added if it is new.
    pub fn intern(&mut self, string: &[u8]) -> StrId {
        self.intern_hashed(string, hash(string))
    }

    /// The number of the NUL-terminated string at the start of `data`; None without a NUL.
    #[inline]
    pub fn intern_at(&mut self, data: &[u8]) -> Option<StrId> {
        let (len, hash) = scan(data)?;
        Some(self.intern_hashed(&data[..len], hash))
    }

    #[inline]
    fn intern_hashed(&mut self, string: &[u8], hash: u32) -> StrId {
        match self.find_own(string, hash) {
            Some(found) => found,
            None => self.add(string, hash),
        }
    }

    /// Adds a string that this layer does not know yet; it may be one of the frozen layer's.
    fn add(&mut self, string: &[u8], hash: u32) -> StrId {
        let id = self.base.and_then(|b| b.find_hashed(string, hash)).unwrap_or_else(|| {
            let id = StrId(self.len());
            assert!(id.0 < StrId::LIMIT, "more than {} distinct names", StrId::LIMIT);
            self.bytes.extend_from_slice(string);
            self.ends.push(self.bytes.len());
            id
        });
        self.table.insert_unique(spread(hash), Slot { hash, id: id.0 }, |s| spread(s.hash));
        id
    }

    /// The table's own strings (not the frozen layer's) in the order of their numbers.
    pub fn own(&self) -> impl Iterator<Item = (StrId, &[u8])> {
        (self.first..self.len()).map(|id| (StrId(id), self.get(StrId(id))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_has_one_number_in_all_layers() {
        let mut base = Strings::new();
        let foo = base.intern(b"foo");
        assert_eq!(base.intern(b"foo"), foo);
        assert_eq!(base.intern(b""), StrId::EMPTY);
        let mut split = Strings::on(&base);
        assert_eq!(split.intern(b"foo"), foo);
        let bar = split.intern(b"bar");
        assert_eq!(bar.0, base.len());
        assert_eq!((split.get(foo), split.get(bar)), (&b"foo"[..], &b"bar"[..]));
        assert_eq!(split.find(b"baz"), None);
        assert_eq!(split.own().collect::<Vec<_>>(), [(bar, &b"bar"[..])]);
    }

    #[test]
    fn scanning_finds_the_end_and_the_same_hash() {
        let text = b"\0a\0seven77\0eight888\0nine99999\0sixteen_letters_\0tail";
        let mut at = 0;
        while let Some((len, found)) = scan(&text[at..]) {
            assert_eq!(found, hash(&text[at..at + len]), "at {at}");
            assert_eq!(text[at + len], 0);
            at += len + 1;
        }
        assert_eq!(&text[at..], b"tail");
        let high = [0x80, 0xff, 1, 0x81, 0, 0x80, 0x80, 0x80, 0x80];
        assert_eq!(scan(&high), Some((4, hash(&high[..4]))));
        let mut strings = Strings::new();
        assert_eq!(strings.intern_at(b"foo\0bar"), Some(strings.intern(b"foo")));
        assert_eq!(strings.intern_at(b"foo"), None);
    }

    #[test]
    fn numbers_survive_growth() {
        let mut strings = Strings::new();
        let ids: Vec<_> = (0..10_000).map(|i| strings.intern(format!("name{i}").as_bytes())).collect();
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(strings.get(*id), format!("name{i}").as_bytes());
        }
    }
}
