//! Base types, pointers, modifiers, typedefs: what refers to at most one type.

use btf::graph::Head;
use btf::kind::Kind;
use btf::strings::StrId;
use dwarf::die::{Attr, Role};
use dwarf::walk::Die;
use gimli::{DwAte, Endianity};

use super::{Converter, Open, RawRef, Tagged, head};

/// Encoding bits of an INT's trailer (btf.rst 2.2.1).
pub const SIGNED: u32 = 1 << 24;
const BOOL: u32 = 4 << 24;

impl<E: Endianity> Converter<'_, '_, '_, '_, E> {
    /// A base type: INT or FLOAT (DWARF5 5.1, 7.8). Plain `char` is SIGNED or not, never CHAR, as in all kernels' BTF.
    pub(super) fn base_type(&mut self, die: Die<'_>) -> Role {
        let place = self.out.reserve(die.offset);
        let a = die.attributes;
        let size = a.unsigned(Attr::ByteSize).or_else(|| a.unsigned(Attr::BitSize).map(|b| b.div_ceil(8))).unwrap_or(0);
        let encoding = DwAte(a.unsigned(Attr::Encoding).unwrap_or(0) as u8);
        if !is_known(encoding) {
            self.out.degraded.base_types += 1;
        }
        let is_complex = matches!(encoding, gimli::DW_ATE_complex_float | gimli::DW_ATE_imaginary_float);
        let as_float = encoding == gimli::DW_ATE_float && self.features.float && self.dialect.float;
        let sizes: &[u64] = if as_float { &[2, 4, 8, 12, 16] } else { &[1, 2, 4, 8, 16] };
        if is_complex || !sizes.contains(&size) {
            self.out.degraded.base_types += u64::from(is_known(encoding));
            let bytes = self.bytes(size);
            self.out.alias(place, bytes);
            return Role::Other;
        }
        let mut name = self.name(a);
        if name == StrId::EMPTY {
            name = self.names.intern(format!("__int{}", size * 8).as_bytes());
        }
        if as_float {
            self.out.define(place, head(Kind::Float), name, size as u32, &[]);
        } else {
            let bits = match encoding {
                gimli::DW_ATE_boolean => BOOL,
                gimli::DW_ATE_signed | gimli::DW_ATE_signed_char => SIGNED,
                _ => 0,
            };
            // What is narrower than its bytes (_BitInt) is another type than one of all of them.
            let width = a.unsigned(Attr::BitSize).filter(|&bits| bits > 0 && bits < size * 8).unwrap_or(size * 8);
            self.out.define(place, head(Kind::Int), name, size as u32, &[bits | width as u32]);
        }
        Role::Other
    }

    pub(super) fn modifier(&mut self, die: Die<'_>, kind: Kind) -> Role {
        let place = self.out.reserve(die.offset);
        let target = self.type_of(die.attributes);
        self.out.define(place, head(kind), StrId::EMPTY, target.0, &[]);
        Role::Other
    }

    /// `_Atomic` and the like: BTF has no word for them, the type itself is right in size and meaning.
    pub(super) fn qualifier(&mut self, die: Die<'_>) -> Role {
        let place = self.out.reserve(die.offset);
        let target = self.type_of(die.attributes);
        self.out.degraded.qualifiers += 1;
        self.out.alias(place, target);
        Role::Other
    }

    /// References of C++ are pointers to the machine; a pointer to a member has another size and stays bytes.
    pub(super) fn reference(&mut self, die: Die<'_>) -> Role {
        if die.role == Role::Reference {
            self.out.degraded.foreign_types += 1;
            return self.modifier(die, Kind::Ptr);
        }
        let place = self.out.reserve(die.offset);
        self.out.degraded.foreign_types += 1;
        let bytes = self.bytes(u64::from(self.unit.header.encoding.address_size));
        self.out.alias(place, bytes);
        Role::Other
    }

    /// `nullptr_t` and such: no type, also behind pointers.
    pub(super) fn unspecified(&mut self, die: Die<'_>) -> Role {
        let place = self.out.reserve(die.offset);
        self.out.alias(place, RawRef::VOID);
        Role::Other
    }

    /// A type of another language: bytes of the same size.
    pub(super) fn foreign_type(&mut self, die: Die<'_>) -> Role {
        let place = self.out.reserve(die.offset);
        self.out.degraded.foreign_types += 1;
        if let Some(size) = die.attributes.unsigned(Attr::ByteSize).filter(|&s| s > 0) {
            let bytes = self.bytes(size);
            self.out.alias(place, bytes);
        }
        Role::Other
    }

    #[inline]
    pub(super) fn pointer(&mut self, die: Die<'_>) -> Role {
        let place = self.out.reserve(die.offset);
        let target = self.type_of(die.attributes);
        self.out.define(place, head(Kind::Ptr), StrId::EMPTY, target.0, &[]);
        self.annotate_pointer(die.attributes, place);
        if !die.has_children {
            return Role::Other;
        }
        let first = self.out.scratch.annotations.len();
        self.open(Open { place, name: StrId::EMPTY, size: 0, target, first });
        Role::Pointer
    }

    /// A pointer whose annotations were its children: PTR -> TYPE_TAG tn -> ... -> TYPE_TAG t1 -> pointee.
    pub(super) fn end_pointer(&mut self) {
        let Some(open) = self.out.scratch.open.pop() else { return };
        let mut target = open.target;
        for i in open.first..self.out.scratch.annotations.len() {
            let tag = self.out.scratch.annotations[i];
            target = self.out.synthetic(head(Kind::TypeTag), tag, target.0, &[]);
        }
        self.out.scratch.annotations.truncate(open.first);
        self.out.records.get_mut(open.place)[2] = target.0;
    }

    pub(super) fn typedef(&mut self, die: Die<'_>) -> Role {
        let place = self.out.reserve(die.offset);
        let name = self.name(die.attributes);
        let target = self.type_of(die.attributes);
        if name == StrId::EMPTY {
            self.out.degraded.nameless += 1;
            self.out.alias(place, target);
        } else {
            self.out.define(place, Head { kind: Kind::Typedef, kflag: false }, name, target.0, &[]);
        }
        self.annotate(die.attributes, Tagged::Type(RawRef(die.offset)), -1);
        if !die.has_children {
            return Role::Other;
        }
        self.open(Open { place: die.offset as usize, name, size: 0, target, first: 0 });
        Role::Typedef
    }
}

/// Encodings that BTF has a word for.
fn is_known(encoding: DwAte) -> bool {
    matches!(
        encoding,
        gimli::DW_ATE_boolean
            | gimli::DW_ATE_float
            | gimli::DW_ATE_signed
            | gimli::DW_ATE_signed_char
            | gimli::DW_ATE_unsigned
            | gimli::DW_ATE_unsigned_char
            | gimli::DW_ATE_UTF
            | gimli::DW_ATE_ASCII
            | gimli::DW_ATE_UCS
            | gimli::DW_ATE_address
    )
}
