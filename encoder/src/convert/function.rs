//! Functions: subroutine types become FUNC_PROTOs at once, subprograms are kept until all units are known.

use btf::kind::Kind;
use btf::strings::StrId;
use dwarf::die::{Attr, Attributes, Role, Value};
use dwarf::walk::Die;
use gimli::Endianity;

use super::{Converter, Open, RawRef, ReadPlace, Tagged, head};
use crate::functions::Group;

/// A subprogram DIE (DWARF5 3.3.1): a function, an abstract instance, or a concrete one of it.
#[derive(Clone, Copy, Debug)]
pub struct RawFunction {
    /// Offset of its DIE in the unit.
    pub offset: u32,
    /// Name; empty if its origin has it.
    pub name: StrId,
    /// The symbols of its name, if it has one.
    pub group: Option<Group>,
    /// What it returns.
    pub result: RawRef,
    /// The abstract instance or the declaration that it completes.
    pub origin: RawRef,
    /// Range of its parameters in [`super::UnitTypes::parameters`].
    pub parameters: (u32, u32),
    /// It ends in `...`.
    pub variadic: bool,
    /// It is only declared.
    pub declaration: bool,
    /// Its first instruction.
    pub low_pc: Option<u64>,
    /// Its range list, if it is in several pieces.
    pub ranges: Option<u64>,
    /// Callers do not follow the calling convention (DW_CC_nocall).
    pub nocall: bool,
}

/// A parameter of a subprogram.
#[derive(Clone, Copy, Debug)]
pub struct RawParameter {
    /// Offset of its DIE in the unit.
    pub offset: u32,
    /// Name; empty if its origin has it.
    pub name: StrId,
    /// Type; void if its origin has it.
    pub target: RawRef,
    /// The parameter of the abstract instance.
    pub origin: RawRef,
    /// Where it is when the function runs.
    pub location: RawLocation,
}

/// A parameter's location attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RawLocation {
    /// There is none: the parameter is not used.
    None,
    /// It is a constant.
    Constant,
    /// One expression for the whole function: offset from the unit's start, length.
    Expression(usize, usize),
    /// A location list: offset in `.debug_loclists` or `.debug_loc`.
    List(u64),
}

impl<E: Endianity> Converter<'_, '_, '_, '_, E> {
    pub(super) fn subroutine(&mut self, die: Die<'_>) -> Role {
        let place = self.out.reserve(die.offset);
        let target = self.type_of(die.attributes);
        let first = self.out.scratch.parameters.len();
        self.open(Open { place, name: StrId::EMPTY, size: 0, target, first });
        if !die.has_children {
            self.end_subroutine();
            return Role::Other;
        }
        Role::Subroutine
    }

    pub(super) fn end_subroutine(&mut self) {
        let Some(open) = self.out.scratch.open.pop() else { return };
        let out = &mut *self.out;
        let words = out.scratch.parameters[open.first..].iter().map(|target| [StrId::EMPTY.0, target.0]);
        out.records.push_elements(head(Kind::FuncProto), StrId::EMPTY, open.target.0, words);
        out.scratch.parameters.truncate(open.first);
        out.records.move_last(open.place);
    }

    #[inline]
    pub(super) fn parameter(&mut self, die: Die<'_>) -> Role {
        let varargs = die.role == Role::VarArgs;
        if die.parent == Role::Subroutine {
            let target = if varargs { RawRef::VOID } else { self.type_of(die.attributes) };
            self.out.scratch.parameters.push(target);
            return Role::Other;
        }
        let Some(number) = self.top().map(|o| o.place) else { return Role::Other };
        if varargs {
            self.out.functions[number].variadic = true;
            return Role::Other;
        }
        let a = die.attributes;
        let parameter = RawParameter {
            offset: die.offset,
            name: self.name(a),
            target: self.type_of(a),
            origin: self.reference_of(a, Attr::AbstractOrigin),
            location: self.location(a),
        };
        self.out.parameters.push(parameter);
        let (first, end) = (self.out.functions[number].parameters.0, self.out.parameters.len() as u32);
        self.out.functions[number].parameters.1 = end;
        self.annotate(a, Tagged::Function(number), (end - first) as i32 - 1);
        if !die.has_children {
            return Role::Other;
        }
        self.open(Open { place: number, name: parameter.name, size: 0, target: parameter.target, first: 0 });
        Role::Parameter
    }

    fn location(&self, a: &Attributes) -> RawLocation {
        match a.get(Attr::Location) {
            _ if self.place != ReadPlace::Own => RawLocation::None,
            Some(Value::Block(start, len)) => RawLocation::Expression(start, len),
            Some(value) => self.unit.location_list(value).map_or(RawLocation::None, RawLocation::List),
            None if a.has(Attr::ConstValue) => RawLocation::Constant,
            None => RawLocation::None,
        }
    }

    pub(super) fn subprogram(&mut self, die: Die<'_>) -> Role {
        let a = die.attributes;
        let mut origin = self.reference_of(a, Attr::AbstractOrigin);
        if origin == RawRef::VOID {
            origin = self.reference_of(a, Attr::Specification);
        }
        let name = self.name(a);
        let group = self.functions.group(name, self.names);
        // A function of another unit is here because this one's refer to it; its machine code is the other's.
        let is_own = self.place == ReadPlace::Own;
        let has_code = a.has_any(Attr::LowPc.bit() | Attr::Ranges.bit());
        let low_pc = a.get(Attr::LowPc).filter(|_| is_own).and_then(|v| self.unit.address(v));
        if group.is_none() && origin == RawRef::VOID && !low_pc.is_some_and(|a| self.functions.has_other_name(a)) {
            return Role::Other;
        }
        let first = self.out.parameters.len() as u32;
        let function = RawFunction {
            offset: die.offset,
            name,
            group,
            result: self.type_of(a),
            origin,
            parameters: (first, first),
            variadic: false,
            declaration: a.flag(Attr::Declaration) || has_code && !is_own,
            low_pc,
            ranges: a.get(Attr::Ranges).filter(|_| is_own).and_then(|v| self.unit.range_list(v)),
            nocall: a.unsigned(Attr::CallingConvention) == Some(u64::from(gimli::DW_CC_nocall.0)),
        };
        self.out.functions.push(function);
        let place = self.out.functions.len() - 1;
        self.annotate(a, Tagged::Function(place), -1);
        if !die.has_children {
            return Role::Other;
        }
        self.open(Open { place, name, size: 0, target: function.result, first: 0 });
        Role::Subprogram
    }
}
