//! Types in an order that C takes: what a declaration needs stands before it.
//!
//! A type is needed in one of two ways: *complete*, where its size counts (members, elements of arrays), or *declared*, where its name is
//! enough. A struct that is needed as declared gets `struct x;`, so that no prototype has a struct of its own; a typedef is written with what it
//! stands for as declared. This is one walk in depth over (type, need), with a stack on the heap; what comes back to itself on the way is
//! nothing that C can say.

use crate::error::{Error, ErrorKind, Place, Result};
use crate::ids::TypeId;
use crate::kind::Kind;
use crate::view::{BtfView, TypeView};

/// How a type is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Its name.
    Declared,
    /// Its size.
    Complete,
}

/// What is to be written next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// `struct x;`
    Forward,
    /// A struct, union or enum with what is in it, or a typedef.
    Definition,
    /// A type of which only the layout is to be known; an integer or floating-point type that compilers may not have.
    Learn,
}

/// What takes the steps.
pub trait Writer<'a> {
    /// The type that a reference to this one means.
    fn definition(&self, id: TypeId) -> TypeId;
    /// Does a step.
    fn step(&mut self, step: Step, id: TypeId, ty: TypeView<'a>) -> Result<()>;
}

/// The walk so far.
pub struct Order<'v, 'a> {
    view: &'v BtfView<'a>,
    /// Per type, bits as below.
    state: Vec<u8>,
    stack: Vec<Frame<'a>>,
    /// Those of the stack that something is written for, when they are left.
    writing: Vec<TypeId>,
    /// Structs that are being written and mentioned themselves only: not declared yet.
    mentioned: Vec<TypeId>,
}

/// A type whose parts are being visited.
struct Frame<'a> {
    id: TypeId,
    ty: TypeView<'a>,
    need: Need,
    next: usize,
}

const OPEN: [u8; 2] = [1, 2];
const DONE: [u8; 2] = [4, 8];
/// `struct x;` or its definition was written.
const WRITTEN: u8 = 16;

impl<'v, 'a> Order<'v, 'a> {
    pub fn new(view: &'v BtfView<'a>) -> Order<'v, 'a> {
        let state = vec![0; view.end_id().index()];
        Order { view, state, stack: Vec::new(), writing: Vec::new(), mentioned: Vec::new() }
    }

    /// Writes what `id` needs and then `id` itself, unless that was done.
    pub fn visit(&mut self, id: TypeId, need: Need, writer: &mut impl Writer<'a>) -> Result<()> {
        self.enter(id, id, need, writer)?;
        while let Some(frame) = self.stack.last_mut() {
            let (id, n) = (frame.id, frame.next);
            frame.next += 1;
            if let Some((target, need)) = part(frame.id, frame.ty, frame.need, n) {
                self.enter(id, target, need, writer)?;
            } else {
                self.leave(writer)?;
            }
        }
        Ok(())
    }

    fn enter(&mut self, from: TypeId, id: TypeId, need: Need, writer: &mut impl Writer<'a>) -> Result<()> {
        if id == TypeId::VOID {
            return Ok(());
        }
        let id = writer.definition(id);
        let wrong = |text: String| Err(Error::new(ErrorKind::Record, Place::Type(from), text));
        let Some(ty) = self.view.get(id) else {
            return wrong(format!("it refers to type {id}, which is not there"));
        };
        if let (Kind::Func | Kind::Var | Kind::Datasec | Kind::DeclTag, false) = (ty.kind(), from == id) {
            return wrong(format!("it refers to type {id}, which is a {} and no type of C", ty.kind().name()));
        }
        let need = normal(ty, need);
        let state = self.state[id.index()];
        if state & DONE[need as usize] != 0 {
            return Ok(());
        }
        if state & OPEN[need as usize] != 0 {
            return wrong(format!("it is made of type {id}, which is made of it: C has no such types"));
        }
        if ty.kind() == Kind::Fwd && need == Need::Complete {
            return wrong(format!("it has a part of type {id}, which is declared only"));
        }
        if is_named_composite(ty) && need == Need::Declared && self.writing.last() == Some(&id) {
            // Inside of its own definition it needs no declaration, if nothing else that mentions it is written before.
            // It is the innermost one, and those that were mentioned since are closed: it can only be the last.
            if state & WRITTEN == 0 && self.mentioned.last() != Some(&id) {
                self.mentioned.push(id);
            }
            return Ok(());
        }
        self.state[id.index()] |= OPEN[need as usize];
        if is_written(ty, need) {
            self.writing.push(id);
        }
        self.stack.push(Frame { id, ty, need, next: 0 });
        Ok(())
    }

