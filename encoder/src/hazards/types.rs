//! Hazards of the types themselves.

use btf::distill;
use btf::ids::{StrOff, TypeId};
use btf::kind::Kind;
use btf::view::{BtfView, TypeView};

use super::{Hazard, SORTED, Severity, Subject};

/// Share of the ids and of the bytes of names that may be in use without a word: nine tenths.
const FULL: (u64, u64) = (9, 10);
/// What the name of a struct begins with that kernels wrap around a struct of operations.
const WRAPPER: &[u8] = b"bpf_struct_ops_";
/// Most members of a struct of operations.
const MAX_OPS: usize = 64;

/// A type as messages name it.
fn shown(view: &BtfView<'_>, id: TypeId, t: TypeView<'_>) -> String {
    match view.string(t.name_off()) {
        None | Some(b"") => format!("[{id}] {} (anon)", t.kind().name()),
        Some(name) => format!("[{id}] {} `{}`", t.kind().name(), String::from_utf8_lossy(name)),
    }
}

/// Z1. Modules may be out of order: they are then searched from end to end.
pub(super) fn order(subject: &Subject<'_>, found: &mut Vec<Hazard>) {
    let view = subject.view;
    if subject.kernel < SORTED || view.base().is_some() {
        return;
    }
    if let Some((id, count)) = out_of_order(view) {
        let t = view.get(id).map_or(String::new(), |t| shown(view, id, t));
        let text =
            format!("its name comes before that of the type before it, as with {count} of them: lookups by name fail");
        found.push(Hazard::new("Z1", t, text));
    }
}

/// The first type that is out of order, and how many there are.
pub fn out_of_order(view: &BtfView<'_>) -> Option<(TypeId, usize)> {
    let mut last: &[u8] = b"";
    let (mut first, mut count) = (None, 0);
    for (id, t) in view.types() {
        let name = view.string(t.name_off()).unwrap_or(b"");
        if name < last {
            first = first.or(Some(id));
            count += 1;
        }
        last = name;
    }
    first.map(|first| (first, count))
}

/// Z2.
pub(super) fn room(subject: &Subject<'_>, found: &mut Vec<Hazard>) {
    let (ids, names) = (u64::from(subject.view.end_id().0) - 1, u64::from(subject.view.str_end().0));
    for (used, all, what) in
        [(ids, u64::from(TypeId::MAX.0), "types"), (names, u64::from(StrOff::MAX.0) + 1, "bytes of names")]
    {
        if used * FULL.1 > all * FULL.0 {
            found.push(Hazard::new("Z2", "BTF", format!("{used} of {all} {what} are in use")));
        }
    }
}

/// Z3. A kernel finds both structs by their names: the wrapper, and what is its member `data`.
pub(super) fn struct_ops(subject: &Subject<'_>, found: &mut Vec<Hazard>) {
    let view = subject.view;
    for (id, t) in view.types_of(|kind| kind == Kind::Struct) {
        let ops = view.string(t.name_off()).and_then(|name| name.strip_prefix(WRAPPER));
        let Some(ops) = ops.filter(|ops| !ops.is_empty()) else { continue };
        let data = t.members().find(|m| view.string(m.name_off) == Some(b"data"));
        let wrapped = data.and_then(|data| Some((data.type_id, view.get(data.type_id)?)));
        let Some((_, wrapped)) = wrapped.filter(|(_, t)| matches!(t.kind(), Kind::Struct | Kind::Fwd)) else {
            continue;
        };
        let name = String::from_utf8_lossy(ops);
        let members = wrapped.members().len();
        let text = if view.string(wrapped.name_off()) != Some(ops) {
            format!("its member `data` is not of struct `{name}`: registering it fails")
        } else if wrapped.kind() == Kind::Fwd {
            format!("struct `{name}` is only declared: registering it fails")
        } else if members > MAX_OPS {
            format!("struct `{name}` has {members} members, of which kernels take {MAX_OPS}")
        } else if wrapped.members().any(|m| m.name_off == StrOff::EMPTY || m.bit_size(wrapped.kflag()) != 0) {
            format!("struct `{name}` has a bit-field or a member without a name: registering it fails")
        } else {
            continue;
        };
        found.push(Hazard::new("Z3", shown(view, id, t), text));
    }
}

/// Z4 and Z5: what becomes of a distilled base.
pub(super) fn relocation(subject: &Subject<'_>, found: &mut Vec<Hazard>) {
    let (view, Some(own)) = (subject.view, subject.view.base()) else { return };
    let wrong = |subject: String, text: String| Hazard {
        severity: Severity::Violation,
        ..Hazard::new("Z4", subject, format!("{text}: the kernel refuses the module (EINVAL)"))
    };
    let Some(base) = subject.base else {
        // Without one only the distilled base itself can be looked at.
        for (id, t) in own.types() {
            let belongs =
                matches!(t.kind(), Kind::Int | Kind::Float | Kind::Enum | Kind::Struct | Kind::Union | Kind::Fwd);
            let named = own.string(t.name_off()).is_some_and(|name| !name.is_empty());
            if !belongs || !named {
                found.push(wrong(shown(own, id, t), "it cannot be in a distilled base".into()));
            }
        }
        return;
    };
    match distill::relocate(view, base).and_then(|_| distill::targets(view, base)) {
        Ok(targets) => {
            let pairs = targets.into_iter().filter_map(|(id, there)| Some((id, own.get(id)?, there, base.get(there)?)));
            for (id, t, there_id, there) in pairs {
                let same = match t.kind() {
                    Kind::Enum => matches!(there.kind(), Kind::Enum | Kind::Enum64),
                    Kind::Fwd => there.kind() == Kind::Fwd || (there.kind() == Kind::Union) == t.kflag(),
                    kind => there.kind() == kind,
                };
                if !same {
                    let text = format!("the kernel takes {} for it", shown(base, there_id, there));
                    found.push(Hazard::new("Z5", shown(own, id, t), text));
                }
            }
        }
        Err(e) => {
            let place = match e.place() {
                btf::error::Place::Type(id) => view.get(id).map(|t| shown(view, id, t)),
                _ => None,
            };
            found.push(wrong(place.unwrap_or_else(|| "distilled base".into()), e.text().to_owned()));
        }
    }
}

/// Z6: references of a split BTF that keep it from being distilled.
pub(super) fn references(subject: &Subject<'_>, found: &mut Vec<Hazard>) {
    let view = subject.view;
    let Some(base) = view.base() else { return };
    let mut words = Vec::new();
    for (id, t) in view.types() {
        t.read_record(&mut words);
        let ids: Vec<TypeId> = btf::graph::refs(&words).map(TypeId).collect();
        for target in ids.into_iter().filter(|target| *target < view.first_id()) {
            let Some(there) = base.get(target) else { continue };
            if matches!(there.kind(), Kind::Func | Kind::Var | Kind::Datasec | Kind::DeclTag) {
                let text = format!("it refers to {} of the base", shown(base, target, there));
                found.push(Hazard::new("Z6", shown(view, id, t), text));
            }
        }
    }
}
