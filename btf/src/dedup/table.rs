//! The class table: every distinct record once.
//!
//! Records are interned bottom up: the references in a record are [`crate::graph::Ref`] words, so whatever is below it already has its
//! class, and two records are equal exactly if their words are. The hash only finds candidates; equality is decided on
//! the words, so a collision costs time and never a type.
//!
//! A table stands alone or continues a frozen one, the base's; what it found there it remembers, so that a class costs one
//! look-up however often it comes.

use hashbrown::HashTable;

use crate::graph::{ClassId, Records};
use crate::map::FixedMap;

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    class: u32,
}

/// All classes; see the module's documentation.
#[derive(Debug, Default)]
pub struct ClassTable<'b> {
    base: Option<&'b ClassTable<'b>>,
    first: u32,
    records: Records,
    table: HashTable<Slot>,
    /// Per class the one that was interned after it the last time.
    next: Vec<u32>,
    /// Own groups of classes on a cycle without any tag ([`super::cycles`]), in the order of the classes.
    groups: Vec<Group>,
    /// The groups by fingerprint.
    groups_like: FixedMap<u64, Vec<Group>>,
}

/// Classes, one after the other, that refer to each other on cycles.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Group {
    first: u32,
    /// Number of classes.
    pub size: u32,
}

impl Group {
    /// The first class.
    pub fn first(self) -> ClassId {
        ClassId(self.first)
    }

    /// The classes.
    pub fn classes(self) -> impl Iterator<Item = ClassId> {
        (self.first..self.first + self.size).map(ClassId)
    }

    /// Which of its classes a class is.
    pub fn position(self, class: ClassId) -> Option<u32> {
        class.0.checked_sub(self.first).filter(|&at| at < self.size)
    }
}

/// One step of hashing, by folded multiplication.
pub(super) fn mix(h: u64, w: u64) -> u64 {
    let wide = u128::from(h ^ w) * u128::from(K);
    (wide as u64) ^ (wide >> 64) as u64
}

const K: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes the words two at a time. Records are short, so there is no finishing beyond that.
fn hash(words: &[u32]) -> u32 {
    let mut h = words.len() as u64 ^ 0x2545_f491_4f6c_dd1d;
    let mut pairs = words.chunks_exact(2);
    for pair in &mut pairs {
        h = mix(h, u64::from(pair[0]) | u64::from(pair[1]) << 32);
    }
    if let [last] = pairs.remainder() {
        h = mix(h, u64::from(*last) | 1 << 63);
    }
    let h = mix(h, K.rotate_left(17));
    (h ^ (h >> 32)) as u32
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(K)
}

