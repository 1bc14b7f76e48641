//! Which own types the base has. Encoders leave some: pahole deduplicates before all is known, so the kernel's build does it again.
//!
//! A type is in the base if the base has a record like it whose references lead to the types that its own references have there. All
//! cycles of C pass through named structs and unions: those are taken to be in the base if there is one of their shape, what refers to them
//! follows bottom up, and where that turns out wrong for one, it is wrong for all that refer to it.

use super::Edit;
use crate::dedup::lists::Lists;
use crate::dedup::resolve::Target;
use crate::graph::{Head, Records, equals_mapped, map_names, map_refs, refs};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::name_offsets::NameOffsets;
use crate::strings::StrId;

/// The types of the base that have no other names than the file.
#[derive(Default)]
struct BaseTypes {
    records: Records,
    ids: Vec<TypeId>,
    by_record: FixedMap<Vec<u32>, TypeId>,
    /// Named structs and unions by head and name: numbers of `records`.
    by_name: FixedMap<(u32, u32), Vec<usize>>,
}

fn is_named_composite(record: &[u32]) -> bool {
    matches!(Head::of(record).kind, Kind::Struct | Kind::Union) && record[1] != StrId::EMPTY.0
}

impl Edit<'_> {
    /// Per own type the type of the base that it is, or void.
    pub(super) fn in_base(&self) -> Vec<TypeId> {
        let n = self.records.len();
        let base = self.base_types();
        let mut found = vec![TypeId::VOID; n];
        let mut assumed = vec![usize::MAX; n];
        for own in (0..n).filter(|&own| is_named_composite(self.records.get(own))) {
            let record = self.records.get(own);
            let candidates = base.by_name.get(&(record[0], record[1])).into_iter().flatten();
            // Of the same shape: equal, whatever the references are.
            let shape = |candidate: &&usize| {
                let mut other = base.records.get(**candidate).to_vec();
                map_refs(&mut other, |_| 0);
                equals_mapped(record, &other, |_| 0)
            };
            if let Some(&candidate) = candidates.clone().find(shape) {
                assumed[own] = candidate;
                found[own] = base.ids[candidate];
            }
        }
        self.follow(&base, &mut found);
        // What was taken for granted and is wrong, and all that refers to it.
        let mut wrong: Vec<u32> = Vec::new();
        for own in (0..n).filter(|&own| assumed[own] != usize::MAX) {
            let candidate = base.records.get(assumed[own]);
            if !equals_mapped(self.records.get(own), candidate, |word| self.base_word(word, &found)) {
                wrong.push(own as u32);
            }
        }
        let references = || {
            (0..n as u32).flat_map(|from| {
                let own = refs(self.records.get(from as usize)).filter_map(|word| match Target::of(word) {
                    Target::Own(to) => Some(to),
                    Target::Base(_) => None,
                });
                own.map(move |to| (to, from))
            })
        };
        let users = Lists::grouped(n, references);
        while let Some(own) = wrong.pop() {
            if std::mem::replace(&mut found[own as usize], TypeId::VOID) != TypeId::VOID {
                wrong.extend(users.get(own as usize));
            }
        }
        found
    }

    /// Finds the types other than named composites, each after what it refers to.
    fn follow(&self, base: &BaseTypes, found: &mut [TypeId]) {
        let mut seen = vec![false; found.len()];
        let mut done = vec![false; found.len()];
        let mut work: Vec<u32> = Vec::new();
        let mut record = Vec::new();
        for start in 0..found.len() as u32 {
            work.push(start);
            while let Some(&at) = work.last() {
                let own = at as usize;
                let is_leaf = is_named_composite(self.records.get(own));
                if !is_leaf && !std::mem::replace(&mut seen[own], true) {
                    let next = refs(self.records.get(own)).filter_map(|word| match Target::of(word) {
                        Target::Own(next) if !seen[next as usize] => Some(next),
                        _ => None,
                    });
                    let next: Vec<u32> = next.collect();
                    work.extend(next);
                    continue;
                }
                work.pop();
                if is_leaf || std::mem::replace(&mut done[own], true) {
                    continue;
                }
                record.clear();
                record.extend_from_slice(self.records.get(own));
                map_refs(&mut record, |word| self.base_word(word, found));
                if let Some(&id) = base.by_record.get(&record) {
                    found[own] = id;
                }
            }
        }
    }

    /// The word of a reference to where it leads in the base; one that no type of the base has if it leads to none.
    fn base_word(&self, word: u32, found: &[TypeId]) -> u32 {
        match Target::of(word) {
            Target::Base(id) => id.0,
            Target::Own(own) if found[own as usize] != TypeId::VOID => found[own as usize].0,
            Target::Own(_) => u32::MAX,
        }
    }

    fn base_types(&self) -> BaseTypes {
        let mut found = BaseTypes::default();
        let Some(base) = self.view.base() else { return found };
        let offsets = NameOffsets::of_names(base, &self.strings);
        let mut record = Vec::new();
        for (id, t) in base.levels().into_iter().flat_map(|level| level.types_of(Kind::merges)) {
            t.read_record(&mut record);
            if t.kind() == Kind::Array {
                record[2] = 0;
            }
            let mut known = true;
            map_names(&mut record, |offset| {
                let name = match offsets.get(StrOff(offset.0)) {
                    Some(name) => name,
                    None => base.string(StrOff(offset.0)).and_then(|name| self.strings.find(name)),
                };
                known &= name.is_some();
                name.unwrap_or(StrId::EMPTY)
            });
            if !known {
                continue;
            }
            if is_named_composite(&record) {
                let number = found.records.push_record(&record);
                found.ids.push(id);
                found.by_name.entry((record[0], record[1])).or_default().push(number);
            } else {
                found.by_record.entry(record.clone()).or_insert(id);
            }
        }
        found
    }
}
