//! The second deduplication. The encoder did the first; what can be equal now are types that it missed in the base ([`super::in_base`]),
//! those that were added, and those that refer to them. For these one pass, each type after what it refers to, is enough.

use super::Edit;
use crate::dedup::resolve::Target;
use crate::graph::{Head, Records, map_refs, refs};
use crate::ids::TypeId;
use crate::kind::Kind;
use crate::map::FixedMap;

/// Not looked at, being looked at.
const NEW: u32 = u32::MAX;
const OPEN: u32 = u32::MAX - 1;

impl Edit<'_> {
    /// Leaves one of each set of equal types: the base's, else the first.
    pub(super) fn merge(&mut self) {
        let in_base = self.in_base();
        let n = self.records.len();
        let mut target = vec![NEW; n];
        let mut seen: FixedMap<Vec<u32>, u32> = FixedMap::default();
        let mut work: Vec<u32> = Vec::new();
        let mut record = Vec::new();
        for start in 0..n as u32 {
            work.push(start);
            while let Some(&at) = work.last() {
                let own = at as usize;
                if target[own] == NEW {
                    target[own] = OPEN;
                    let waiting = refs(self.records.get(own)).filter_map(|word| match Target::of(word) {
                        Target::Own(next) if target[next as usize] == NEW => Some(next),
                        _ => None,
                    });
                    work.extend(waiting.collect::<Vec<_>>());
                    continue;
                }
                work.pop();
                if target[own] != OPEN {
                    continue;
                }
                record.clear();
                record.extend_from_slice(self.records.get(own));
                map_refs(&mut record, |word| match Target::of(word) {
                    // What is open is on a cycle with this one, and stands for itself.
                    Target::Own(next) if in_base[next as usize] != TypeId::VOID => in_base[next as usize].0,
                    Target::Own(next) if target[next as usize] != OPEN => target[next as usize],
                    _ => word,
                });
                let itself = Target::Own(at).word();
                target[own] = match Head::of(&record).kind {
                    // Told apart by where they stand. A kfunc must stay, even if the base has a function like it.
                    Kind::Func | Kind::Var | Kind::Datasec => itself,
                    _ if in_base[own] != TypeId::VOID => Target::Base(in_base[own]).word(),
                    _ => *seen.entry(record.clone()).or_insert(itself),
                };
            }
        }
        self.keep(&target);
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
