//! Tier R: what references lead to. The kernel does this for user BTF only.
//!
//! Three steps. [`Sizes`] says for each id, of the base too, where its modifiers end and how large that is.
//! [`check_loops`] follows the order in which the kernel resolves types, because its limits, a stack of 32 and no type
//! twice on it, depend on that order. [`check_kinds`] then looks at each own type with all sizes known, in any order.
//! A loop or too deep a stack makes the third step pointless, so it is left out then.
//!
//! Compared with `bpf(BPF_BTF_LOAD)` of 6.18 on 230,000 random and damaged BTFs: the verdicts agree, with one exception
//! that is meant. A pointer or modifier to a FUNC breaks R4 here; the kernel takes it if it has resolved the FUNC by
//! then, which depends on the order of the types.

use super::{Check, Level};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::view::{BtfView, IntData, MemberView, TypeView};

/// Most types on the stack while one is resolved (R1).
const MAX_DEPTH: usize = 32;
/// Bits that a member of type INT may span, counted from the byte where it starts (R17).
const MAX_COPY_BITS: u32 = 128;
/// Bits of an enum bit-field at most, and of an enum in a struct with bit-fields always: those of a C `int`.
const ENUM_BITS: u32 = 32;

/// Checks every own type.
pub(super) fn check_references(check: &mut Check<'_, '_>) {
    if check.options.level < Level::User {
        return;
    }
    let sizes = Sizes::new(check.view, check.options.pointer_bytes);
    check_loops(check, &sizes);
    if check.findings.is_empty() {
        check_kinds(check, &sizes);
    }
}

/// What a type comes to when modifiers are skipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Size {
    /// A size in bytes; a larger one than fits counts as the largest.
    Bytes(u32),
    /// It ends in something without a size: void, FWD, FUNC, FUNC_PROTO, DECL_TAG.
    Unsized,
    /// It ends at an id that does not exist, or nowhere. Whatever breaks the chain is reported there, not here.
    Unknown,
}

/// Per id where its modifiers (and a VAR's type) end, and how large that is.
struct Sizes {
    of: Vec<Option<(TypeId, Size)>>,
}

impl Sizes {
    const LOST: (TypeId, Size) = (TypeId::VOID, Size::Unknown);

    fn new(view: &BtfView<'_>, pointer_bytes: u32) -> Sizes {
        let end = view.end_id().index();
        let mut of = vec![None; end];
        if let Some(void) = of.first_mut() {
            *void = Some((TypeId::VOID, Size::Unsized));
        }
        let mut chain: Vec<(TypeId, TypeView<'_>)> = Vec::new();
        for start in 0..end as u32 {
            // Down the chain until something is known; ids on the chain are marked as lost, which is also the answer if
            // the chain comes back to them.
            let mut id = TypeId(start);
            let mut below = loop {
                match of.get_mut(id.index()) {
                    None => break Sizes::LOST,
                    Some(&mut Some(known)) => break known,
                    Some(unknown) => *unknown = Some(Sizes::LOST),
                }
                let Some(ty) = view.get(id) else { break Sizes::LOST };
                chain.push((id, ty));
                match by_value(ty) {
                    Some(next) => id = next,
                    None => break Sizes::LOST,
                }
            };
            // And up again.
            while let Some((id, ty)) = chain.pop() {
                below = match (ty.kind(), ty.byte_size(), ty.array()) {
                    (_, Some(bytes), _) => (id, Size::Bytes(bytes)),
                    (_, _, Some(array)) => (id, repeat(below.1, array.nelems)),
                    (Kind::Ptr, _, _) => (id, Size::Bytes(pointer_bytes)),
                    _ if by_value(ty).is_some() => below,
                    _ => (id, Size::Unsized),
                };
                of[id.index()] = Some(below);
            }
        }
        Sizes { of }
    }

    /// Where the modifiers of `id` end, and the size.
    fn get(&self, id: TypeId) -> (TypeId, Size) {
        self.of.get(id.index()).copied().flatten().unwrap_or(Sizes::LOST)
    }
}

fn repeat(elem: Size, nelems: u32) -> Size {
    match elem {
        Size::Bytes(bytes) => Size::Bytes(bytes.saturating_mul(nelems)),
        Size::Unsized => Size::Unsized,
        Size::Unknown => Size::Unknown,
    }
}

/// The type whose size decides the size of this one.
fn by_value(ty: TypeView<'_>) -> Option<TypeId> {
    match ty.kind() {
        Kind::Array => ty.array().map(|a| a.elem),
        Kind::Var => ty.type_id(),
        kind if kind.is_modifier() => ty.type_id(),
        _ => None,
    }
}

/// Whether this kind only refers to others: nothing is made of it, so that only DATASEC and DECL_TAG may name it.
fn is_source_only(kind: Kind) -> bool {
    matches!(kind, Kind::Var | Kind::Datasec | Kind::DeclTag)
}

/// What the kernel follows while it resolves one type; set by the first pointer or container on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Nothing has decided yet: all that has something to resolve.
    Undecided,
    /// Below a pointer: pointers and modifiers.
    Pointer,
    /// Below a struct, union or array: these and modifiers, but no pointers, which end the recursion of C types.
    Container,
}

