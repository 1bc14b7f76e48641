//! Writes ids and counts, and sorts the sets.

use btf::view::BtfView;

use super::finding::Finding;
use super::names::Ids;
use super::section::IdSection;

/// Fills a section in link-time order (see [`super::order`]) with the ids of a BTF: returns the new bytes, of the same size, and the
/// warnings in the order of a kernel build's log.
///
/// What is not resolved stays 0 and so comes first in its set, as kernels expect.
pub fn patch(mut section: IdSection<'_>, btf: &BtfView<'_>) -> (Vec<u8>, Vec<Finding>) {
    let (ids, mut findings) = Ids::of(&section, btf);
    findings.extend(ids.unresolved());
    for entry in section.entries.clone() {
        let id = ids.get(entry.kind, entry.name);
        section.set_word(entry.offset, id.0);
    }
    for set in section.sets.clone() {
        section.set_word(set.offset, set.count as u32);
        let offsets = (0..set.count).map(|number| set.entry(number));
        let flags = |offset| if set.pairs { section.word(offset + 4) } else { 0 };
        let mut entries: Vec<(u32, u32)> = offsets.clone().map(|at| (section.word(at), flags(at))).collect();
        entries.sort_by_key(|(id, _)| *id);
        for (offset, (id, flags)) in offsets.zip(entries) {
            section.set_word(offset, id);
            if set.pairs {
                section.set_word(offset + 4, flags);
            }
        }
    }
    (section.bytes, findings)
}
