//! A BTF as a unit of the deduplication: its own types, and those of its base that they reach.

use crate::bits::{Bits, Ranked};
use crate::dedup::fold::{Fold, Local, Use};
use crate::dedup::resolve::Target;
use crate::dedup::tags::{DeclTag, DeclTags};
use crate::edit::read::Reader;
use crate::error::Result;
use crate::graph::{Head, Records, map_refs, refs};
use crate::ids::TypeId;
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::strings::{StrId, Strings};
use crate::view::BtfView;

/// A BTF as a unit.
pub(super) struct Unit {
    /// Types of the base first, then the own ones; references are 0 for void or the number + 1. A FUNC has its linkage as a fourth word.
    pub records: Records,
    /// Number of the first own type.
    first_own: u32,
    /// By number, what functions, variables and tags refer to.
    uses: FixedMap<u32, Use>,
    /// Tags on own functions and variables, with the number of what they are on; the target is yet to come.
    pub tags_on_own: Vec<(u32, DeclTag)>,
}

impl Unit {
    /// Takes a BTF apart.
    ///
    /// # Errors
    /// Names or types that are referred to but not there.
    pub fn read(view: &BtfView<'_>, strings: &mut Strings<'_>) -> Result<Unit> {
        let first_id = view.first_id().0;
        let (base_ids, numbers) = reached_of_base(view);
        let first_own = base_ids.len() as u32;
        let number = |id: u32| match id.checked_sub(first_id) {
            _ if id == 0 => None,
            Some(own) => Some(first_own + own),
            None => numbers.rank(id as usize).map(|rank| rank as u32),
        };
        let mut unit =
            Unit { records: Records::default(), first_own, uses: FixedMap::default(), tags_on_own: Vec::new() };
        let mut reader = Reader::of(view);
        let mut words = Vec::new();
        let of_base = base_ids.into_iter().filter_map(|id| Some((id, view.get(id)?)));
        for (id, t) in of_base.chain(view.types()) {
            reader.read(id, t, strings, &mut words)?;
            map_refs(&mut words, |id| number(id).map_or(0, |number| number + 1));
            unit.records.push_record(&words);
        }
        Ok(unit)
    }

    /// The own types with their numbers.
    pub fn own(&self) -> impl Iterator<Item = (u32, &[u32])> {
        (self.first_own..).zip(self.records.iter().skip(self.first_own as usize))
    }

    /// The own types of a kind.
    pub fn own_of(&self, kind: Kind) -> impl Iterator<Item = (u32, &[u32])> {
        self.own().filter(move |(_, record)| Head::of(record).kind == kind)
    }

    /// Keeps what is needed of the unit when others have been folded: `fold` has just folded it.
    pub fn note_uses(&mut self, fold: &Fold<'_>) {
        let mut uses = FixedMap::default();
        for (_, record) in self.own() {
            if matches!(Head::of(record).kind, Kind::Func | Kind::Var | Kind::DeclTag) {
                if let Some(local) = record[2].checked_sub(1) {
                    uses.entry(local).or_insert_with(|| fold.used(Local::Type(local)));
                }
            }
        }
        self.uses = uses;
    }

    /// What a function, a variable or a tag refers to.
    pub fn used(&self, record: &[u32]) -> Use {
        let void = Use { reference: crate::graph::Ref::Void, local: None };
        record[2].checked_sub(1).and_then(|local| self.uses.get(&local)).copied().unwrap_or(void)
    }

    /// Hands the tags on types over, and keeps those on own functions and variables.
    pub fn add_tags(&mut self, number: u32, tags: &mut DeclTags) {
        let mut on_own = Vec::new();
        for (_, record) in self.own_of(Kind::DeclTag) {
            let Some(on) = record[2].checked_sub(1) else { continue };
            let (component, name, kflag) = (record[3] as i32, StrId(record[1]), Head::of(record).kflag);
            if Head::of(self.records.get(on as usize)).kind.merges() {
                tags.add(number, self.used(record), component, name, kflag);
            } else {
                let target = Target::Base(TypeId::VOID);
                on_own.push((on, DeclTag { target, component, name, kflag }));
            }
        }
        self.tags_on_own = on_own;
    }
}

/// The types of the base that own types reach, ascending, and their ranks.
fn reached_of_base(view: &BtfView<'_>) -> (Vec<TypeId>, Ranked) {
    let first_id = view.first_id().0;
    let mut reached = Bits::new(first_id as usize);
    let (mut work, mut words) = (Vec::new(), Vec::new());
    let mut reach = |t: crate::view::TypeView<'_>, work: &mut Vec<u32>| {
        t.read_record(&mut words);
        for id in refs(&words).filter(|&id| id != 0 && id < first_id) {
            if !reached.contains(id as usize) {
                reached.insert(id as usize);
                work.push(id);
            }
        }
    };
    view.types().for_each(|(_, t)| reach(t, &mut work));
    while let Some(id) = work.pop() {
        if let Some(t) = view.get(TypeId(id)) {
            reach(t, &mut work);
        }
    }
    let ids = (1..first_id).filter(|&id| reached.contains(id as usize)).map(TypeId).collect();
    (ids, reached.ranked())
}
