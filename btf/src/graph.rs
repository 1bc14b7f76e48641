//! The type graph that everything between reading and writing works on.
//!
//! A type is a *record*: the words of its BTF encoding (btf.rst 2.2), except that
//!
//! * word 0 is a [`Head`] (kind and kflag; vlen follows from the record's length),
//! * names are [`StrId`]s, and
//! * type ids are references in whatever space the holder says: unit-local numbers in a [`Records`] that a unit
//!   filled, [`Ref`]s in the class table.
//!
//! | words | meaning |
//! |---|---|
//! | 0 | head |
//! | 1 | name |
//! | 2 | byte size (int, float, struct, union, enum) or reference (pointer, modifiers, typedef, prototype's result) |
//! | 3.. | trailer as in BTF: int data; element, index, count; name, reference, offset per member; ... |
//!
//! One format for units, classes, the base and the result means one [`refs`] and one [`names`] walk for all passes.

use crate::kind::Kind;
use crate::strings::StrId;

/// Words before a record's trailer.
pub const FIXED_WORDS: usize = 3;

/// Word 0 of a record: kind and kflag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The type's kind.
    pub kind: Kind,
    /// See [`crate::kind::Info::kflag`].
    pub kflag: bool,
}

impl Head {
    /// The word for a head.
    pub fn word(self) -> u32 {
        self.kind as u32 | u32::from(self.kflag) << 8
    }

    /// The head of a record.
    pub fn of(record: &[u32]) -> Head {
        let kind = Kind::from_number(record[0] & 0xff).expect("a record starts with a head");
        Head { kind, kflag: record[0] & 0x100 != 0 }
    }
}

/// Words of a member: name, reference, offset.
const MEMBER_WORDS: usize = 3;
/// Words of a variable in a DATASEC: reference, offset, size.
const VARIABLE_WORDS: usize = 3;

/// Where the references of a record are: perhaps word 2, then from `first` every `step` words.
#[derive(Clone, Copy)]
struct Places {
    word2: bool,
    first: usize,
    step: usize,
    last: usize,
}

fn ref_places(kind: Kind, len: usize) -> Places {
    let none = Places { word2: false, first: len, step: 1, last: len };
    match kind {
        Kind::Ptr
        | Kind::Typedef
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::TypeTag
        | Kind::Func
        | Kind::Var
        | Kind::DeclTag => Places { word2: true, ..none },
        Kind::FuncProto => Places { word2: true, first: 4, step: 2, last: len },
        Kind::Array => Places { first: 3, step: 1, last: 5, ..none },
        Kind::Struct | Kind::Union => Places { first: 4, step: MEMBER_WORDS, ..none },
        Kind::Datasec => Places { first: 3, step: VARIABLE_WORDS, ..none },
        Kind::Int | Kind::Float | Kind::Enum | Kind::Enum64 | Kind::Fwd => none,
    }
}

/// The words of a record that refer to other types, in their order.
pub fn refs(record: &[u32]) -> impl Iterator<Item = u32> {
    let p = ref_places(Head::of(record).kind, record.len());
    let word2 = if p.word2 { &record[2..3] } else { &[] };
    let rest = record.get(p.first..p.last.min(record.len())).unwrap_or(&[]);
    word2.iter().chain(rest.iter().step_by(p.step)).copied()
}

/// Replaces each reference of a record.
pub fn map_refs(record: &mut [u32], mut f: impl FnMut(u32) -> u32) {
    let p = ref_places(Head::of(record).kind, record.len());
    if p.word2 {
        record[2] = f(record[2]);
    }
    if p.first == FIXED_WORDS + 1 && p.step == MEMBER_WORDS {
        // Most references of all are those of members.
        record[FIXED_WORDS..].chunks_exact_mut(MEMBER_WORDS).for_each(|member| member[1] = f(member[1]));
        return;
    }
    let end = p.last.min(record.len());
    if p.first < end {
        for word in record[p.first..end].iter_mut().step_by(p.step) {
            *word = f(*word);
        }
    }
}

/// True if a record becomes `other` when its references are replaced.
#[inline]
pub fn equals_mapped(record: &[u32], other: &[u32], f: impl Fn(u32) -> u32) -> bool {
    if record.len() != other.len() || record[0] != other[0] || record[1] != other[1] {
        return false;
    }
    let p = ref_places(Head::of(record).kind, record.len());
    if (if p.word2 { f(record[2]) } else { record[2] }) != other[2] {
        return false;
    }
    let (own, other) = (&record[FIXED_WORDS..], &other[FIXED_WORDS..]);
    if p.first == FIXED_WORDS + 1 && p.step == MEMBER_WORDS {
        let mut members = own.chunks_exact(MEMBER_WORDS).zip(other.chunks_exact(MEMBER_WORDS));
        return members.all(|(m, o)| m[0] == o[0] && m[2] == o[2] && f(m[1]) == o[1]);
    }
    let is_ref =
        |i: usize| i + FIXED_WORDS >= p.first && i + FIXED_WORDS < p.last && (i + FIXED_WORDS - p.first) % p.step == 0;
    own.iter().zip(other).enumerate().all(|(i, (&own, &other))| if is_ref(i) { f(own) == other } else { own == other })
}

