//! A small BTF out of a large one: some types and what they are made of.

use super::random::references;
use super::{Doc, Record, info, kind, kind_of, vlen_of};
use crate::rng::Rng;

/// Entries of a data section that a slice keeps.
const ENTRIES: usize = 4;

/// A BTF that is to be sliced.
#[derive(Clone, Debug)]
pub struct Slice {
    doc: Doc,
}

impl Slice {
    /// Takes a BTF that stands alone apart; None if that cannot be done.
    pub fn of(blob: &[u8]) -> Option<Slice> {
        Doc::take_apart(blob, 1, 0, Rng::new(0)).map(|doc| Slice { doc })
    }
}

/// The slice of a seed: `roots` types of all kinds and what they are made of, in the order in which they were; pointers lead to void,
/// unless what they lead to is there.
pub fn slice(whole: &Slice, seed: u64, roots: usize) -> Vec<u8> {
    let (doc, mut rng) = (&whole.doc, Rng::new(seed));
    let mut by_kind: Vec<Vec<usize>> = vec![Vec::new(); 20];
    for (at, record) in doc.records.iter().enumerate() {
        by_kind[kind_of(record) as usize].push(at);
    }
    by_kind.retain(|all| !all.is_empty());
    let mut new_id = vec![0u32; doc.records.len()];
    let mut work: Vec<usize> = (0..roots).map(|n| *rng.pick(&by_kind[n % by_kind.len()])).collect();
    let cut = |at: usize| -> Record {
        let mut record = doc.records[at].clone();
        if kind_of(&record) == kind::DATASEC && vlen_of(&record) as usize > ENTRIES {
            record[1] = info(kind::DATASEC, ENTRIES as u32, false);
            record.truncate(3 + 3 * ENTRIES);
        }
        record
    };
    while let Some(at) = work.pop() {
        if std::mem::replace(&mut new_id[at], 1) == 0 {
            let record = cut(at);
            if kind_of(&record) != kind::PTR {
                let ids = references(&record).into_iter().map(|place| record[place]).filter(|&id| id != 0);
                work.extend(ids.map(|id| id as usize - 1));
            }
        }
    }
    let mut next = 0;
    for id in new_id.iter_mut().filter(|id| **id != 0) {
        next += 1;
        *id = next;
    }
    let mut out = doc.empty(rng);
    for (at, _) in new_id.iter().enumerate().filter(|(_, id)| **id != 0) {
        let mut record = cut(at);
        for place in references(&record) {
            record[place] = match record[place] {
                0 => 0,
                id => new_id[id as usize - 1],
            };
        }
        let mut places = vec![0];
        let step = match kind_of(&record) {
            kind::STRUCT | kind::UNION | kind::ENUM64 => 3,
            kind::ENUM | kind::FUNC_PROTO => 2,
            _ => usize::MAX,
        };
        if step != usize::MAX {
            places.extend((3..record.len()).step_by(step));
        }
        for place in places {
            let tail = doc.strings.get(record[place] as usize..).unwrap_or(&[]);
            record[place] = out.name(tail.split(|&byte| byte == 0).next().unwrap_or(&[]));
        }
        out.records.push(record);
    }
    out.bytes()
}
