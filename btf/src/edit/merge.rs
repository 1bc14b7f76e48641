//! The second deduplication. Encoders leave types twice, or that the base has: pahole deduplicates before all is known, and the kernel's
//! build adds types.
//!
//! Two types are one if nothing that can be reached from them tells them apart. What that means for forward declarations was for the
//! encoder to decide: here one is a type like any other. The own types and those of the base that they may be ([`super::candidates`]) are one
//! graph, and its coarsest stable partition is the answer, cycles included.

use super::Edit;
use super::candidates::{Candidates, shape};
use crate::dedup::lists::Lists;
use crate::dedup::partition::{coarsest, number};
use crate::dedup::resolve::Target;
use crate::graph::{Head, Records, map_refs, refs};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::strings::StrId;

/// First word of what stands for a node that is equal to no other one. No record begins with it.
const ITSELF: u32 = u32::MAX;

impl Edit<'_> {
    /// Leaves one of each set of equal types: the base's with the smallest id, else the first. Functions, variables and their sections are
    /// told apart by where they stand: a kfunc must stay, even if the base has a function like it.
    pub(super) fn merge(&mut self) {
        let mut target = self.equal_types();
        self.merge_tags(&mut target);
        self.keep(&target);
    }

    /// Per own type what it is equal to, as a [`Target`] word. FUNC, VAR, DATASEC and DECL_TAG are equal to themselves.
    pub(crate) fn equal_types(&self) -> Vec<u32> {
        let own = self.records.len();
        let candidates = Candidates::of(self);
        // The nodes: own types, candidates, and all else that is referred to, which is what it is.
        let mut of_base: FixedMap<TypeId, u32> = FixedMap::default();
        of_base.extend(candidates.ids.iter().copied().zip(own as u32..));
        let mut nodes = (own + candidates.ids.len()) as u32;
        // What tells them apart before their references do, and these.
        let (mut shapes, mut below) = (Lists::new(), Lists::new());
        let mut blank = Vec::new();
        for (node, record) in (0..).zip(self.records.iter().chain(candidates.records.iter())) {
            if !Head::of(record).kind.merges() {
                shapes.push([ITSELF, node]);
                below.push([]);
                continue;
            }
            shape(record, &mut blank);
            shapes.push(blank.iter().copied());
            below.push(refs(record).map(|word| match Target::of(word) {
                Target::Own(number) => number,
                Target::Base(id) => *of_base.entry(id).or_insert_with(|| {
                    nodes += 1;
                    nodes - 1
                }),
            }));
        }
        for node in (own + candidates.ids.len()) as u32..nodes {
            shapes.push([ITSELF, node]);
            below.push([]);
        }
        let (colours, _) = number((0..nodes as usize).map(|node| shapes.get(node)));
        let part = coarsest(&colours, &below);

        let in_base = candidates.ids.iter().map(|&id| Target::Base(id));
        let in_base = part[own..].iter().zip(in_base);
        let mut stands: FixedMap<u32, Target> = FixedMap::default();
        for (&part, target) in in_base.chain(part[..own].iter().zip((0..).map(Target::Own))) {
            stands.entry(part).or_insert(target);
        }
        part[..own].iter().map(|part| stands[part].word()).collect()
    }

    /// DECL_TAGs with one text for one place of one type are one; nothing refers to them.
    fn merge_tags(&self, target: &mut [u32]) {
        let mut seen: FixedMap<Vec<u32>, u32> = FixedMap::default();
        let in_base = self.tags_of_base();
        for (own, record) in self.records.iter().enumerate().filter(|(_, record)| is_tag(record)) {
            let mut record = record.to_vec();
            map_refs(&mut record, |word| match Target::of(word) {
                Target::Own(number) => target[number as usize],
                Target::Base(_) => word,
            });
            target[own] = match in_base.get(&record) {
                Some(id) => Target::Base(*id).word(),
                None => *seen.entry(record).or_insert(target[own]),
            };
        }
    }

    /// The DECL_TAGs of the base with texts that own ones have.
    fn tags_of_base(&self) -> FixedMap<Vec<u32>, TypeId> {
        let mut found = FixedMap::default();
        let Some(base) = self.view.base().filter(|_| self.records.iter().any(is_tag)) else { return found };
        let mut texts: FixedMap<StrOff, Option<StrId>> = FixedMap::default();
        let mut record = Vec::new();
        for (id, t) in base.levels().into_iter().flat_map(|level| level.types_of(|kind| kind == Kind::DeclTag)) {
            let text = texts.entry(t.name_off());
            let text = *text.or_insert_with(|| base.string(t.name_off()).and_then(|text| self.strings.find(text)));
            if let Some(text) = text {
                t.read_record(&mut record);
                record[1] = text.0;
                found.entry(record.clone()).or_insert(id);
            }
        }
        found
    }

    /// Keeps the types that stand for themselves.
    fn keep(&mut self, target: &[u32]) {
        let mut number = vec![0; target.len()];
        let mut next = 0;
        for (own, &to) in target.iter().enumerate() {
            if to == Target::Own(own as u32).word() {
                number[own] = next;
                next += 1;
            }
        }
        let mut kept = Records::default();
        for (own, &to) in target.iter().enumerate() {
            if to != Target::Own(own as u32).word() {
                continue;
            }
            let last = kept.push_record(self.records.get(own));
            map_refs(kept.get_mut(last), |word| match Target::of(word) {
                Target::Own(next) => match Target::of(target[next as usize]) {
                    Target::Own(stays) => Target::Own(number[stays as usize]).word(),
                    base => base.word(),
                },
                base => base.word(),
            });
        }
        self.records = kept;
    }
}

fn is_tag(record: &[u32]) -> bool {
    Head::of(record).kind == Kind::DeclTag
}