/// First word and distance of the names in a record's trailer, if its kind has any.
fn name_places(kind: Kind) -> Option<usize> {
    match kind {
        Kind::Struct | Kind::Union | Kind::Enum64 => Some(3),
        Kind::Enum | Kind::FuncProto => Some(2),
        Kind::Int
        | Kind::Ptr
        | Kind::Array
        | Kind::Fwd
        | Kind::Typedef
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::Func
        | Kind::Var
        | Kind::Datasec
        | Kind::Float
        | Kind::DeclTag
        | Kind::TypeTag => None,
    }
}

/// The names in a record: its own, then its members', enumerators' or parameters'.
pub fn names(record: &[u32]) -> impl Iterator<Item = StrId> {
    let step = name_places(Head::of(record).kind);
    let trailer = if step.is_some() { &record[FIXED_WORDS..] } else { &[] };
    let trailer = trailer.iter().step_by(step.unwrap_or(1));
    std::iter::once(&record[1]).chain(trailer).map(|&n| StrId(n))
}

/// Replaces each name of a record.
pub fn map_names(record: &mut [u32], mut f: impl FnMut(StrId) -> StrId) {
    record[1] = f(StrId(record[1])).0;
    if let Some(step) = name_places(Head::of(record).kind) {
        for word in record[FIXED_WORDS..].iter_mut().step_by(step) {
            *word = f(StrId(*word)).0;
        }
    }
}

/// Elements of a record's trailer: members, enumerators, parameters, variables.
pub fn vlen(record: &[u32]) -> usize {
    let (_, per_element) = Head::of(record).kind.trailer();
    if per_element == 0 { 0 } else { (record.len() - FIXED_WORDS) / (per_element / 4) }
}

/// The tag name spaces of C: what a forward declaration and its definition share besides the name (C11 6.2.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum TagKind {
    Struct = 0,
    Union = 1,
    Enum = 2,
}

/// Kind and name of a struct, union or enum: what a reference to a named composite is cut down to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tag {
    /// Name space.
    pub kind: TagKind,
    /// Name, never empty.
    pub name: StrId,
}

impl Tag {
    /// The tag that a record defines or declares; `None` for other kinds and for anonymous ones.
    #[inline]
    pub fn of(record: &[u32]) -> Option<Tag> {
        // Asked of every type of every unit, and most are something else.
        if Tag::KINDS >> (record[0] & 0x1f) & 1 == 0 { None } else { Tag::of_tagged(record) }
    }

    /// The kinds that may have a tag.
    const KINDS: u32 = Kind::Struct.bit() | Kind::Union.bit() | Kind::Fwd.bit() | Kind::Enum.bit() | Kind::Enum64.bit();

    fn of_tagged(record: &[u32]) -> Option<Tag> {
        let head = Head::of(record);
        let kind = match head.kind {
            Kind::Struct => TagKind::Struct,
            Kind::Union => TagKind::Union,
            Kind::Fwd if head.kflag => TagKind::Union,
            Kind::Fwd => TagKind::Struct,
            Kind::Enum | Kind::Enum64 => TagKind::Enum,
            Kind::Int
            | Kind::Ptr
            | Kind::Array
            | Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Func
            | Kind::FuncProto
            | Kind::Var
            | Kind::Datasec
            | Kind::Float
            | Kind::DeclTag
            | Kind::TypeTag => return None,
        };
        (record[1] != 0).then_some(Tag { kind, name: StrId(record[1]) })
    }
}

/// True if a record with a [`Tag`] only declares it: a FWD, or a named enum without enumerators.
pub fn is_forward(record: &[u32]) -> bool {
    match Head::of(record).kind {
        Kind::Fwd => true,
        Kind::Enum | Kind::Enum64 => record[1] != 0 && record.len() == FIXED_WORDS,
        _ => false,
    }
}

/// A reference of the class table: void, a class, or a [`Tag`] whose definition each unit chooses for itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Ref {
    /// No type.
    Void,
    /// A type that is the same wherever it stands, up to the tags it mentions.
    Class(ClassId),
    /// A named struct, union or enum.
    Tag(Tag),
}

/// Number of a class: types with equal records. 0 is not used, so that a class and void share a word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ClassId(pub u32);

impl ClassId {
    /// The class as an array index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

const TAG_BIT: u32 = 1 << 31;

impl Ref {
    /// The word for a reference.
    pub fn word(self) -> u32 {
        match self {
            Ref::Void => 0,
            Ref::Class(class) => class.0,
            Ref::Tag(tag) => TAG_BIT | tag.name.0 << 2 | tag.kind as u32,
        }
    }