impl Mode {
    fn follows(self, kind: Kind) -> bool {
        let container = matches!(kind, Kind::Struct | Kind::Union | Kind::Array);
        match self {
            Mode::Undecided => {
                let rest = matches!(kind, Kind::Ptr | Kind::Func | Kind::Var | Kind::Datasec | Kind::DeclTag);
                kind.is_modifier() || container || rest
            }
            Mode::Pointer => kind.is_modifier() || kind == Kind::Ptr,
            Mode::Container => kind.is_modifier() || container,
        }
    }

    fn below(self, kind: Kind) -> Mode {
        match (self, kind) {
            (Mode::Undecided, Kind::Ptr) => Mode::Pointer,
            (Mode::Undecided, Kind::Struct | Kind::Union | Kind::Array) => Mode::Container,
            _ => self,
        }
    }
}

/// How far the kernel is with a type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    OnStack,
    Resolved,
}

/// R1 and R2. The types of a base count as resolved.
fn check_loops(check: &mut Check<'_, '_>, sizes: &Sizes) {
    let view = check.view;
    let mut visits = vec![Visit::New; view.type_count()];
    for (id, ty) in view.types() {
        if check.is_full() {
            return;
        }
        resolve(check, sizes, &mut visits, id);
        if ty.kind() == Kind::FuncProto {
            for part in ty.type_id().into_iter().chain(ty.params().map(|p| p.type_id)) {
                resolve(check, sizes, &mut visits, part);
            }
        }
    }
}

