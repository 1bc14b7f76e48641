//! The types of the base that types of the file may be.
//!
//! A type of the base is equal to one of the file only if the file has one of its shape (all of the record but the references), and if what it
//! refers to is equal to something in the file as well, or is referred to by the file. Nine in ten are out at the first look: the
//! file does not have their names.
//!
//! A base that has a type twice is taken as it is: types of the file that refer to one and to the other of the two are then two, unless the
//! file has the type, too.

use super::Edit;
use crate::bits::{Bits, Ranked};
use crate::dedup::lists::Lists;
use crate::dedup::resolve::Target;
use crate::graph::{Head, Records, map_names, map_refs, refs};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::map::FixedSet;
use crate::name_offsets::NameOffsets;
use crate::strings::StrId;

/// Types of the base.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Their ids, ascending.
    pub ids: Vec<TypeId>,
    /// Their records, with names of the file; references are type ids.
    pub records: Records,
}

impl Candidates {
    /// The types of the base that types of the file may be.
    pub(super) fn of(edit: &Edit<'_>) -> Candidates {
        let Some(base) = edit.view.base() else { return Candidates::default() };
        let mut used = Bits::new(base.end_id().index());
        used.insert(TypeId::VOID.index());
        let (mut shapes, mut blank) = (FixedSet::default(), Vec::new());
        for record in edit.records.iter() {
            for id in refs(record).filter_map(base_id) {
                used.insert(id.index());
            }
            shape(record, &mut blank);
            if Head::of(record).kind.merges() && !shapes.contains(&blank) {
                shapes.insert(blank.clone());
            }
        }
        let all = of_shapes(edit, &shapes);
        all.with_references(&used, base.end_id())
    }

    /// Those of them that refer to each other and to `used` types alone.
    fn with_references(self, used: &Bits, end: TypeId) -> Candidates {
        let mut numbers = Bits::new(end.index());
        self.ids.iter().for_each(|id| numbers.insert(id.index()));
        let numbers: Ranked = numbers.ranked();
        let number = |id: u32| numbers.rank(id as usize);
        let references = || {
            let all = (0u32..).zip(self.records.iter());
            all.flat_map(|(from, record)| refs(record).map(move |to| (to, from)))
        };
        let needs = |to: u32| !used.contains(to as usize);
        let users = Lists::grouped(self.ids.len(), || {
            let needed = references().filter(|&(to, _)| needs(to));
            needed.filter_map(|(to, from)| Some((number(to)? as u32, from)))
        });
        let mut out = Bits::new(self.ids.len());
        let lost = references().filter(|&(to, _)| needs(to) && number(to).is_none());
        let mut work: Vec<u32> = lost.map(|(_, from)| from).collect();
        while let Some(at) = work.pop() {
            if !out.contains(at as usize) {
                out.insert(at as usize);
                work.extend(users.get(at as usize));
            }
        }
        let mut left = Candidates::default();
        for (at, record) in self.records.iter().enumerate().filter(|(at, _)| !out.contains(*at)) {
            left.ids.push(self.ids[at]);
            left.records.push_record(record);
        }
        left
    }
}

/// The types of the base that have one of the shapes.
fn of_shapes(edit: &Edit<'_>, shapes: &FixedSet<Vec<u32>>) -> Candidates {
    let mut found = Candidates::default();
    let Some(base) = edit.view.base() else { return found };
    let offsets = NameOffsets::of_names(base, &edit.strings);
    let name = |offset: StrOff| match offsets.get(offset) {
        Some(name) => name,
        None => base.string(offset).and_then(|name| edit.strings.find(name)),
    };
    let (mut record, mut blank) = (Vec::new(), Vec::new());
    for (id, t) in base.levels().into_iter().flat_map(|level| level.types_of(Kind::merges)) {
        if t.name_off() != StrOff::EMPTY && name(t.name_off()).is_none() {
            continue;
        }
        t.read_record(&mut record);
        if t.kind() == Kind::Array {
            record[2] = 0;
        }
        let mut known = true;
        map_names(&mut record, |offset| {
            let name = name(StrOff(offset.0));
            known &= name.is_some();
            name.unwrap_or(StrId::EMPTY)
        });
        shape(&record, &mut blank);
        if known && shapes.contains(&blank) {
            found.ids.push(id);
            found.records.push_record(&record);
        }
    }
    found
}

/// Puts a record without its references into `shape`.
pub(super) fn shape(record: &[u32], shape: &mut Vec<u32>) {
    shape.clear();
    shape.extend_from_slice(record);
    map_refs(shape, |_| 0);
}

fn base_id(word: u32) -> Option<TypeId> {
    match Target::of(word) {
        Target::Base(id) => Some(id),
        Target::Own(_) => None,
    }
}