    /// The reference in a word.
    pub fn of(word: u32) -> Ref {
        if word & TAG_BIT != 0 {
            let kind = match word & 3 {
                0 => TagKind::Struct,
                1 => TagKind::Union,
                _ => TagKind::Enum,
            };
            Ref::Tag(Tag { kind, name: StrId((word & !TAG_BIT) >> 2) })
        } else if word == 0 {
            Ref::Void
        } else {
            Ref::Class(ClassId(word))
        }
    }
}

/// Records one after the other in one array: the types of a unit, in the order of its DIEs.
#[derive(Debug, Default, Clone)]
pub struct Records {
    words: Vec<u32>,
    /// First word of each record, and one past its last.
    spans: Vec<(u32, u32)>,
}

impl Records {
    /// Forgets all records, keeps the memory.
    pub fn clear(&mut self) {
        self.words.clear();
        self.spans.clear();
    }

    /// Makes room for about `count` records of `words` words in total.
    pub fn reserve(&mut self, count: usize, words: usize) {
        self.spans.reserve(count);
        self.words.reserve(words);
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True if there is no record.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Adds a number without a record: for now it has that of another number, which must not be changed.
    pub fn push_placeholder(&mut self, like: usize) -> usize {
        let span = self.spans[like];
        self.spans.push(span);
        self.spans.len() - 1
    }

    /// Gives a reserved number the record that was added last, which loses its own.
    pub fn move_last(&mut self, number: usize) {
        if let Some(span) = self.spans.pop() {
            self.spans[number] = span;
        }
    }

    /// Adds a record from its head, name, third word and trailer; returns its number.
    pub fn push(&mut self, head: Head, name: StrId, word2: u32, trailer: &[u32]) -> usize {
        let start = self.words.len();
        self.words.extend_from_slice(&[head.word(), name.0, word2]);
        self.words.extend_from_slice(trailer);
        self.end(start)
    }

    /// Adds a record whose trailer is made of elements of `N` words.
    pub fn push_elements<const N: usize>(
        &mut self,
        head: Head,
        name: StrId,
        word2: u32,
        elements: impl ExactSizeIterator<Item = [u32; N]>,
    ) -> usize {
        let start = self.words.len();
        self.words.reserve(FIXED_WORDS + N * elements.len());
        self.words.extend_from_slice(&[head.word(), name.0, word2]);
        elements.for_each(|element| self.words.extend_from_slice(&element));
        self.end(start)
    }

    fn end(&mut self, start: usize) -> usize {
        self.spans.push((start as u32, self.words.len() as u32));
        self.spans.len() - 1
    }

    /// Adds a copy of a whole record.
    pub fn push_record(&mut self, record: &[u32]) -> usize {
        let start = self.words.len();
        self.words.extend_from_slice(record);
        self.end(start)
    }

    fn range(&self, index: usize) -> std::ops::Range<usize> {
        let (start, end) = self.spans[index];
        start as usize..end as usize
    }

    /// The words of a record.
    pub fn get(&self, index: usize) -> &[u32] {
        &self.words[self.range(index)]
    }

    /// The words of a record, to change in place.
    pub fn get_mut(&mut self, index: usize) -> &mut [u32] {
        let range = self.range(index);
        &mut self.words[range]
    }

    /// All records in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.len()).map(|i| self.get(i))
    }

    /// Words of all records together.
    pub fn words(&self) -> usize {
        self.words.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: Kind) -> Head {
        Head { kind, kflag: false }
    }

    #[test]
    fn references_and_names_of_each_shape() {
        let mut r = Records::default();
        r.push(head(Kind::Ptr), StrId(0), 7, &[]);
        r.push(head(Kind::Array), StrId(0), 0, &[8, 9, 100]);
        r.push(head(Kind::Struct), StrId(1), 16, &[2, 10, 0, 3, 11, 64]);
        r.push(head(Kind::FuncProto), StrId(0), 12, &[4, 13, 5, 14]);
        r.push(head(Kind::Enum), StrId(6), 4, &[7, 1, 8, 2]);
        r.push(head(Kind::Int), StrId(9), 4, &[32]);
        let all: Vec<Vec<u32>> = r.iter().map(|x| refs(x).collect()).collect();
        assert_eq!(all, [vec![7], vec![8, 9], vec![10, 11], vec![12, 13, 14], vec![], vec![]]);
        let all: Vec<Vec<u32>> = r.iter().map(|x| names(x).map(|n| n.0).collect()).collect();
        assert_eq!(all, [vec![0], vec![0], vec![1, 2, 3], vec![0, 4, 5], vec![6, 7, 8], vec![9]]);
        assert_eq!(r.iter().map(vlen).collect::<Vec<_>>(), [0, 0, 2, 2, 2, 0]);
        for i in 0..r.len() {
            let before: Vec<u32> = refs(r.get(i)).collect();
            map_refs(r.get_mut(i), |x| x + 1);
            assert_eq!(refs(r.get(i)).collect::<Vec<_>>(), before.iter().map(|x| x + 1).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_reference_is_one_word() {
        let tag = Tag { kind: TagKind::Enum, name: StrId(StrId::LIMIT - 1) };
        for r in [Ref::Void, Ref::Class(ClassId(1)), Ref::Class(ClassId(TAG_BIT - 1)), Ref::Tag(tag)] {
            assert_eq!(Ref::of(r.word()), r);
        }
    }
}