/// Resolves one type and all it needs as the kernel does.
fn resolve(check: &mut Check<'_, '_>, sizes: &Sizes, visits: &mut [Visit], root: TypeId) {
    let view = check.view;
    let slot = |id: TypeId| id.index().checked_sub(view.first_id().index());
    let mark_resolved = |id, visits: &mut [Visit]| {
        if let Some(visit) = slot(id).and_then(|slot| visits.get_mut(slot)) {
            *visit = Visit::Resolved;
        }
    };
    let mut mode = Mode::Undecided;
    let mut stack: Vec<(TypeId, TypeView<'_>, usize)> = Vec::new();
    let mut next = Some(root);
    loop {
        // Enter the type if there is something to resolve in it.
        if let Some((id, slot)) = next.and_then(|id| Some((id, slot(id)?))) {
            let ty = view.get(id).filter(|ty| mode.follows(ty.kind()));
            if let Some((ty, visit)) = ty.zip(visits.get(slot).copied()).filter(|&(_, v)| v != Visit::Resolved) {
                let wrong = if stack.len() == MAX_DEPTH {
                    Some(("R1", "Exceeded max resolving depth:32"))
                } else if visit == Visit::OnStack {
                    Some(("R2", "Loop detected"))
                } else {
                    None
                };
                if let Some((rule, text)) = wrong {
                    check.bad(rule, root, text);
                    // One finding for all that was under way, or a long chain would be walked once per link.
                    for (id, ..) in stack {
                        mark_resolved(id, visits);
                    }
                    return;
                }
                visits[slot] = Visit::OnStack;
                mode = mode.below(ty.kind());
                stack.push((id, ty, 0));
            }
        }
        // Go on with the topmost type.
        let Some(top) = stack.last_mut() else { return };
        next = nth_needed(view, sizes, top.1, top.2);
        top.2 += 1;
        if next.is_none() {
            mark_resolved(top.0, visits);
            stack.pop();
        }
    }
}

/// The `n`th type that must be resolved before this one.
fn nth_needed(view: &BtfView<'_>, sizes: &Sizes, ty: TypeView<'_>, n: usize) -> Option<TypeId> {
    match (ty.kind(), n) {
        (Kind::Struct | Kind::Union, n) => ty.member(n).map(|m| m.type_id),
        (Kind::Datasec, n) => ty.var(n).map(|v| v.type_id),
        (Kind::Array, 0) => ty.array().map(|a| a.index),
        (Kind::Array, 1) => ty.array().map(|a| a.elem),
        (Kind::Func | Kind::FuncProto, _) => None,
        (_, 0) => ty.type_id(),
        // A pointer behind the modifiers.
        (Kind::Ptr | Kind::Var, 1) => {
            let next = ty.type_id().filter(|&id| view.get(id).is_some_and(|t| t.kind().is_modifier()))?;
            let (end, _) = sizes.get(next);
            view.get(end).filter(|t| t.kind() == Kind::Ptr).map(|_| end)
        }
        _ => None,
    }
}

/// R3 to R28.
fn check_kinds(check: &mut Check<'_, '_>, sizes: &Sizes) {
    for (id, ty) in check.view.types() {
        if check.is_full() {
            return;
        }
        let target = ty.type_id().unwrap_or_default();
        match ty.kind() {
            Kind::Ptr | Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => {
                check_target(check, sizes, id, target);
            }
            Kind::Var => {
                if sized(check.view, sizes, target).is_err() {
                    check.bad("R5", id, "Invalid type_id");
                }
            }
            Kind::Array => check_array(check, sizes, id, ty),
            Kind::Struct | Kind::Union => {
                for (n, member) in ty.members().enumerate() {
                    if let Err((rule, text)) = check_member(check, sizes, ty, member) {
                        check.bad_element(rule, id, n, text);
                    }
                }
            }
            Kind::Func => check_func(check, id, target),
            Kind::FuncProto => check_proto(check, sizes, id, ty),
            Kind::Datasec => check_datasec(check, sizes, id, ty),
            Kind::DeclTag => check_decl_tag(check, id, ty, target),
            Kind::Int | Kind::Enum | Kind::Enum64 | Kind::Float | Kind::Fwd => {}
        }
    }
}

/// The size of a type that something is made of, and the type its modifiers end in. None inside if that is unknown for
/// a reason that is reported elsewhere; an error if there is no such type, or none that has a size.
fn sized<'a>(view: &BtfView<'a>, sizes: &Sizes, id: TypeId) -> Result<Option<(TypeView<'a>, u32)>, ()> {
    let ty = view.get(id).ok_or(())?;
    match sizes.get(id) {
        _ if is_source_only(ty.kind()) => Err(()),
        (_, Size::Unsized) => Err(()),
        (_, Size::Unknown) => Ok(None),
        (end, Size::Bytes(bytes)) => Ok(view.get(end).map(|ty| (ty, bytes))),
    }
}

/// Whether it is an INT that fills a power of two of bytes.
fn is_regular_int(ty: TypeView<'_>) -> bool {
    ty.int_data().is_some_and(|int| int.bit_offset() == 0 && matches!(int.nr_bits(), 8 | 16 | 32 | 64 | 128))
}

fn check_target(check: &mut Check<'_, '_>, sizes: &Sizes, id: TypeId, target: TypeId) {
    let view = check.view;
    let direct = view.get(target);
    if direct.is_some_and(|t| is_source_only(t.kind())) || direct.is_none() && target != TypeId::VOID {
        check.bad("R3", id, "Invalid type_id");
        return;
    }
    if let (end, Size::Unsized) = sizes.get(target) {
        if !matches!(view.get(end).map(TypeView::kind), None | Some(Kind::Fwd | Kind::FuncProto)) {
            check.bad("R4", id, "Invalid type_id");
        }
    }
}

