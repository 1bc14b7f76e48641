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
        let wanted = |kind| matches!(kind, Kind::Struct | Kind::Union | Kind::Typedef | Kind::Func);
        for (id, t) in btf.levels().into_iter().flat_map(|level| level.types_of(wanted)) {
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

/// The number of a name, whose bytes need not live as long as the map's.
fn number<'n>(numbers: &FixedMap<(IdKind, &'n [u8]), usize>, kind: IdKind, name: &'n [u8]) -> Option<usize> {
    numbers.get(&(kind, name)).copied()
}
