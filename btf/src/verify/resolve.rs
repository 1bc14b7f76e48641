//! Tier R: what references lead to. The kernel does this for user BTF only.
//!
//! Types are resolved in the kernel's order, because what it says depends on it: its limits, a stack of 32 and no type twice on it;
//! what counts as resolved when another type asks (a pointer to a FUNC is fine below one that was resolved before, and wrong
//! otherwise); and which violation comes first. After a violation the kernel ends; here the types that were under way count as resolved,
//! and what is made of them is not judged.

use super::Check;
use super::Level;
use super::log::Line;
use super::member::{check_place, is_regular_int};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::view::{BtfView, TypeView};

/// Most types on the stack while one is resolved (R1).
const MAX_DEPTH: usize = 32;
/// Most steps from a type of the base to where its modifiers end. The base is taken as good, but must not lead in circles.
const MAX_BASE_STEPS: usize = 64;

/// Checks every own type.
pub(super) fn check_references(check: &mut Check<'_, '_>) {
    if check.options.level < Level::User {
        return;
    }
    let view = check.view;
    let slots = vec![Slot::default(); view.type_count()];
    let mut resolver = Resolver { view, slots, mode: Mode::Undecided, stack: Vec::new(), check };
    for (id, ty) in view.types() {
        if resolver.check.is_full() {
            return;
        }
        resolver.resolve(id, ty);
        if ty.kind() == Kind::FuncProto {
            resolver.check_proto(id, ty);
        }
    }
}

/// How far the kernel is with a type.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    #[default]
    New,
    OnStack,
    Resolved,
    /// As resolved, but it or what it needs was found wrong, so nothing is known of it.
    Lost,
}

/// What is known of an own type.
#[derive(Clone, Copy, Default, Debug)]
struct Slot {
    state: State,
    /// Where a pointer, modifier, VAR or FUNC leads to in the end.
    target: TypeId,
    /// Bytes of an ARRAY.
    bytes: u32,
}

/// What the kernel follows while it resolves one type; set by the first pointer or container on the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
            Mode::Undecided => needs_resolving(kind),
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

fn needs_resolving(kind: Kind) -> bool {
    match kind {
        Kind::Ptr | Kind::Func | Kind::Var | Kind::Datasec | Kind::DeclTag => true,
        Kind::Struct | Kind::Union | Kind::Array => true,
        Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => true,
        Kind::Int | Kind::Enum | Kind::Enum64 | Kind::Fwd | Kind::FuncProto | Kind::Float => false,
    }
}

/// Whether this kind only refers to others: nothing is made of it, so that only DATASEC and DECL_TAG may name it.
fn is_source_only(kind: Kind) -> bool {
    matches!(kind, Kind::Var | Kind::Datasec | Kind::DeclTag)
}

fn has_no_size(kind: Kind) -> bool {
    matches!(kind, Kind::Fwd | Kind::Func | Kind::FuncProto | Kind::DeclTag)
}

/// What a type comes to when modifiers are skipped.
#[derive(Clone, Copy, Debug)]
enum Size<'a> {
    /// Where they end, and its bytes.
    Bytes(TypeId, TypeView<'a>, u32),
    /// In something without a size: void, FWD, FUNC, FUNC_PROTO, DECL_TAG, or nothing at all.
    None,
    /// Something on the way was found wrong, and reported there.
    Lost,
}

/// A type that is being resolved.
#[derive(Clone, Copy, Debug)]
struct Frame<'a> {
    id: TypeId,
    ty: TypeView<'a>,
    /// The member or entry that is next.
    next: usize,
    /// The member before it was pushed, and is not judged yet.
    waits: bool,
}

/// What a step with the topmost type comes to.
enum Step<'a> {
    /// Another one is needed first.
    Push(TypeId, TypeView<'a>),
    /// It is resolved, to this type and with these bytes.
    Done(TypeId, u32),
    /// It breaks a rule.
    Wrong(&'static str, &'static str),
    /// Nothing is known of what it needs, or it was reported.
    Lost,
}