fn check_array(check: &mut Check<'_, '_>, sizes: &Sizes, id: TypeId, ty: TypeView<'_>) {
    let array = ty.array().unwrap_or_default();
    match sized(check.view, sizes, array.index) {
        Ok(None) => {}
        Ok(Some((index, _))) if is_regular_int(index) => {}
        Ok(Some(_)) | Err(()) => check.bad("R6", id, "Invalid index"),
    }
    match sized(check.view, sizes, array.elem) {
        Ok(None) => {}
        Err(()) => check.bad("R7", id, "Invalid elem"),
        Ok(Some((elem, _))) if elem.kind() == Kind::Int && !is_regular_int(elem) => {
            check.bad("R8", id, "Invalid array of int");
        }
        Ok(Some((_, bytes))) if bytes.checked_mul(array.nelems).is_none() => {
            check.bad("R9", id, "Array size overflows U32_MAX");
        }
        Ok(Some(_)) => {}
    }
}

/// A rule and its text, as an error.
type Checked = Result<(), (&'static str, &'static str)>;

/// R10 to R19; `whole` is the struct or union.
fn check_member(check: &Check<'_, '_>, sizes: &Sizes, whole: TypeView<'_>, member: MemberView) -> Checked {
    let Ok(found) = sized(check.view, sizes, member.type_id) else { return Err(("R10", "Invalid member")) };
    let Some((ty, bytes)) = found else { return Ok(()) };
    let kflag = whole.kflag();
    let (offset, field_bits) = (member.bit_offset(kflag), member.bit_size(kflag));
    match ty.kind() {
        Kind::Int => {
            let bits = int_member_bits(ty.int_data().unwrap_or_default(), is_regular_int(ty), kflag, member)?;
            let offset = if kflag { offset } else { offset + ty.int_data().unwrap_or_default().bit_offset() };
            if bits + offset % 8 > MAX_COPY_BITS {
                return Err(("R17", "nr_copy_bits exceeds 128"));
            }
            must_fit(whole, offset, bits)
        }
        Kind::Enum | Kind::Enum64 if kflag => {
            if field_bits == 0 && offset % 8 != 0 {
                return Err(("R11", "Member is not byte aligned"));
            }
            if field_bits > ENUM_BITS {
                return Err(("R15", "Invalid member bitfield_size"));
            }
            must_fit(whole, offset, if field_bits == 0 { ENUM_BITS } else { field_bits })
        }
        Kind::Float => {
            if field_bits != 0 {
                return Err(("R13", "Invalid member bitfield_size"));
            }
            let align_bits = u64::from(check.options.pointer_bytes.min(bytes)) * 8;
            if u64::from(offset).checked_rem(align_bits).unwrap_or(0) != 0 {
                return Err(("R19", "Member is not properly aligned"));
            }
            must_fit(whole, offset, bytes.saturating_mul(8))
        }
        Kind::Ptr | Kind::Struct | Kind::Union | Kind::Array | Kind::Enum | Kind::Enum64 => {
            if field_bits != 0 {
                return Err(("R13", "Invalid member bitfield_size"));
            }
            if offset % 8 != 0 {
                return Err(("R11", "Member is not byte aligned"));
            }
            if u64::from(offset / 8) + u64::from(bytes) > u64::from(whole.size_or_type()) {
                return Err(("R12", "Member exceeds struct_size"));
            }
            Ok(())
        }
        // These have no size, or are refused as members by `sized`.
        Kind::Fwd
        | Kind::Typedef
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::Func
        | Kind::FuncProto
        | Kind::Var
        | Kind::Datasec
        | Kind::DeclTag
        | Kind::TypeTag => Err(("R10", "Invalid member")),
    }
}

/// How many bits a member of type INT takes; R14 to R16 and R18.
fn int_member_bits(
    int: IntData,
    regular: bool,
    kflag: bool,
    member: MemberView,
) -> Result<u32, (&'static str, &'static str)> {
    let (offset, field_bits) = (member.bit_offset(kflag), member.bit_size(kflag));
    if !kflag {
        let end = offset.checked_add(int.bit_offset());
        return end.map(|_| int.nr_bits()).ok_or(("R18", "bits_offset exceeds U32_MAX"));
    }
    if !regular {
        return Err(("R14", "Invalid member base type"));
    }
    if field_bits == 0 && offset % 8 != 0 {
        return Err(("R16", "Invalid member offset"));
    }
    if field_bits > int.nr_bits() {
        return Err(("R15", "Invalid member bitfield_size"));
    }
    Ok(if field_bits == 0 { int.nr_bits() } else { field_bits })
}

