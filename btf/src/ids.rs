//! Newtypes for the id and offset spaces of BTF, so that they cannot be mixed up.

use std::fmt;

/// A type's number in a BTF and its base: 0 is void, the base has 1..N, a split BTF continues at N+1 (btf.rst 2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TypeId(pub u32);

impl TypeId {
    /// Type 0: void, never stored.
    pub const VOID: TypeId = TypeId(0);
    /// The largest id that the kernel accepts, base included (BTF_MAX_TYPE).
    pub const MAX: TypeId = TypeId(0x000f_ffff);

    /// The id as an array index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "type-{}", self.0)
    }
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A byte offset in the combined string space: the base's strings first, then the split's (btf.rst 2.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StrOff(pub u32);

impl StrOff {
    /// Offset 0: the empty string, the name of everything anonymous.
    pub const EMPTY: StrOff = StrOff(0);
    /// The largest offset that the kernel accepts as a name (BTF_MAX_NAME_OFFSET).
    pub const MAX: StrOff = StrOff(0x00ff_ffff);
}

impl fmt::Debug for StrOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "str-{:#x}", self.0)
    }
}
