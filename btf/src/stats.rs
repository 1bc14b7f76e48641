//! What a BTF is made of: bytes and types by kind, strings, what it takes from its base, and what need not be there.
//!
//! A type is *redundant* if its equal stands in the base or earlier in the same BTF. Equal is what the deduplication takes for
//! equal (`edit/merge`): nothing that can be reached from the two tells them apart, and a forward declaration is a type like any
//! other. FUNC, VAR, DATASEC and DECL_TAG are told apart by where they stand, and never redundant.
//! `scripts/btfmin.py` counts the same by other means.

use std::ops::AddAssign;

use crate::dedup::resolve::Target;
use crate::edit::Edit;
use crate::error::Result;
use crate::graph::{Tag, is_forward, refs};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::map::FixedSet;
use crate::strings::StrId;
use crate::view::{BtfView, TypeView};

/// A number of types, and the bytes of their records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amount {
    /// Types.
    pub types: usize,
    /// Bytes of the type section.
    pub bytes: usize,
}

impl Amount {
    fn add(&mut self, bytes: usize) {
        *self += Amount { types: 1, bytes };
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Amount) {
        self.types += other.types;
        self.bytes += other.bytes;
    }
}

/// The types of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OfKind {
    /// All.
    pub all: Amount,
    /// Those that the base has, too.
    pub in_base: Amount,
    /// Those that stand earlier in the same BTF, too, and not in the base.
    pub repeated: Amount,
}

impl AddAssign for OfKind {
    fn add_assign(&mut self, other: OfKind) {
        self.all += other.all;
        self.in_base += other.in_base;
        self.repeated += other.repeated;
    }
}

/// Figures of a BTF, or of several ones together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Bytes of all.
    pub bytes: usize,
    /// Bytes of the type section.
    pub type_bytes: usize,
    /// Bytes of the string section.
    pub string_bytes: usize,
    /// Strings; the empty one is none.
    pub strings: usize,
    /// By kind, in the order of [`Kind::ALL`].
    pub kinds: [OfKind; Kind::ALL.len()],
    /// Named structs, unions and enums that are defined here although the base defines one of that name, which is another one.
    pub redefined: usize,
}

impl Figures {
    /// The types of one kind.
    pub fn of(&self, kind: Kind) -> OfKind {
        self.kinds[kind as usize - 1]
    }

    /// The types of all kinds.
    pub fn all(&self) -> OfKind {
        self.kinds.iter().fold(OfKind::default(), |mut sum, kind| {
            sum += *kind;
            sum
        })
    }
}

impl AddAssign<&Figures> for Figures {
    fn add_assign(&mut self, other: &Figures) {
        self.bytes += other.bytes;
        self.type_bytes += other.type_bytes;
        self.string_bytes += other.string_bytes;
        self.strings += other.strings;
        self.kinds.iter_mut().zip(&other.kinds).for_each(|(own, other)| *own += *other);
        self.redefined += other.redefined;
    }
}

/// A type that is mentioned by itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mentioned {
    /// Bytes of its record.
    pub bytes: usize,
    /// Kind.
    pub kind: Kind,
    /// Name; empty if it is anonymous.
    pub name: Vec<u8>,
    /// Id.
    pub id: TypeId,
    /// Members, enumerators, parameters or variables.
    pub elements: u32,
}

/// What there is to say about a BTF.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Figures.
    pub figures: Figures,
    /// Types of the base that own types refer to, ascending.
    pub base_types_used: Vec<TypeId>,
    /// The redefined types; see [`Figures::redefined`]. By name.
    pub redefined: Vec<Mentioned>,
    /// Own types that the base has, too, or that stand earlier in the same BTF, ascending.
    pub redundant: Vec<TypeId>,
    /// The largest types, by the bytes of their records; of one size by name.
    pub largest: Vec<Mentioned>,
}