struct Resolver<'c, 'v, 'a> {
    view: &'v BtfView<'a>,
    slots: Vec<Slot>,
    mode: Mode,
    stack: Vec<Frame<'a>>,
    check: &'c mut Check<'v, 'a>,
}

impl<'a> Resolver<'_, '_, 'a> {
    /// Resolves one type and all it needs.
    fn resolve(&mut self, root: TypeId, ty: TypeView<'a>) {
        if !needs_resolving(ty.kind()) || self.is_resolved(root) {
            return;
        }
        self.mode = Mode::Undecided;
        let mut pushed = Some((root, ty));
        loop {
            if let Some((id, ty)) = pushed.take() {
                let wrong = if self.stack.len() == MAX_DEPTH {
                    Some(("R1", "Exceeded max resolving depth:32"))
                } else if self.state(id) != State::New {
                    Some(("R2", "Loop detected"))
                } else {
                    None
                };
                if let Some((rule, text)) = wrong {
                    return self.give_up(rule, root, text);
                }
                self.set(id, Slot { state: State::OnStack, ..Slot::default() });
                self.mode = self.mode.below(ty.kind());
                self.stack.push(Frame { id, ty, next: 0, waits: false });
            }
            let Some(&frame) = self.stack.last() else { return };
            let slot = match self.step(frame) {
                Step::Push(id, ty) => {
                    pushed = Some((id, ty));
                    continue;
                }
                Step::Wrong(rule, text) => return self.give_up(rule, frame.id, text),
                Step::Done(target, bytes) => Slot { state: State::Resolved, target, bytes },
                Step::Lost => Slot { state: State::Lost, ..Slot::default() },
            };
            self.set(frame.id, slot);
            self.stack.pop();
        }
    }

    /// Reports what ends the resolution of all that is on the stack.
    fn give_up(&mut self, rule: &'static str, id: TypeId, text: &str) {
        self.check.bad(rule, id, text);
        while let Some(frame) = self.stack.pop() {
            self.set(frame.id, Slot { state: State::Lost, ..Slot::default() });
        }
    }

    fn slot(&self, id: TypeId) -> Option<&Slot> {
        self.slots.get(id.index().checked_sub(self.view.first_id().index())?)
    }

    fn set(&mut self, id: TypeId, slot: Slot) {
        let number = id.index().checked_sub(self.view.first_id().index());
        if let Some(place) = number.and_then(|n| self.slots.get_mut(n)) {
            *place = slot;
        }
    }

    fn state(&self, id: TypeId) -> State {
        self.slot(id).map_or(State::Resolved, |slot| slot.state)
    }

    /// Types of a base always are.
    fn is_resolved(&self, id: TypeId) -> bool {
        id != TypeId::VOID && matches!(self.state(id), State::Resolved | State::Lost)
    }

    /// Whether this type is to be resolved before the topmost one.
    fn is_needed(&self, id: TypeId, ty: TypeView<'_>) -> bool {
        self.mode.follows(ty.kind()) && !self.is_resolved(id)
    }

    /// Where a pointer, modifier, VAR or FUNC leads to in the end, as far as is known: else to void.
    fn target(&self, id: TypeId) -> TypeId {
        if let Some(slot) = self.slot(id) {
            return slot.target;
        }
        let mut end = id;
        for _ in 0..MAX_BASE_STEPS {
            match self.view.get(end).filter(|t| t.kind().is_modifier()).and_then(TypeView::type_id) {
                Some(next) => end = next,
                None => return end,
            }
        }
        TypeId::VOID
    }

