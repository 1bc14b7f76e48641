//! Cycles that pass through no tag.
//!
//! In C every cycle of types passes through a named struct or union, and references to those are cut down to their tag,
//! so units are acyclic graphs. Other languages (recursive typedefs in Go) and damaged input do have cycles of pointers,
//! typedefs and anonymous composites. They are interned as a group: a strongly connected component, made minimal by
//! partition refinement. Whether a group is there already is decided the same way, on both together.
//!
//! A member of a group refers to the group's classes as any record does. So a type that leads into a cycle and is equal to
//! a member of it (a cycle with a tail) finds the member's class in the table like any other type.

use super::lists::Lists;
use super::partition::{coarsest, number};
use super::table::{ClassTable, Group, mix};
use crate::graph::{ClassId, Ref, map_refs, refs};

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
    let (part, minimal) = minimise(group);
    let fingerprint = fingerprint(&minimal);
    // The members are equal to those of a group that is there by itself, or to some of a group that they refer to.
    let mut candidates = table.groups_like(fingerprint);
    candidates.retain(|known| known.size as usize == minimal.len());
    let mut referred: Vec<Group> = minimal
        .iter()
        .flat_map(|record| refs(record))
        .filter_map(|word| match Ref::of(word) {
            Ref::Class(class) if as_member(word).is_none() => table.group_of(class),
            _ => None,
        })
        .collect();
    referred.sort_unstable();
    referred.dedup();
    candidates.extend(referred);
    let known = candidates.iter().find_map(|&known| find_in(table, known, &minimal));
    let classes = known.unwrap_or_else(|| {
        let first = table.add_group(fingerprint, minimal.len() as u32, |first| {
            let class = |w| as_member(w).map_or(w, |t| Ref::Class(ClassId(first.0 + t as u32)).word());
            minimal
                .iter()
                .map(|record| {
                    let mut record = record.clone();
                    map_refs(&mut record, class);
                    record
                })
                .collect()
        });
        (0..minimal.len() as u32).map(|i| ClassId(first.0 + i)).collect()
    });
    part.iter().map(|&p| classes[p as usize]).collect()
}

/// The part of each member, and one record per part.
fn minimise(group: &[Vec<u32>]) -> (Vec<u32>, Vec<Vec<u32>>) {
    let part = parts_of(group);
    let mut minimal: Vec<Vec<u32>> = Vec::new();
    for (record, &p) in group.iter().zip(&part) {
        if p as usize == minimal.len() {
            let mut record = record.clone();
            map_refs(&mut record, |w| as_member(w).map_or(w, |t| member(part[t] as usize)));
            minimal.push(record);
        }
    }
    (part, minimal)
}

/// The classes of a minimal group's members among those of a group in the table, if they are there.
fn find_in(table: &ClassTable<'_>, known: Group, minimal: &[Vec<u32>]) -> Option<Vec<ClassId>> {
    let joined = |word: u32| match Ref::of(word) {
        Ref::Class(class) if as_member(word).is_none() => {
            known.position(class).map_or(word, |m| member(minimal.len() + m as usize))
        }
        _ => word,
    };
    let both = minimal.iter().cloned().chain(known.classes().map(|c| table.get(c).to_vec()));
    let both: Vec<Vec<u32>> = both
        .map(|mut record| {
            map_refs(&mut record, joined);
            record
        })
        .collect();
    let (part, known_part) = {
        let mut part = parts_of(&both);
        let known_part = part.split_off(minimal.len());
        (part, known_part)
    };
    let mut class_of = vec![None; both.len()];
    for (class, &p) in known.classes().zip(&known_part) {
        class_of[p as usize] = Some(class);
    }
    part.iter().map(|&p| class_of[p as usize]).collect()
}

/// Which records nothing tells apart.
fn parts_of(group: &[Vec<u32>]) -> Vec<u32> {
    let mut below = Lists::new();
    let blank = group.iter().map(|record| {
        below.push(refs(record).filter_map(as_member).map(|t| t as u32));
        let mut record = record.clone();
        map_refs(&mut record, |w| if as_member(w).is_some() { MEMBER_BIT } else { w });
        record
    });
    let (colour, _) = number(blank);
    coarsest(&colour, &below)
}

/// A number that equal minimal groups share: what the members look like some steps deep, in any order.
fn fingerprint(minimal: &[Vec<u32>]) -> u64 {
    const STEPS: usize = 4;
    let label = |record: &Vec<u32>| {
        let mut record = record.clone();
        map_refs(&mut record, |w| if as_member(w).is_some() { MEMBER_BIT } else { w });
        record.iter().fold(record.len() as u64, |h, &w| mix(h, u64::from(w)))
    };
    let mut hash: Vec<u64> = minimal.iter().map(label).collect();
    for _ in 0..STEPS {
        let deeper =
            |(i, record): (usize, &Vec<u32>)| refs(record).filter_map(as_member).fold(hash[i], |h, t| mix(h, hash[t]));
        hash = minimal.iter().enumerate().map(deeper).collect();
    }
    hash.iter().fold(minimal.len() as u64, |sum, &h| sum.wrapping_add(mix(h, 1)))
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
        assert_eq!(table.end(), 5);
    }

    #[test]
    fn a_pointer_to_itself() {
        let mut table = ClassTable::new();
        let class = intern_group(&mut table, &[record(Kind::Ptr, 0, member(0))]);
        let copies = [record(Kind::Ptr, 0, member(1)), record(Kind::Ptr, 0, member(0))];
        assert_eq!(intern_group(&mut table, &copies), [class[0], class[0]]);
    }

    #[test]
    fn a_cycle_that_refers_to_its_like() {
        // p = proto(result: *p, parameter: *p), then q = proto(result: *q, parameter: *p), which is the same.
        let mut table = ClassTable::new();
        let proto = |ret, param| vec![Head { kind: Kind::FuncProto, kflag: false }.word(), 0, ret, 7, param];
        let p = intern_group(&mut table, &[proto(member(1), member(1)), record(Kind::Ptr, 0, member(0))]);
        let q = [proto(member(1), p[1].0), record(Kind::Ptr, 0, member(0))];
        assert_eq!(intern_group(&mut table, &q), p);
    }

    #[test]
    fn a_tail_finds_the_member() {
        let mut table = ClassTable::new();
        let ring = intern_group(&mut table, &[record(Kind::Typedef, 5, member(1)), record(Kind::Ptr, 0, member(0))]);
        assert_eq!(table.intern(&record(Kind::Ptr, 0, ring[0].0)), ring[1]);
    }

    #[test]
    fn classes_in_order_keep_groups_together() {
        let mut base = ClassTable::new();
        base.intern(&record(Kind::Ptr, 0, 0));
        intern_group(&mut base, &[record(Kind::Typedef, 5, member(1)), record(Kind::Ptr, 0, member(0))]);
        let mut table = ClassTable::on(&base);
        intern_group(&mut table, &[record(Kind::Typedef, 6, member(1)), record(Kind::Ptr, 0, member(0))]);
        table.intern(&record(Kind::Const, 0, 0));
        let order: Vec<Vec<u32>> = table.in_order().map(|g| g.classes().map(|c| c.0).collect()).collect();
        assert_eq!(order, [vec![1], vec![2, 3], vec![4, 5], vec![6]]);
        assert_eq!(table.group_of(ClassId(3)).map(|g| g.size), Some(2));
        assert_eq!((table.group_of(ClassId(1)), table.group_of(ClassId(6))), (None, None));
    }
}
