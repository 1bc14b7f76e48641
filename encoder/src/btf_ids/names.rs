//! From names to ids: the first type of the kind and name, the base's before the file's own.

use std::collections::BTreeMap;

use btf::ids::TypeId;
use btf::kind::Kind;
use btf::map::FixedMap;
use btf::view::BtfView;

use super::finding::Finding;
use super::section::{IdKind, IdSection, KINDS, text};

/// The id of each name that a section asks for; void for those that no type has.
#[derive(Debug, Default)]
pub struct Ids<'a> {
    /// Per kind and name its number in `found`.
    numbers: FixedMap<(IdKind, &'a [u8]), usize>,
    found: Vec<TypeId>,
}

impl<'a> Ids<'a> {
    /// Looks the names up in a BTF and, first, in its bases. A type of the base hides one of the file with its kind and name.
    ///
    /// Types of a kind are looked at until as many names were found as there are symbols of that kind, as the kernel's tool does: a second
    /// type with a name is noticed only while others are still missing (or if a name has several symbols). Warnings may fail a build,
    /// so there must not be more of them than there.
    pub fn of(section: &IdSection<'a>, btf: &BtfView<'_>) -> (Ids<'a>, Vec<Finding>) {
        let mut ids = Ids::default();
        let mut left = [0usize; KINDS];
        for entry in &section.entries {
            left[entry.kind as usize] += 1;
            let number = ids.numbers.len();
            ids.numbers.entry((entry.kind, entry.name)).or_insert(number);
        }
        ids.found = vec![TypeId::VOID; ids.numbers.len()];
        let mut findings = Vec::new();
        if ids.numbers.is_empty() {
            return (ids, findings);
        }
        let beginnings = Beginnings::of(ids.numbers.keys().map(|(_, name)| *name));
        let wanted = |kind| matches!(kind, Kind::Struct | Kind::Union | Kind::Typedef | Kind::Func);
        for (id, t) in btf.levels().into_iter().flat_map(|level| level.types_of(wanted)) {
            if !btf.string_tail(t.name_off()).is_some_and(|text| beginnings.may_have(text)) {
                continue;
            }
            let kind = match t.kind() {
                Kind::Struct => IdKind::Struct,
                Kind::Union => IdKind::Union,
                Kind::Typedef => IdKind::Typedef,
                _ => IdKind::Func,
            };
            let left = &mut left[kind as usize];
            if *left == 0 {
                continue;
            }
            let Some(name) = btf.string(t.name_off()) else { continue };
            let Some(first) = number(&ids.numbers, kind, name).map(|number| &mut ids.found[number]) else { continue };
            if *first == TypeId::VOID {
                *first = id;
                *left -= 1;
            } else {
                findings.push(Finding::Ambiguous { name: text(name), first: *first, other: id });
            }
        }
        (ids, findings)
    }

    /// The id of a name; void if there is none.
    pub fn get(&self, kind: IdKind, name: &[u8]) -> TypeId {
        number(&self.numbers, kind, name).map_or(TypeId::VOID, |number| self.found[number])
    }

    /// Warnings about the names without an id: by kind, then by descending name, as the log of a kernel build has them.
    pub fn unresolved(&self) -> Vec<Finding> {
        let missing = self.numbers.iter().filter(|(_, number)| self.found[**number] == TypeId::VOID);
        let mut by_kind: BTreeMap<IdKind, Vec<&[u8]>> = BTreeMap::new();
        missing.for_each(|(&(kind, name), _)| by_kind.entry(kind).or_default().push(name));
        let mut findings = Vec::new();
        for names in by_kind.values_mut() {
            names.sort_unstable_by(|a, b| b.cmp(a));
            findings.extend(names.iter().map(|name| Finding::Unresolved { name: text(name) }));
        }
        findings
    }
}

/// A filter: which first eight bytes the names have that are looked for. A kernel has 80,000 types and functions with names, of
/// which a section asks for a hundred; the others need not be read to their end and hashed.
struct Beginnings {
    /// A bit per hash value.
    words: Vec<u64>,
}

impl Beginnings {
    /// Bits of a hash value: the table stays in the nearest cache, and few of its bits are set.
    const BITS: u32 = 16;

    fn of<'n>(names: impl Iterator<Item = &'n [u8]>) -> Beginnings {
        let mut words = vec![0; (1 << Self::BITS) / 64];
        for hash in names.map(Self::hash) {
            words[hash / 64] |= 1 << (hash % 64);
        }
        Beginnings { words }
    }

    /// Whether the name at the beginning of `text`, up to its end or a NUL, may be one of them.
    fn may_have(&self, text: &[u8]) -> bool {
        let hash = Self::hash(text);
        self.words[hash / 64] >> (hash % 64) & 1 != 0
    }

    fn hash(text: &[u8]) -> usize {
        const LOW: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let word = u64::from_le_bytes(match text.first_chunk() {
            Some(eight) => *eight,
            None => {
                let mut eight = [0; 8];
                eight[..text.len()].copy_from_slice(text);
                eight
            }
        });
        // The lowest set bit marks the first byte that is zero: only what is below it counts.
        let zero = word.wrapping_sub(LOW) & !word & HIGH;
        let kept = if zero == 0 { word } else { word & ((zero & zero.wrapping_neg()) >> 7).wrapping_sub(1) };
        (kept.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - Self::BITS)) as usize
    }
}

/// The number of a name, whose bytes need not live as long as the map's.
fn number<'n>(numbers: &FixedMap<(IdKind, &'n [u8]), usize>, kind: IdKind, name: &'n [u8]) -> Option<usize> {
    numbers.get(&(kind, name)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_lost_by_its_beginning() {
        let names = [
            &b""[..],
            b"a",
            b"seven__",
            b"eight___",
            b"eight___and_more",
            b"bpf_xdp_ct_lookup",
            &[0x80; 9],
            &[0x01; 3],
        ];
        let all = Beginnings::of(names.into_iter());
        for name in names {
            assert!(all.may_have(name), "{name:?}");
            for rest in [&b"\0"[..], b"\0other", b"\0\x01\x01\x80\xff_____"] {
                assert!(all.may_have(&[name, rest].concat()), "{name:?}");
            }
        }
        let one = Beginnings::of([&b"seven__"[..]].into_iter());
        for other in [&b"seven_"[..], b"seven__x", b"seven_\0_", b"", b"even__"] {
            assert!(!one.may_have(other), "{other:?}");
        }
    }
}