    fn size(&self, id: TypeId) -> Size<'a> {
        match self.view.get(id) {
            Some(ty) if ty.kind().is_modifier() || ty.kind() == Kind::Var => match self.state(id) {
                State::Lost => Size::Lost,
                _ => self.own_size(self.target(id)),
            },
            _ => self.own_size(id),
        }
    }

    /// The size of what is no modifier.
    fn own_size(&self, id: TypeId) -> Size<'a> {
        let Some(ty) = self.view.get(id) else { return Size::None };
        match (ty.kind(), ty.byte_size()) {
            (Kind::Ptr, _) => Size::Bytes(id, ty, self.check.options.pointer_bytes),
            (Kind::Array, _) => match self.slot(id) {
                Some(slot) if slot.state == State::Lost => Size::Lost,
                Some(slot) => Size::Bytes(id, ty, slot.bytes),
                None => self.base_array(id, ty),
            },
            (_, Some(bytes)) => Size::Bytes(id, ty, bytes),
            _ => Size::None,
        }
    }

    /// The size of an array of a base.
    fn base_array(&self, id: TypeId, ty: TypeView<'a>) -> Size<'a> {
        let (mut count, mut array) = (1u64, ty.array());
        for _ in 0..MAX_BASE_STEPS {
            let Some(level) = array else { break };
            count = count.saturating_mul(level.nelems.into());
            let elem = self.target(level.elem);
            let Some(elem_type) = self.view.get(elem) else { return Size::None };
            array = elem_type.array();
            let bytes = match elem_type.kind() {
                Kind::Ptr => Some(self.check.options.pointer_bytes),
                _ => elem_type.byte_size(),
            };
            if let Some(bytes) = bytes {
                let all = u32::try_from(count.saturating_mul(bytes.into())).unwrap_or(u32::MAX);
                return Size::Bytes(id, ty, all);
            }
        }
        Size::Lost
    }

    /// One step with the topmost type.
    fn step(&mut self, frame: Frame<'a>) -> Step<'a> {
        match frame.ty.kind() {
            Kind::Ptr | Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag | Kind::Var => {
                self.follow(frame.ty)
            }
            Kind::Array => self.array(frame.ty),
            Kind::Struct | Kind::Union => self.composite(frame),
            Kind::Datasec => self.datasec(frame),
            Kind::Func => self.func(frame),
            Kind::DeclTag => self.decl_tag(frame.ty),
            Kind::Int | Kind::Enum | Kind::Enum64 | Kind::Float | Kind::Fwd | Kind::FuncProto => {
                Step::Done(TypeId::VOID, 0)
            }
        }
    }

    /// R3 to R5.
    fn follow(&self, ty: TypeView<'a>) -> Step<'a> {
        let (target, is_var) = (TypeId(ty.size_or_type()), ty.kind() == Kind::Var);
        let next = self.view.get(target);
        if next.is_some_and(|t| is_source_only(t.kind())) || next.is_none() && target != TypeId::VOID {
            return Step::Wrong(if is_var { "R5" } else { "R3" }, "Invalid type_id");
        }
        if let Some(next) = next {
            if self.is_needed(target, next) {
                return Step::Push(target, next);
            }
            // Modifiers that were resolved below a container end at a pointer, which then was not followed.
            if next.kind().is_modifier() && matches!(ty.kind(), Kind::Ptr | Kind::Var) {
                let end = self.target(target);
                let pointer = self.view.get(end).filter(|t| t.kind() == Kind::Ptr && self.is_needed(end, *t));
                if let Some(pointer) = pointer {
                    return Step::Push(end, pointer);
                }
            }
        }
        match self.size(target) {
            Size::Bytes(end, ..) => Step::Done(end, 0),
            Size::Lost => Step::Lost,
            Size::None if is_var => Step::Wrong("R5", "Invalid type_id"),
            Size::None => {
                let end = if self.is_resolved(target) { self.target(target) } else { target };
                match self.view.kind(end) {
                    None | Some(Kind::Fwd | Kind::FuncProto) => Step::Done(end, 0),
                    Some(_) => Step::Wrong("R4", "Invalid type_id"),
                }
            }
        }
    }

    /// The type that something is made of, if there can be such a thing.
    fn part(&self, id: TypeId) -> Option<TypeView<'a>> {
        self.view.get(id).filter(|t| !has_no_size(t.kind()) && !is_source_only(t.kind()))
    }

    /// R6 to R9.
    fn array(&self, ty: TypeView<'a>) -> Step<'a> {
        let array = ty.array().unwrap_or_default();
        let Some(index) = self.part(array.index) else { return Step::Wrong("R6", "Invalid index") };
        if self.is_needed(array.index, index) {
            return Step::Push(array.index, index);
        }
        match self.size(array.index) {
            Size::Bytes(_, index, _) if is_regular_int(index) => {}
            Size::Lost => return Step::Lost,
            Size::Bytes(..) | Size::None => return Step::Wrong("R6", "Invalid index"),
        }
        let Some(elem) = self.part(array.elem) else { return Step::Wrong("R7", "Invalid elem") };
        if self.is_needed(array.elem, elem) {
            return Step::Push(array.elem, elem);
        }
        match self.size(array.elem) {
            Size::Lost => Step::Lost,
            Size::None => Step::Wrong("R7", "Invalid elem"),
            Size::Bytes(_, elem, _) if elem.kind() == Kind::Int && !is_regular_int(elem) => {
                Step::Wrong("R8", "Invalid array of int")
            }
            Size::Bytes(end, _, bytes) => match bytes.checked_mul(array.nelems) {
                Some(all) => Step::Done(end, all),
                None => Step::Wrong("R9", "Array size overflows U32_MAX"),
            },
        }
    }

    /// R10 to R19, member by member. All that are wrong are reported.
    fn composite(&mut self, frame: Frame<'a>) -> Step<'a> {
        if frame.waits {
            self.judge_member(frame, frame.next - 1);
        }
        for n in frame.next..frame.ty.vlen() as usize {
            let Some(member) = frame.ty.member(n) else { break };
            let Some(ty) = self.part(member.type_id) else {
                self.check.bad_element("R10", frame.id, n, "Invalid member");
                continue;
            };
            if self.is_needed(member.type_id, ty) {
                self.come_back(n + 1, true);
                return Step::Push(member.type_id, ty);
            }
            self.judge_member(frame, n);
        }
        Step::Done(TypeId::VOID, 0)
    }

    /// Where the topmost type goes on when the one that is pushed now is done.
    fn come_back(&mut self, next: usize, waits: bool) {
        if let Some(top) = self.stack.last_mut() {
            (top.next, top.waits) = (next, waits);
        }
    }

    fn judge_member(&mut self, frame: Frame<'a>, n: usize) {
        let Some(member) = frame.ty.member(n) else { return };
        match self.size(member.type_id) {
            Size::Lost => {}
            Size::None => self.check.bad_element("R10", frame.id, n, "Invalid member"),
            Size::Bytes(end, ty, bytes) => {
                let wrong = check_place(frame.ty, member, ty, bytes, self.check.options.pointer_bytes);
                if let Err((rule, text)) = wrong {
                    self.check.bad_member(rule, frame.id, n, end, text);
                }
            }
        }
    }

    /// R25 and R26. The kernel does not look at the size of a variable that it had to resolve first.
    fn datasec(&mut self, frame: Frame<'a>) -> Step<'a> {
        // What one variable led to does not decide how the next one is followed.
        self.mode = Mode::Undecided;
        for n in frame.next..frame.ty.vlen() as usize {
            let Some(entry) = frame.ty.var(n) else { break };
            let Some(var) = self.view.get(entry.type_id).filter(|t| t.kind() == Kind::Var) else {
                self.check.bad_element("R25", frame.id, n, "Not a VAR kind member");
                continue;
            };
            if self.is_needed(entry.type_id, var) {
                self.come_back(n + 1, false);
                return Step::Push(entry.type_id, var);
            }
            match self.size(TypeId(var.size_or_type())) {
                Size::None if self.state(entry.type_id) == State::Lost => {}
                Size::None => self.check.bad_element("R26", frame.id, n, "Invalid type"),
                Size::Bytes(_, _, bytes) if entry.byte_size < bytes => {
                    self.check.bad_element("R26", frame.id, n, "Invalid size");
                }
                Size::Bytes(..) | Size::Lost => {}
            }
        }
        Step::Done(TypeId::VOID, 0)
    }

    /// R20 and R21.
    fn func(&mut self, frame: Frame<'a>) -> Step<'a> {
        let target = TypeId(frame.ty.size_or_type());
        let Some(proto) = self.view.get(target).filter(|t| t.kind() == Kind::FuncProto) else {
            return Step::Wrong("R20", "Invalid type_id");
        };
        for (n, param) in proto.params().enumerate() {
            if param.name_off == StrOff::EMPTY && param.type_id != TypeId::VOID {
                self.check.bad_element("R21", frame.id, n, format!("Invalid arg#{}", n + 1));
            }
        }
        Step::Done(target, 0)
    }

    /// R27 and R28.
    fn decl_tag(&self, ty: TypeView<'a>) -> Step<'a> {
        let id = TypeId(ty.size_or_type());
        let wanted =
            |t: &TypeView<'_>| matches!(t.kind(), Kind::Struct | Kind::Union | Kind::Func | Kind::Var | Kind::Typedef);
        let Some(target) = self.view.get(id).filter(wanted) else { return Step::Wrong("R27", "Invalid type_id") };
        if self.is_needed(id, target) {
            return Step::Push(id, target);
        }
        let count = match target.kind() {
            Kind::Struct | Kind::Union => target.vlen(),
            Kind::Func if self.state(id) == State::Lost => return Step::Lost,
            Kind::Func => self.view.get(TypeId(target.size_or_type())).map_or(0, TypeView::vlen),
            _ => 0,
        };
        // -1 is the whole; M113 has refused what is less.
        match u32::try_from(ty.component_index().unwrap_or(-1)) {
            Ok(component) if component >= count => Step::Wrong("R28", "Invalid component_idx"),
            _ => Step::Done(id, 0),
        }
    }

    /// R22 to R24, for which prototypes need not be resolved themselves.
    fn check_proto(&mut self, id: TypeId, ty: TypeView<'a>) {
        let ret = TypeId(ty.size_or_type());
        if ret != TypeId::VOID && !self.is_sized(ret) {
            self.check.report("R22", id, None, Line::Full, "Invalid return type");
        }
        let last = ty.params().len().wrapping_sub(1);
        let is_rest = |n: usize, type_id: TypeId| n == last && type_id == TypeId::VOID;
        // The kernel looks at the last one first.
        if ty.params().next_back().is_some_and(|p| is_rest(last, p.type_id) && p.name_off != StrOff::EMPTY) {
            self.check.bad_element("R23", id, last, format!("Invalid arg#{}", last + 1));
        }
        for (n, param) in ty.params().enumerate().filter(|&(n, param)| !is_rest(n, param.type_id)) {
            let named = param.name_off <= StrOff::MAX && self.check.is_identifier(param.name_off);
            let exists = self.view.get(param.type_id).is_some_and(|t| !is_source_only(t.kind()));
            let good = exists && (param.name_off == StrOff::EMPTY || named) && self.is_sized(param.type_id);
            if !good {
                self.check.bad_element("R24", id, n, format!("Invalid arg#{}", n + 1));
            }
        }
    }

    /// Whether a parameter or result can be of this type, which is resolved first.
    fn is_sized(&mut self, id: TypeId) -> bool {
        let Some(ty) = self.view.get(id).filter(|t| !is_source_only(t.kind())) else { return false };
        self.resolve(id, ty);
        !matches!(self.size(id), Size::None)
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
                b.ptr(3);
                b.func("f", 0, 4);
                b.proto(0, &[]);
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
