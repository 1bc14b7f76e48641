//! Hazards of `.BTF_ids`: kfuncs that a kernel does not register, and ids that it does not translate.

use std::collections::BTreeSet;

use btf::kind::Kind;
use btf::verify::KernelVersion;
use btf::view::BtfView;

use super::{Hazard, Subject};
use crate::btf_ids::IdSection;
use crate::btf_ids::section::{Entry, IdKind, SECTION, Set, text};

/// Most kfuncs of a hook.
const MAX_KFUNCS: usize = 256;
/// The first kernel known to refuse a kfunc whose name is a function's of the kernel.
const UNIQUE_KFUNCS: KernelVersion = KernelVersion(7, 3);
/// The first kernel that wants sets of kfuncs marked.
const MARKED_SETS: KernelVersion = KernelVersion(6, 9);

/// Z7 to Z11.
pub(super) fn find(subject: &Subject<'_>, found: &mut Vec<Hazard>) {
    let Some(elf) = subject.elf else { return };
    let section = match IdSection::of(elf) {
        Ok(Some(section)) => section,
        Ok(None) => return,
        Err(e) => {
            found.push(Hazard::new("Z10", SECTION, format!("it cannot be read: {e}")));
            return;
        }
    };
    if subject.is_distilled() {
        untranslated(subject, &section, found);
    }
    let sets = || section.sets.iter().filter(|set| section.is_kfunc_set(set));
    let names = |set: &Set<'_>| (0..set.count).filter_map(|n| section.function(set, n)).collect::<Vec<_>>();
    let kfuncs: BTreeSet<&[u8]> = sets().flat_map(names).collect();
    if subject.kernel >= UNIQUE_KFUNCS {
        if let Some(base) = subject.base {
            for name in functions(base, &kfuncs) {
                let what = format!("kfunc `{}`", text(name));
                found.push(Hazard::new("Z8", what, "the kernel has a function of that name: registering it fails"));
            }
        }
    }
    for set in sets().filter(|set| set.count > MAX_KFUNCS) {
        let text = format!("it has {} kfuncs, of which kernels take {MAX_KFUNCS}", set.count);
        found.push(Hazard::new("Z9", format!("set `{}`", set.text()), text));
    }
    let described = functions(subject.view, &kfuncs);
    for name in kfuncs.difference(&described) {
        let what = format!("kfunc `{}`", text(name));
        found.push(Hazard::new("Z10", what, "the module's BTF has no function of that name: it cannot be called"));
    }
    if subject.kernel >= MARKED_SETS {
        let flagged = |set: &&Set<'_>| (0..set.count).any(|n| section.word(set.entry(n) + 4) != 0);
        for set in section.sets.iter().filter(|set| set.pairs && !section.is_kfunc_set(set)).filter(flagged) {
            let what = format!("set `{}`", set.text());
            found.push(Hazard::new("Z11", what, "it has flags of kfuncs and is not marked: registering it fails"));
        }
    }
}

/// Which of the names an own FUNC of this BTF has.
fn functions<'n>(view: &BtfView<'_>, names: &BTreeSet<&'n [u8]>) -> BTreeSet<&'n [u8]> {
    if names.is_empty() {
        return BTreeSet::new();
    }
    let of = |name: Option<&[u8]>| name.and_then(|name| names.get(name)).copied();
    view.types_of(|kind| kind == Kind::Func).filter_map(|(_, t)| of(view.string(t.name_off()))).collect()
}

/// Z7: what is no kfunc of a set, and no own type.
fn untranslated(subject: &Subject<'_>, section: &IdSection<'_>, found: &mut Vec<Hazard>) {
    let in_set = |entry: &Entry<'_>| {
        let mut sets = section.sets.iter().filter(|set| section.is_kfunc_set(set));
        sets.any(|set| entry.offset >= set.entry(0) && entry.offset < set.entry(set.count))
    };
    let wanted = |kind: IdKind| match kind {
        IdKind::Struct => Kind::Struct,
        IdKind::Union => Kind::Union,
        IdKind::Typedef => Kind::Typedef,
        IdKind::Func => Kind::Func,
    };
    let own: BTreeSet<(Kind, &[u8])> =
        subject.view.types().filter_map(|(_, t)| Some((t.kind(), subject.view.string(t.name_off())?))).collect();
    for entry in section.entries.iter().filter(|entry| !in_set(entry)) {
        let kind = wanted(entry.kind);
        if !own.contains(&(kind, entry.name)) {
            let text = format!(
                "its word at {:#x} is {}, which means nothing to a kernel",
                entry.offset,
                section.word(entry.offset)
            );
            found.push(Hazard::new("Z7", format!("id of {} `{}`", kind.name(), self::text(entry.name)), text));
        }
    }
}