/// R12: the member's bits end inside the struct.
fn must_fit(whole: TypeView<'_>, bit_offset: u32, bits: u32) -> Checked {
    let end = (u64::from(bit_offset) + u64::from(bits)).div_ceil(8);
    if end > u64::from(whole.size_or_type()) {
        return Err(("R12", "Member exceeds struct_size"));
    }
    Ok(())
}

fn check_func(check: &mut Check<'_, '_>, id: TypeId, target: TypeId) {
    let Some(proto) = check.view.get(target).filter(|t| t.kind() == Kind::FuncProto) else {
        check.bad("R20", id, "Invalid type_id");
        return;
    };
    for (n, param) in proto.params().enumerate() {
        if param.name_off == StrOff::EMPTY && param.type_id != TypeId::VOID {
            check.bad_element("R21", id, n, format!("Invalid arg#{}", n + 1));
        }
    }
}

fn check_proto(check: &mut Check<'_, '_>, sizes: &Sizes, id: TypeId, ty: TypeView<'_>) {
    let ret = TypeId(ty.size_or_type());
    if ret != TypeId::VOID && sized(check.view, sizes, ret).is_err() {
        check.bad("R22", id, "Invalid return type");
    }
    let last = ty.params().len().wrapping_sub(1);
    for (n, param) in ty.params().enumerate() {
        let text = || format!("Invalid arg#{}", n + 1);
        if n == last && param.type_id == TypeId::VOID {
            if param.name_off != StrOff::EMPTY {
                check.bad_element("R23", id, n, text());
            }
        } else if sized(check.view, sizes, param.type_id).is_err()
            || param.name_off != StrOff::EMPTY && !check.is_identifier(param.name_off)
        {
            check.bad_element("R24", id, n, text());
        }
    }
}

fn check_datasec(check: &mut Check<'_, '_>, sizes: &Sizes, id: TypeId, ty: TypeView<'_>) {
    for (n, entry) in ty.vars().enumerate() {
        let Some(var) = check.view.get(entry.type_id).filter(|t| t.kind() == Kind::Var) else {
            check.bad_element("R25", id, n, "Not a VAR kind member");
            continue;
        };
        match sized(check.view, sizes, TypeId(var.size_or_type())) {
            Ok(None) => {}
            Err(()) => check.bad_element("R26", id, n, "Invalid type"),
            Ok(Some((_, bytes))) if entry.byte_size < bytes => check.bad_element("R26", id, n, "Invalid size"),
            Ok(Some(_)) => {}
        }
    }
}

