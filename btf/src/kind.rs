//! The kinds of BTF types and the info word. No other file shifts these bits.
//!
//! Info word (btf.rst 2.2; since 7.x wider than before): bit 31 kflag, bits 24-30 kind, bits 0-23 vlen. Kernels up to
//! 6.12 and libbpf up to 1.8 read kind from bits 24-28 and vlen from bits 0-15, so [`MAX_PORTABLE_VLEN`] bounds what
//! is written unless a newer target is asked for.

/// Largest vlen that every reader understands.
pub const MAX_PORTABLE_VLEN: u32 = 0xffff;
/// Largest vlen of the 24-bit field of 7.x.
pub const MAX_VLEN: u32 = 0x00ff_ffff;

/// Bytes of the record every type starts with: name offset, info word, size or type.
pub const RECORD_BYTES: usize = 12;

/// Kind of a BTF type; the number is the one in the info word (btf.rst 2.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
#[allow(missing_docs)] // the names are those of btf.rst
pub enum Kind {
    Int = 1,
    Ptr = 2,
    Array = 3,
    Struct = 4,
    Union = 5,
    Enum = 6,
    Fwd = 7,
    Typedef = 8,
    Volatile = 9,
    Const = 10,
    Restrict = 11,
    Func = 12,
    FuncProto = 13,
    Var = 14,
    Datasec = 15,
    Float = 16,
    DeclTag = 17,
    TypeTag = 18,
    Enum64 = 19,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Kind; 19] = [
        Kind::Int,
        Kind::Ptr,
        Kind::Array,
        Kind::Struct,
        Kind::Union,
        Kind::Enum,
        Kind::Fwd,
        Kind::Typedef,
        Kind::Volatile,
        Kind::Const,
        Kind::Restrict,
        Kind::Func,
        Kind::FuncProto,
        Kind::Var,
        Kind::Datasec,
        Kind::Float,
        Kind::DeclTag,
        Kind::TypeTag,
        Kind::Enum64,
    ];

    /// Whether chains of references go through this kind.
    pub fn is_modifier(self) -> bool {
        match self {
            Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => true,
            Kind::Int
            | Kind::Ptr
            | Kind::Array
            | Kind::Struct
            | Kind::Union
            | Kind::Enum
            | Kind::Fwd
            | Kind::Func
            | Kind::FuncProto
            | Kind::Var
            | Kind::Datasec
            | Kind::Float
            | Kind::DeclTag
            | Kind::Enum64 => false,
        }
    }

    /// The kind with this number, if there is one.
    pub fn from_number(n: u32) -> Option<Kind> {
        Kind::ALL.get((n as usize).wrapping_sub(1)).copied()
    }

    /// The kind's name as bpftool prints it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Int => "INT",
            Kind::Ptr => "PTR",
            Kind::Array => "ARRAY",
            Kind::Struct => "STRUCT",
            Kind::Union => "UNION",
            Kind::Enum => "ENUM",
            Kind::Fwd => "FWD",
            Kind::Typedef => "TYPEDEF",
            Kind::Volatile => "VOLATILE",
            Kind::Const => "CONST",
            Kind::Restrict => "RESTRICT",
            Kind::Func => "FUNC",
            Kind::FuncProto => "FUNC_PROTO",
            Kind::Var => "VAR",
            Kind::Datasec => "DATASEC",
            Kind::Float => "FLOAT",
            Kind::DeclTag => "DECL_TAG",
            Kind::TypeTag => "TYPE_TAG",
            Kind::Enum64 => "ENUM64",
        }
    }

    /// True for the kinds whose equal types are one; the others are told apart by where they stand.
    pub(crate) const fn merges(self) -> bool {
        match self {
            Kind::Func | Kind::Var | Kind::Datasec | Kind::DeclTag => false,
            Kind::Int
            | Kind::Ptr
            | Kind::Array
            | Kind::Struct
            | Kind::Union
            | Kind::Enum
            | Kind::Fwd
            | Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::FuncProto
            | Kind::Float
            | Kind::TypeTag
            | Kind::Enum64 => true,
        }
    }

    /// The kind as one bit, for sets of kinds.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Bytes that follow the 12-byte record: a fixed trailer and a part per vlen element.
    pub fn trailer(self) -> (usize, usize) {
        match self {
            Kind::Int | Kind::Var | Kind::DeclTag => (4, 0),
            Kind::Array => (12, 0),
            Kind::Struct | Kind::Union | Kind::Datasec | Kind::Enum64 => (0, 12),
            Kind::Enum | Kind::FuncProto => (0, 8),
            Kind::Ptr
            | Kind::Fwd
            | Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Func
            | Kind::Float
            | Kind::TypeTag => (0, 0),
        }
    }
}

/// The info word, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// Number in the kind field; see [`Kind::from_number`].
    pub kind_number: u32,
    /// Members, enumerators, parameters or variables; for a FUNC its linkage.
    pub vlen: u32,
    /// Meaning depends on the kind: bit-field encoding (struct), union (fwd), signed (enum), attribute (tags).
    pub kflag: bool,
}

impl Info {
    /// Takes an info word apart, with the wide fields of 7.x; older words have zeros in the added bits.
    pub fn from_word(word: u32) -> Info {
        Info { kind_number: (word >> 24) & 0x7f, vlen: word & MAX_VLEN, kflag: word >> 31 != 0 }
    }

    /// The info word of a type.
    pub fn to_word(kind: Kind, vlen: u32, kflag: bool) -> u32 {
        (u32::from(kflag) << 31) | ((kind as u32) << 24) | (vlen & MAX_VLEN)
    }
}