/// Looks at the own types of a BTF; `largest` is how many of the largest types are wanted.
///
/// # Errors
/// Names or types that are referred to but not there.
pub fn stats(view: &BtfView<'_>, largest: usize) -> Result<Stats> {
    let edit = Edit::of(view)?;
    let equal = edit.equal_types();
    let mut stats = Stats::default();
    let figures = &mut stats.figures;
    figures.bytes = view.bytes().len();
    (figures.type_bytes, figures.string_bytes) = (view.header().types().len(), view.strings().len());
    let strings = view.strings();
    figures.strings = memchr::memchr_iter(0, strings).count() - usize::from(strings.first() == Some(&0));
    let mut used = FixedSet::default();
    for ((number, (id, t)), &equal) in (0..).zip(view.types()).zip(&equal) {
        let record = edit.records.get(number as usize);
        used.extend(refs(record).filter_map(|word| match Target::of(word) {
            Target::Base(id) if id != TypeId::VOID => Some(id),
            _ => None,
        }));
        let bytes = t.bytes().len();
        let kind = &mut figures.kinds[t.kind() as usize - 1];
        kind.all.add(bytes);
        match Target::of(equal) {
            Target::Own(own) if own == number => continue,
            Target::Own(_) => kind.repeated.add(bytes),
            Target::Base(_) => kind.in_base.add(bytes),
        }
        stats.redundant.push(id);
    }
    stats.base_types_used = used.into_iter().collect();
    stats.base_types_used.sort_unstable();
    stats.redefined = redefined(view, &edit, &equal);
    stats.figures.redefined = stats.redefined.len();
    stats.largest = largest_of(view, largest);
    Ok(stats)
}

/// Definitions that are not the base's, of tags that the base defines.
fn redefined(view: &BtfView<'_>, edit: &Edit<'_>, equal: &[u32]) -> Vec<Mentioned> {
    let Some(base) = view.base() else { return Vec::new() };
    let own_tag = |number: usize| {
        let record = edit.records.get(number);
        let stays = equal[number] == Target::Own(number as u32).word();
        Tag::of(record).filter(|_| stays && !is_forward(record))
    };
    let own: FixedSet<Tag> = (0..equal.len()).filter_map(own_tag).collect();
    if own.is_empty() {
        return Vec::new();
    }
    let names = crate::name_offsets::NameOffsets::of_names(base, &edit.strings);
    let number = |offset: StrOff| match names.get(offset) {
        Some(name) => name,
        None => base.string(offset).and_then(|name| edit.strings.find(name)),
    };
    let (mut there, mut record) = (FixedSet::default(), Vec::new());
    let tagged = |kind| matches!(kind, Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64);
    for (_, t) in base.levels().into_iter().flat_map(|level| level.types_of(tagged)) {
        let Some(name) = number(t.name_off()).filter(|&name| name != StrId::EMPTY) else { continue };
        t.read_record(&mut record);
        record[1] = name.0;
        there.extend(Tag::of(&record).filter(|tag| own.contains(tag) && !is_forward(&record)));
    }
    let twice = view.types().enumerate().filter(|(number, _)| own_tag(*number).is_some_and(|tag| there.contains(&tag)));
    let mut twice: Vec<Mentioned> = twice.map(|(_, (id, t))| mentioned(view, id, t)).collect();
    twice.sort_unstable_by(|a, b| (&a.name, a.kind as u32, a.id).cmp(&(&b.name, b.kind as u32, b.id)));
    twice
}

fn largest_of(view: &BtfView<'_>, count: usize) -> Vec<Mentioned> {
    if count == 0 {
        return Vec::new();
    }
    // Only names of what may be among them are looked at.
    let mut sizes: Vec<usize> = view.types().map(|(_, t)| t.bytes().len()).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let least = sizes.get(count - 1).copied().unwrap_or(0);
    let large = view.types().filter(|(_, t)| t.bytes().len() >= least);
    let mut all: Vec<Mentioned> = large.map(|(id, t)| mentioned(view, id, t)).collect();
    all.sort_unstable_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| (&a.name, a.id).cmp(&(&b.name, b.id))));
    all.truncate(count);
    all
}