fn check_decl_tag(check: &mut Check<'_, '_>, id: TypeId, ty: TypeView<'_>, target: TypeId) {
    let view = check.view;
    let target = view.get(target);
    let count = match target.map(|t| (t, t.kind())) {
        Some((t, Kind::Struct | Kind::Union)) => t.vlen(),
        Some((_, Kind::Var | Kind::Typedef)) => 0,
        Some((t, Kind::Func)) => {
            let proto = view.get(TypeId(t.size_or_type())).filter(|p| p.kind() == Kind::FuncProto);
            proto.map_or(0, TypeView::vlen)
        }
        _ => {
            check.bad("R27", id, "Invalid type_id");
            return;
        }
    };
    // -1 is the whole; M113 has refused what is less.
    let component = ty.component_index().unwrap_or(-1);
    if u32::try_from(component).is_ok_and(|n| n >= count) {
        check.bad("R28", id, "Invalid component_idx");
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, rules_by};
    use super::super::{Level, Options};
    use crate::kind::Kind;
    use crate::testing::Blob;
    use crate::view::IntData;

    type Case = (&'static str, Option<u32>, fn(&mut Blob));

    /// Expects that each of these breaks exactly its rule, about the element if one is given.
    fn expect(cases: &[Case]) {
        for &(rule, element, build) in cases {
            assert_eq!(broken(build), [(rule, element)] as [_; 1], "{rule}");
        }
    }

    fn bits(b: &mut Blob, size: u32, members: &[(&str, u32, u32)]) {
        b.composite(Kind::Struct, "s", true, size, members);
    }

    /// A chain of `n` PTRs, each to the next.
    fn pointers(b: &mut Blob, n: u32) {
        (0..n).for_each(|k| _ = b.ptr(if k + 1 < n { k + 3 } else { 0 }));
    }

    #[test]
    fn depth_and_loops() {
        assert_eq!(broken(|b| pointers(b, 32)), []);
        expect(&[
            ("R1", None, |b| pointers(b, 33)),
            ("R2", None, |b| _ = b.ptr(2)),
            ("R2", None, |b| {
                b.ptr(3);
                b.konst(4);
                b.typedef("t", 2);
            }),
            ("R2", None, |b| _ = b.structure("s", 4, &[("a", 2, 0)])),
            ("R2", None, |b| {
                b.structure("s", 4, &[("a", 1, 0), ("b", 3, 32)]);
                b.array(2, 1, 1);
            }),
            ("R2", None, |b| {
                b.konst(3);
                b.konst(2);
            }),
        ]);
        // Through a pointer a struct may contain itself.
        assert_eq!(
            broken(|b| {
                let p = b.ptr(3);
                b.structure("s", 8, &[("next", p, 0)]);
            }),
            []
        );
        // Resolving in the other direction needs no depth.
        assert_eq!(broken(|b| (1..100).for_each(|id| _ = b.ptr(id))), []);
        // Kernel BTF is not resolved.
        let mut b = Blob::new();
        b.ptr(1);
        assert_eq!(rules_by(&Options { level: Level::Kernel, ..Options::default() }, &b.bytes()), []);
    }

    #[test]
    fn targets() {
        expect(&[
            ("R3", None, |b| _ = b.ptr(9)),
            ("R3", None, |b| {
                let v = b.var("v", 0, 1);
                b.konst(v);
            }),
            ("R4", None, |b| {
                let p = b.proto(0, &[]);
                let f = b.func("f", 0, p);
                b.ptr(f);
            }),
            ("R5", None, |b| {
                let f = b.fwd("f", false);
                b.var("v", 0, f);
            }),
            ("R5", None, |b| _ = b.var("v", 0, 9)),
            ("R20", None, |b| _ = b.func("f", 0, 1)),
            ("R25", Some(0), |b| _ = b.datasec(".d", 4, &[(1, 0, 4)])),
            ("R26", Some(0), |b| {
                let v = b.var("v", 0, 1);
                b.datasec(".d", 4, &[(v, 0, 2)]);
            }),
            ("R27", None, |b| _ = b.decl_tag("t", 1, -1)),
            ("R28", None, |b| {
                let v = b.var("v", 0, 1);
                b.decl_tag("t", v, 0);
            }),
            ("R28", None, |b| {
                let s = b.structure("s", 4, &[("a", 1, 0)]);
                b.decl_tag("t", s, 1);
            }),
            ("R28", None, |b| {
                let p = b.proto(0, &[("a", 1)]);
                let f = b.func("f", 0, p);
                b.decl_tag("t", f, 1);
            }),
        ]);
        assert_eq!(
            broken(|b| {
                let f = b.fwd("f", false);
                let k = b.konst(f);
                b.ptr(k);
                b.ptr(0);
            }),
            []
        );
    }

    #[test]
    fn arrays() {
        expect(&[
            ("R6", None, |b| {
                let f = b.float("f", 4);
                b.array(1, f, 1);
            }),
            ("R6", None, |b| _ = b.array(1, 9, 1)),
            ("R7", None, |b| {
                let f = b.fwd("f", false);
                b.array(f, 1, 1);
            }),
            ("R8", None, |b| {
                let i = b.plain(Kind::Int, "", 4, &[IntData::new(0, 0, 24).0]);
                b.array(i, 1, 1);
            }),
            ("R9", None, |b| _ = b.array(1, 1, 0x4000_0000)),
            ("R9", None, |b| {
                let a = b.array(1, 1, 0x1_0000);
                b.array(a, 1, 0x4000);
            }),
        ]);
        assert_eq!(
            broken(|b| {
                let a = b.array(1, 1, 0x1_0000);
                b.array(a, 1, 0x3fff);
            }),
            []
        );
    }

    #[test]
    fn members() {
        expect(&[
            ("R10", Some(0), |b| {
                let f = b.fwd("f", false);
                b.structure("s", 4, &[("a", f, 0)]);
            }),
            ("R10", Some(0), |b| _ = b.structure("s", 4, &[("a", 9, 0)])),
            ("R11", Some(0), |b| {
                let p = b.ptr(1);
                b.structure("s", 16, &[("a", p, 4)]);
            }),
            ("R12", Some(1), |b| _ = b.structure("s", 7, &[("a", 1, 0), ("b", 1, 32)])),
            ("R12", Some(0), |b| {
                let p = b.ptr(1);
                b.structure("s", 4, &[("a", p, 0)]);
            }),
            ("R12", Some(0), |b| {
                let a = b.array(1, 1, 3);
                b.structure("s", 8, &[("a", a, 0)]);
            }),
            ("R13", Some(0), |b| {
                let p = b.ptr(1);
                bits(b, 8, &[("a", p, 1 << 24)]);
            }),
            ("R14", Some(0), |b| {
                let i = b.plain(Kind::Int, "", 4, &[IntData::new(0, 0, 24).0]);
                bits(b, 4, &[("a", i, 1 << 24)]);
            }),
            ("R15", Some(0), |b| bits(b, 8, &[("a", 1, 33 << 24)])),
            ("R15", Some(0), |b| {
                let e = b.enumeration("e", false, &[]);
                bits(b, 8, &[("a", e, 33 << 24)]);
            }),
            ("R16", Some(0), |b| bits(b, 8, &[("a", 1, 4)])),
            ("R17", Some(0), |b| {
                let i = b.plain(Kind::Int, "", 16, &[128]);
                b.structure("s", 32, &[("a", i, 1)]);
            }),
            ("R18", Some(0), |b| {
                let i = b.plain(Kind::Int, "", 4, &[IntData::new(0, 8, 8).0]);
                b.structure("s", u32::MAX, &[("a", i, u32::MAX)]);
            }),
            ("R19", Some(0), |b| {
                let f = b.float("f", 8);
                b.structure("s", 12, &[("a", f, 32)]);
            }),
        ]);
        // Modifiers are skipped; a bit-field INT of old style may start anywhere.
        assert_eq!(
            broken(|b| {
                let k = b.konst(1);
                b.structure("s", 4, &[("a", k, 0)]);
            }),
            []
        );
        let old = |b: &mut Blob| {
            let i = b.plain(Kind::Int, "", 4, &[IntData::new(0, 0, 3).0]);
            b.structure("s", 4, &[("a", i, 0), ("b", i, 3)]);
        };
        assert_eq!(broken(old), []);
        // 32-bit targets have smaller pointers.
        let mut b = Blob::new();
        let p = b.ptr(0);
        b.structure("s", 4, &[("a", p, 0)]);
        assert_eq!(rules_by(&Options { pointer_bytes: 4, ..Options::default() }, &b.bytes()), []);
    }

    #[test]
    fn prototypes() {
        expect(&[
            ("R21", Some(0), |b| {
                let p = b.proto(0, &[("", 1), ("b", 1)]);
                b.func("f", 0, p);
            }),
            ("R22", None, |b| {
                let k = b.konst(0);
                b.proto(k, &[]);
            }),
            ("R22", None, |b| _ = b.proto(9, &[])),
            ("R23", Some(1), |b| _ = b.proto(0, &[("a", 1), ("rest", 0)])),
            ("R24", Some(0), |b| _ = b.proto(0, &[("a", 0), ("b", 1)])),
            ("R24", Some(0), |b| _ = b.proto(0, &[("a b", 1)])),
            ("R24", Some(0), |b| {
                let f = b.fwd("f", false);
                b.proto(0, &[("a", f)]);
            }),
        ]);
        assert_eq!(broken(|b| _ = b.proto(0, &[("", 1), ("", 0)])), []);
        assert_eq!(broken(|b| _ = b.proto(0, &[("", 0)])), []);
    }

    /// A million types whose chains overlap must not cost a walk each: this would take hours.
    #[test]
    fn long_chains_take_linear_time() {
        let mut b = Blob::new();
        let n = 300_000;
        (1..=n).for_each(|id| b.words(&[0, (Kind::Const as u32) << 24, id + 1]));
        (1..=n).for_each(|_| b.words(&[0, (Kind::Ptr as u32) << 24, 1]));
        let started = std::time::Instant::now();
        let options = Options { max_findings: usize::MAX, ..Options::default() };
        assert!(!rules_by(&options, &b.bytes()).is_empty());
        assert!(started.elapsed().as_secs() < 20);
    }
}
