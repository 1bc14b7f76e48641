//! Cycles that pass through no tag.
//!
//! In C every cycle of types passes through a named struct or union, and references to those are cut down to their tag,
//! so units are acyclic graphs. Other languages (recursive typedefs in Go) and damaged input do have cycles of pointers,
//! typedefs and anonymous composites. They are interned as a group: the strongly connected component is minimised by
//! partition refinement, then written down from a canonical starting member. Equal groups give equal words.

use super::table::ClassTable;
use crate::graph::{ClassId, Ref, map_refs, refs};
use crate::map::FixedMap;

/// A reference word with this bit (and not the tag bit) means: the member of the group with the number in the low bits.
pub(super) const MEMBER_BIT: u32 = 1 << 30;

/// The word for a reference to a member of the group.
pub(super) fn member(index: usize) -> u32 {
    MEMBER_BIT | index as u32
}

fn as_member(word: u32) -> Option<usize> {
    (word >> 30 == 1).then_some((word & (MEMBER_BIT - 1)) as usize)
}

/// Interns the records of one strongly connected component, whose references among each other are [`member`] words and
/// whose other references are [`Ref`] words. Returns the class of each record.
pub(super) fn intern_group(table: &mut ClassTable<'_>, group: &[Vec<u32>]) -> Vec<ClassId> {
    let (colour, hash) = refine(group);
    // The member with the smallest hash starts; hashes of different colours are different, so this is one colour.
    let start = (0..group.len()).min_by_key(|&i| hash[i]).expect("a group has members");

    // Number the colours breadth first from there.
    let mut number: FixedMap<u32, usize> = FixedMap::default();
    let mut order = vec![start];
    number.insert(colour[start], 0);
    let mut next = 0;
    while let Some(&at) = order.get(next) {
        next += 1;
        for target in refs(&group[at]).filter_map(as_member) {
            number.entry(colour[target]).or_insert_with(|| {
                order.push(target);
                order.len() - 1
            });
        }
    }
    let canonical: Vec<Vec<u32>> = order
        .iter()
        .map(|&at| {
            let mut record = group[at].clone();
            map_refs(&mut record, |w| as_member(w).map_or(w, |t| member(number[&colour[t]])));
            record
        })
        .collect();
    let key: Box<[u32]> = canonical.iter().flat_map(|r| std::iter::once(r.len() as u32).chain(r.iter().copied())).collect();
    let first = table.find_cycle(&key).unwrap_or_else(|| {
        table.add_cycle(key, |first| {
            let class = |w| as_member(w).map_or(w, |t| Ref::Class(ClassId(first.0 + t as u32)).word());
            canonical
                .into_iter()
                .map(|mut record| {
                    map_refs(&mut record, class);
                    record
                })
                .collect()
        })
    });
    colour.iter().map(|c| ClassId(first.0 + number[c] as u32)).collect()
}

/// Colours the members: equal colours exactly where nothing reachable tells two members apart. Also a hash per member
/// that depends on the structure only, different for different colours.
fn refine(group: &[Vec<u32>]) -> (Vec<u32>, Vec<u128>) {
    let blank: Vec<Vec<u32>> = group
        .iter()
        .map(|record| {
            let mut record = record.clone();
            map_refs(&mut record, |w| if as_member(w).is_some() { MEMBER_BIT } else { w });
            record
        })
        .collect();
    let mut hash: Vec<u128> = blank.iter().map(|r| mix(r.iter().map(|&w| u128::from(w)))).collect();
    let (mut colour, mut count) = number(blank.into_iter());
    loop {
        hash = (0..group.len())
            .map(|i| mix(std::iter::once(hash[i]).chain(refs(&group[i]).filter_map(as_member).map(|t| hash[t]))))
            .collect();
        let below = |i: usize| refs(&group[i]).filter_map(as_member).map(|t| colour[t]).collect::<Vec<_>>();
        let (next, next_count) = number((0..group.len()).map(|i| (colour[i], below(i))));
        let done = next_count == count;
        (colour, count) = (next, next_count);
        if done {
            return (colour, hash);
        }
    }
}

/// Numbers values by first appearance.
fn number<T: Eq + std::hash::Hash>(values: impl Iterator<Item = T>) -> (Vec<u32>, usize) {
    let mut seen: FixedMap<T, u32> = FixedMap::default();
    let colours = values
        .map(|v| {
            let next = seen.len() as u32;
            *seen.entry(v).or_insert(next)
        })
        .collect();
    (colours, seen.len())
}

fn mix(values: impl Iterator<Item = u128>) -> u128 {
    values.fold(0x6a09_e667_f3bc_c908_b2fb_1366_ea95_7d3e, |h, v| {
        let h = (h ^ v).wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645);
        h ^ (h >> 67)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Head;
    use crate::kind::Kind;

    fn record(kind: Kind, name: u32, target: u32) -> Vec<u32> {
        vec![Head { kind, kflag: false }.word(), name, target]
    }

    #[test]
    fn two_copies_of_a_recursive_typedef_are_one() {
        let mut table = ClassTable::new();
        let one = [record(Kind::Typedef, 5, member(1)), record(Kind::Ptr, 0, member(0))];
        let classes = intern_group(&mut table, &one);
        // The same cycle, entered elsewhere and unrolled twice.
        let two = [
            record(Kind::Ptr, 0, member(1)),
            record(Kind::Typedef, 5, member(2)),
            record(Kind::Ptr, 0, member(3)),
            record(Kind::Typedef, 5, member(0)),
        ];
        let again = intern_group(&mut table, &two);
        assert_eq!(again, [classes[1], classes[0], classes[1], classes[0]]);
        assert_eq!(table.end(), 3);
        assert_eq!(table.get(classes[0])[2], classes[1].0);
    }

    #[test]
    fn another_name_is_another_group() {
        let mut table = ClassTable::new();
        let group = |name| [record(Kind::Typedef, name, member(1)), record(Kind::Ptr, 0, member(0))];
        assert_ne!(intern_group(&mut table, &group(5)), intern_group(&mut table, &group(6)));
        assert_eq!(table.groups().len(), 2);
    }

    #[test]
    fn a_pointer_to_itself() {
        let mut table = ClassTable::new();
        let class = intern_group(&mut table, &[record(Kind::Ptr, 0, member(0))]);
        let copies = [record(Kind::Ptr, 0, member(1)), record(Kind::Ptr, 0, member(0))];
        assert_eq!(intern_group(&mut table, &copies), [class[0], class[0]]);
    }
}
