//! Names as small numbers: each distinct string once, in layers.
//!
//! A [`Strings`] either stands alone or continues a frozen one (the names of the base BTF), which many modules share.
//! Numbers below the frozen layer's length are its own; new strings get the numbers after it.

use std::hash::{BuildHasher, Hasher};

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

/// A fixed seed: nothing about the output may depend on the run.
fn hash(bytes: &[u8]) -> u32 {
    let mut hasher = foldhash::fast::FixedState::with_seed(0x6274_6667).build_hasher();
    hasher.write(bytes);
    let h = hasher.finish();
    (h ^ (h >> 32)) as u32
}

/// Spreads the kept 32 bits over the 64 that the table looks at (it takes its tag from the top bits).
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<'b> Strings<'b> {
    /// A table with the empty string only.
    pub fn new() -> Strings<'static> {
        let mut strings = Strings { base: None, first: 0, bytes: Vec::new(), ends: Vec::new(), table: HashTable::new() };
        strings.intern(b"");
        strings
    }

    /// A table that continues `base`, which stays as it is.
    pub fn on(base: &'b Strings<'b>) -> Strings<'b> {
        Strings { base: Some(base), first: base.len(), bytes: Vec::new(), ends: Vec::new(), table: HashTable::new() }
    }

    /// Makes room for about `count` strings of `bytes` bytes in total.
    pub fn reserve(&mut self, count: usize, bytes: usize) {
        self.bytes.reserve(bytes);
        self.ends.reserve(count);
        self.table.reserve(count, |s| spread(s.hash));
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

    /// The number of a string, if it is in the table.
    pub fn find(&self, string: &[u8]) -> Option<StrId> {
        self.find_hashed(string, hash(string))
    }

    fn find_hashed(&self, string: &[u8], hash: u32) -> Option<StrId> {
        if let Some(found) = self.base.and_then(|b| b.find_hashed(string, hash)) {
            return Some(found);
        }
        let same = |s: &Slot| s.hash == hash && self.get(StrId(s.id)) == string;
        self.table.find(spread(hash), same).map(|s| StrId(s.id))
    }

    /// The number of a string, which is added if it is new.
    pub fn intern(&mut self, string: &[u8]) -> StrId {
        let hash = hash(string);
        if let Some(found) = self.find_hashed(string, hash) {
            return found;
        }
        let id = self.len();
        assert!(id < StrId::LIMIT, "more than {} distinct names", StrId::LIMIT);
        self.bytes.extend_from_slice(string);
        self.ends.push(self.bytes.len());
        self.table.insert_unique(spread(hash), Slot { hash, id }, |s| spread(s.hash));
        StrId(id)
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
    fn numbers_survive_growth() {
        let mut strings = Strings::new();
        let ids: Vec<_> = (0..10_000).map(|i| strings.intern(format!("name{i}").as_bytes())).collect();
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(strings.get(*id), format!("name{i}").as_bytes());
        }
    }
}