impl<'b> ClassTable<'b> {
    /// An empty table. Class 0 stands for void and has no record.
    pub fn new() -> ClassTable<'static> {
        ClassTable { first: 1, ..ClassTable::default() }
    }

    /// A table that continues `base`.
    pub fn on(base: &'b ClassTable<'b>) -> ClassTable<'b> {
        ClassTable { base: Some(base), first: base.end(), ..ClassTable::default() }
    }

    /// Makes room for about `count` classes.
    pub fn reserve(&mut self, count: usize) {
        self.table.reserve(count, |s| spread(s.hash));
    }

    /// First own class; those below it are the base's.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// One past the last class.
    pub fn end(&self) -> u32 {
        self.first + self.records.len() as u32
    }

    /// True if the class comes from the frozen base table.
    pub fn in_base(&self, class: ClassId) -> bool {
        class.0 < self.first
    }

    /// The record of a class.
    ///
    /// # Panics
    /// If the class is not from this table or its base.
    pub fn get(&self, class: ClassId) -> &[u32] {
        match class.0.checked_sub(self.first) {
            Some(own) => self.records.get(own as usize),
            None => self.base.expect("a class below the first is the base's").get(class),
        }
    }

    /// The class of a record, added if it is new.
    pub fn intern(&mut self, record: &[u32]) -> ClassId {
        let hash = hash(record);
        if let Some(class) = self.find_own(record, hash) {
            return class;
        }
        match self.base.and_then(|b| b.find_hashed(record, hash)) {
            Some(class) => {
                self.remember(class, hash);
                class
            }
            None => self.push(record, hash),
        }
    }

    /// What came after `previous` the last time. Units have the same headers, so that is most often what comes now, and
    /// stands in memory where the processor looks next.
    #[inline]
    pub(super) fn expected_after(&self, previous: ClassId) -> Option<(ClassId, &[u32])> {
        let next = self.next.get(previous.index()).map(|&next| ClassId(next)).filter(|next| next.0 != 0)?;
        Some((next, self.get(next)))
    }

    /// The class of a record, which came after `previous`; it is added if it is new.
    pub(super) fn intern_after(&mut self, previous: ClassId, record: &[u32]) -> ClassId {
        let class = self.intern(record);
        if self.next.len() <= previous.index() {
            self.next.resize(self.end() as usize, 0);
        }
        self.next[previous.index()] = class.0;
        class
    }

    /// The class of a record, if it is there.
    pub fn find(&self, record: &[u32]) -> Option<ClassId> {
        self.find_hashed(record, hash(record))
    }

    fn find_hashed(&self, record: &[u32], hash: u32) -> Option<ClassId> {
        self.find_own(record, hash).or_else(|| self.base.and_then(|b| b.find_hashed(record, hash)))
    }

    #[inline]
    fn find_own(&self, record: &[u32], hash: u32) -> Option<ClassId> {
        let same = |s: &Slot| s.hash == hash && self.get(ClassId(s.class)) == record;
        self.table.find(spread(hash), same).map(|s| ClassId(s.class))
    }

    fn remember(&mut self, class: ClassId, hash: u32) {
        self.table.insert_unique(spread(hash), Slot { hash, class: class.0 }, |s| spread(s.hash));
    }

    fn push(&mut self, record: &[u32], hash: u32) -> ClassId {
        let class = ClassId(self.end());
        assert!(class.0 < super::cycles::MEMBER_BIT, "more than a billion classes");
        self.records.push_record(record);
        self.remember(class, hash);
        class
    }

    /// The groups with a fingerprint, also the base's.
    pub(super) fn groups_like(&self, fingerprint: u64) -> Vec<Group> {
        let mut groups = self.base.map_or_else(Vec::new, |b| b.groups_like(fingerprint));
        groups.extend(self.groups_like.get(&fingerprint).into_iter().flatten());
        groups
    }

    /// The group that a class belongs to.
    pub(super) fn group_of(&self, class: ClassId) -> Option<Group> {
        match self.base {
            Some(base) if self.in_base(class) => base.group_of(class),
            _ => {
                let at = self.groups.partition_point(|g| g.first <= class.0).checked_sub(1)?;
                self.groups.get(at).copied().filter(|g| g.position(class).is_some())
            }
        }
    }

    /// Adds a group; `records` builds its `size` records when told the first class. None of them is in the table yet, since
    /// each refers to a class that was not there.
    pub(super) fn add_group(
        &mut self,
        fingerprint: u64,
        size: u32,
        records: impl FnOnce(ClassId) -> Vec<Vec<u32>>,
    ) -> ClassId {
        let first = ClassId(self.end());
        let group = Group { first: first.0, size };
        for record in &records(first) {
            self.push(record, hash(record));
        }
        self.groups.push(group);
        self.groups_like.entry(fingerprint).or_default().push(group);
        first
    }

    /// The classes in their order, those of a group together: what a class refers to stands before it or in its group.
    /// A class by itself is a group of one here.
    pub(super) fn in_order(&self) -> impl Iterator<Item = Group> + '_ {
        let base: Box<dyn Iterator<Item = Group>> = match self.base {
            Some(base) => Box::new(base.in_order()),
            None => Box::new(std::iter::empty()),
        };
        base.chain(self.own_in_order())
    }

    /// The own classes as [`ClassTable::in_order`] has them.
    pub(super) fn own_in_order(&self) -> impl Iterator<Item = Group> + '_ {
        let mut groups = self.groups.iter().copied().peekable();
        let mut next = self.first;
        std::iter::from_fn(move || {
            let here = groups.next_if(|g| g.first == next).unwrap_or(Group { first: next, size: 1 });
            next += here.size;
            (here.first < self.end()).then_some(here)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_records_share_a_class_across_layers() {
        let mut base = ClassTable::new();
        let a = base.intern(&[2, 0, 0]);
        let b = base.intern(&[2, 0, 1]);
        assert_eq!((a, b), (ClassId(1), ClassId(2)));
        let mut split = ClassTable::on(&base);
        assert_eq!(split.intern(&[2, 0, 1]), b);
        let c = split.intern(&[2, 0, 2]);
        assert_eq!(c, ClassId(3));
        assert_eq!(split.intern(&[2, 0, 2]), c);
        assert_eq!(split.get(c), [2, 0, 2]);
        assert_eq!(split.get(a), [2, 0, 0]);
        assert!(split.in_base(b) && !split.in_base(c));
    }

    #[test]
    fn length_and_order_count() {
        let mut t = ClassTable::new();
        let ids: Vec<_> = [&[1, 2, 3][..], &[1, 2, 3, 0], &[2, 1, 3], &[1, 2]].iter().map(|r| t.intern(r)).collect();
        assert_eq!(ids, [1, 2, 3, 4].map(ClassId));
    }
}