fn mentioned(view: &BtfView<'_>, id: TypeId, t: TypeView<'_>) -> Mentioned {
    let name = view.string(t.name_off()).unwrap_or_default().to_vec();
    let elements = if t.kind() == Kind::Func { 0 } else { t.vlen() };
    Mentioned { bytes: t.bytes().len(), kind: t.kind(), name, id, elements }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Endian;
    use crate::testing::{Blob, every_kind};

    fn amount(types: usize, bytes: usize) -> Amount {
        Amount { types, bytes }
    }

    #[test]
    fn every_byte_is_counted_once() {
        for endian in [Endian::Little, Endian::Big] {
            let bytes = every_kind(endian).bytes();
            let view = BtfView::parse(&bytes).expect("it is BTF");
            let figures = stats(&view, 0).expect("it is sound").figures;
            assert_eq!(figures.bytes, 24 + figures.type_bytes + figures.string_bytes);
            assert_eq!(figures.all().all, amount(view.type_count(), figures.type_bytes));
            assert!(Kind::ALL.iter().all(|&kind| figures.of(kind).all.types > 0));
            assert_eq!(figures.of(Kind::Union).all, amount(1, 12 + 2 * 12));
            assert_eq!((figures.all().in_base, figures.all().repeated), (amount(0, 0), amount(0, 0)));
        }
    }

    #[test]
    fn what_the_base_has_and_what_is_there_twice() {
        let mut base = Blob::new();
        let int = base.int("int", 4);
        base.structure("same", 4, &[("x", int, 0)]);
        base.structure("other", 4, &[("x", int, 0)]);
        base.fwd("declared", false);
        let bytes = base.bytes();
        let base = BtfView::parse(&bytes).expect("a base");
        let mut b = Blob::on(&base);
        b.structure("same", 4, &[("x", int, 0)]);
        let other = b.structure("other", 4, &[("y", int, 0)]);
        b.structure("declared", 4, &[("y", int, 0)]);
        let pointers = [b.ptr(other), b.ptr(other)];
        pointers.iter().for_each(|&ptr| _ = b.typedef(&format!("t{ptr}"), ptr));
        let proto = b.proto(0, &[]);
        let functions = [b.func("f", 1, proto), b.func("f", 1, proto)];
        let bytes = b.bytes();
        let view = BtfView::parse_split(&bytes, &base).expect("a split BTF");
        let stats = stats(&view, 2).expect("it is sound");
        assert_eq!(stats.figures.of(Kind::Struct).in_base, amount(1, 24));
        assert_eq!(stats.figures.of(Kind::Ptr).repeated, amount(1, 12));
        assert_eq!(stats.figures.of(Kind::Func).all.types, functions.len());
        assert_eq!(stats.figures.all().repeated.types + stats.figures.all().in_base.types, 2);
        assert_eq!(stats.redundant, [base.end_id(), TypeId(pointers[1])]);
        let names: Vec<&[u8]> = stats.redefined.iter().map(|m| m.name.as_slice()).collect();
        assert_eq!((names, stats.figures.redefined), (vec![&b"other"[..]], 1));
        assert_eq!(stats.base_types_used, [TypeId(int)]);
        let largest: Vec<&[u8]> = stats.largest.iter().map(|m| m.name.as_slice()).collect();
        assert_eq!(largest, [&b"declared"[..], b"other"]);
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let mut b = Blob::new();
        b.ptr(7);
        let bytes = b.bytes();
        let view = BtfView::parse(&bytes).expect("records are whole");
        let error = stats(&view, 1).expect_err("type 7 is not there");
        assert_eq!(error.to_string(), "BTF type 1: it refers to type 7, which is not there");
    }
}
