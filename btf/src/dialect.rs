//! The dialect of a base: what encoders may write in more than one way for the same C.
//!
//! A module in another dialect than its base repeats every struct that the difference reaches, so btfgen looks at the
//! base and follows it. Each trait is told by what stands in the base; a trait that leaves no trace there keeps its
//! default.

use std::fmt;

use crate::kind::Kind;
use crate::view::{BtfView, TypeView};

/// How an encoder writes what can be written in more than one way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dialect {
    /// A multi-dimensional array is a chain of ARRAYs (pahole 1.32 on), or one ARRAY of all its elements (before).
    pub nested_arrays: bool,
    /// Enums of 8 bytes are ENUM64 (6.0 on), or ENUMs with their values cut to 32 bits.
    pub enum64: bool,
    /// The kflag of an enum tells that a value is negative (6.0 on), or is never set.
    pub enum_sign: bool,
    /// Floating types are FLOATs (5.13 on), or INTs.
    pub float: bool,
    /// Type tags on pointers are TYPE_TAGs (5.17 on), or left out.
    pub type_tag: bool,
}

impl Dialect {
    /// What pahole 1.32 writes with Kbuild's options.
    pub const PAHOLE_1_32: Dialect =
        Dialect { nested_arrays: true, enum64: true, enum_sign: true, float: true, type_tag: true };
    /// What pahole 1.24 to 1.31 write with Kbuild's options.
    pub const PAHOLE_1_31: Dialect = Dialect { nested_arrays: false, ..Dialect::PAHOLE_1_32 };

    /// Reads the dialect off a base. A trait without a trace is as in `otherwise`, except that a base without nested
    /// arrays has flat ones: nearly every kernel was encoded that way, and a kernel has multi-dimensional arrays.
    pub fn of(base: &BtfView<'_>, otherwise: Dialect) -> Dialect {
        let mut seen = Traces::default();
        base.types_of(leaves_traces).for_each(|(_, t)| seen.look_at(t, base));
        let decide = |yes: bool, no: bool, default: bool| if yes { true } else { !no && default };
        Dialect {
            nested_arrays: seen.nested || seen.maybe_nested && seen.arrays < FEW_ARRAYS && otherwise.nested_arrays,
            enum64: decide(seen.enum64, seen.wide_enum, otherwise.enum64),
            enum_sign: decide(seen.signed_enum, seen.high_value, otherwise.enum_sign),
            float: decide(seen.float, seen.float_as_int, otherwise.float),
            type_tag: decide(seen.type_tag, false, otherwise.type_tag),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |x| if x { "on" } else { "off" };
        let arrays = if self.nested_arrays { "nested" } else { "flat" };
        write!(
            f,
            "arrays={arrays},enum64={},enum-sign={},float={},type-tag={}",
            on(self.enum64),
            on(self.enum_sign),
            on(self.float),
            on(self.type_tag)
        )
    }
}

/// What was seen in a base.
#[derive(Default)]
struct Traces {
    arrays: usize,
    nested: bool,
    maybe_nested: bool,
    enum64: bool,
    wide_enum: bool,
    signed_enum: bool,
    high_value: bool,
    float: bool,
    float_as_int: bool,
    type_tag: bool,
}

impl Traces {
    fn look_at(&mut self, t: TypeView<'_>, base: &BtfView<'_>) {
        match t.kind() {
            Kind::Array => {
                self.arrays += 1;
                // One tells enough, and what an array is of may stand anywhere.
                if !self.nested {
                    match is_nested_array(t, base) {
                        Some(true) => self.nested = true,
                        None => self.maybe_nested = true,
                        Some(false) => {}
                    }
                }
            }
            Kind::Enum64 => self.enum64 = true,
            Kind::Enum => {
                self.wide_enum |= t.size_or_type() == 8;
                self.signed_enum |= t.kflag();
                self.high_value |= !t.kflag() && t.enumerators().any(|e| e.lo >> 31 != 0);
            }
            Kind::Float => self.float = true,
            Kind::Int => {
                self.float_as_int |= matches!(base.string(t.name_off()), Some(b"float" | b"double"));
            }
            Kind::TypeTag => self.type_tag |= !t.kflag(),
            _ => {}
        }
    }
}

/// The kinds that tell something about a dialect.
fn leaves_traces(kind: Kind) -> bool {
    match kind {
        Kind::Array | Kind::Enum64 | Kind::Enum | Kind::Float | Kind::Int | Kind::TypeTag => true,
        Kind::Ptr
        | Kind::Struct
        | Kind::Union
        | Kind::Fwd
        | Kind::Typedef
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::Func
        | Kind::FuncProto
        | Kind::Var
        | Kind::Datasec
        | Kind::DeclTag => false,
    }
}

/// A base with so many ARRAYs has arrays of arrays of other sizes than vectors have, too (a kernel has 90 in 3,300).
const FEW_ARRAYS: usize = 500;

/// An ARRAY directly in an ARRAY. An array of vectors looks the same in both dialects, so an inner array
/// of scalars of 8, 16, 32 or 64 bytes tells nothing.
fn is_nested_array(t: TypeView<'_>, base: &BtfView<'_>) -> Option<bool> {
    let Some(inner) = t.array().and_then(|a| base.get(a.elem)).and_then(|inner| inner.array()) else {
        return Some(false);
    };
    let scalar = base.get(inner.elem).filter(|t| matches!(t.kind(), Kind::Int | Kind::Float));
    let bytes = scalar.map(|s| u64::from(s.size_or_type()) * u64::from(inner.nelems));
    (!matches!(bytes, Some(8 | 16 | 32 | 64))).then_some(true)
}