    fn leave(&mut self, writer: &mut impl Writer<'a>) -> Result<()> {
        let Some(Frame { id, ty, need, .. }) = self.stack.pop() else { return Ok(()) };
        self.state[id.index()] ^= OPEN[need as usize] | DONE[need as usize];
        if !is_written(ty, need) {
            return writer.step(Step::Learn, id, ty);
        }
        self.writing.pop();
        for open in std::mem::take(&mut self.mentioned) {
            if open != id {
                if let Some(ty) = self.view.get(open) {
                    self.state[open.index()] |= WRITTEN;
                    writer.step(Step::Forward, open, ty)?;
                }
            }
        }
        match need {
            Need::Declared if ty.kind() != Kind::Typedef => {
                if self.state[id.index()] & WRITTEN == 0 {
                    writer.step(Step::Forward, id, ty)?;
                }
            }
            _ => writer.step(Step::Definition, id, ty)?,
        }
        self.state[id.index()] |= WRITTEN;
        Ok(())
    }
}

fn is_named_composite(ty: TypeView<'_>) -> bool {
    ty.is_composite() && ty.name_off().0 != 0
}

/// Whether a type is written by itself in this need; others are part of what mentions them.
fn is_written(ty: TypeView<'_>, need: Need) -> bool {
    match ty.kind() {
        Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => ty.name_off().0 != 0,
        Kind::Fwd => true,
        Kind::Typedef => need == Need::Declared,
        Kind::Int
        | Kind::Float
        | Kind::Ptr
        | Kind::Array
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::Func
        | Kind::FuncProto
        | Kind::Var
        | Kind::Datasec
        | Kind::DeclTag
        | Kind::TypeTag => false,
    }
}

/// The need, where the two differ for a type of this kind; else `Complete`.
fn normal(ty: TypeView<'_>, need: Need) -> Need {
    match ty.kind() {
        Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag | Kind::Fwd => need,
        Kind::Struct | Kind::Union if ty.name_off().0 != 0 => need,
        Kind::Enum | Kind::Enum64 if ty.vlen() == 0 => need,
        Kind::Struct
        | Kind::Union
        | Kind::Enum
        | Kind::Enum64
        | Kind::Int
        | Kind::Float
        | Kind::Ptr
        | Kind::Array
        | Kind::Func
        | Kind::FuncProto
        | Kind::Var
        | Kind::Datasec
        | Kind::DeclTag => Need::Complete,
    }
}

/// The `n`th type that a type needs, counted from 0, and how.
fn part(id: TypeId, ty: TypeView<'_>, need: Need, n: usize) -> Option<(TypeId, Need)> {
    let target = TypeId(ty.size_or_type());
    match ty.kind() {
        Kind::Int | Kind::Float | Kind::Enum | Kind::Enum64 | Kind::Fwd | Kind::Datasec | Kind::DeclTag => None,
        Kind::Ptr | Kind::Func | Kind::Var => (n == 0).then_some((target, Need::Declared)),
        Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => (n == 0).then_some((target, need)),
        Kind::Array => (n == 0).then(|| (ty.array().unwrap_or_default().elem, Need::Complete)),
        Kind::Typedef => match (need, n) {
            (Need::Declared, 0) => Some((target, Need::Declared)),
            (Need::Complete, 0) => Some((id, Need::Declared)),
            (Need::Complete, 1) => Some((target, Need::Complete)),
            _ => None,
        },
        Kind::Struct | Kind::Union => match need {
            Need::Declared => None,
            Need::Complete => ty.member(n).map(|member| (member.type_id, Need::Complete)),
        },
        Kind::FuncProto if n == 0 => Some((target, Need::Declared)),
        Kind::FuncProto => ty.param(n - 1).map(|param| (param.type_id, Need::Declared)),
    }
}
