//! What the walk tells about a DIE: its role, and the values of the attributes that matter.

use gimli::{DwAt, DwTag};

use crate::form::Class;

/// The part that a DIE plays for a type encoder. Many tags play none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs)] // the names are those of the DWARF tags
pub enum Role {
    /// Nothing that an encoder needs, but it may hold types (blocks, namespaces, inlined subroutines).
    Other,
    /// The unit's own DIE.
    Unit,
    BaseType,
    Pointer,
    Reference,
    PointerToMember,
    Const,
    Volatile,
    Restrict,
    /// A qualifier without a counterpart in BTF: atomic, packed, immutable, shared.
    Qualifier,
    Typedef,
    /// struct, class, interface
    Struct,
    Union,
    Enumeration,
    Array,
    Subroutine,
    /// `void` in disguise: unspecified types (`nullptr_t`).
    Unspecified,
    /// A type of another language: string, set, file, thrown, subrange, dynamic, coarray.
    ForeignType,
    /// DW_TAG_variant_part and DW_TAG_variant (Rust): what is in them belongs to the struct, in the place of one another.
    Variants,
    Member,
    Enumerator,
    Subrange,
    Parameter,
    /// `...`
    VarArgs,
    Subprogram,
    Variable,
    /// DW_TAG_LLVM_annotation (a child) and DW_TAG_GNU_annotation (referred to).
    Annotation,
    /// DW_TAG_imported_unit: the contents of another unit belong here.
    ImportedUnit,
}

/// `DW_TAG_GNU_annotation` and `DW_TAG_LLVM_annotation` share the number 0x6000.
const ANNOTATION: DwTag = DwTag(0x6000);

impl Role {
    /// All roles, by their numbers.
    pub const ALL: [Role; 28] = [
        Role::Other,
        Role::Unit,
        Role::BaseType,
        Role::Pointer,
        Role::Reference,
        Role::PointerToMember,
        Role::Const,
        Role::Volatile,
        Role::Restrict,
        Role::Qualifier,
        Role::Typedef,
        Role::Struct,
        Role::Union,
        Role::Enumeration,
        Role::Array,
        Role::Subroutine,
        Role::Unspecified,
        Role::ForeignType,
        Role::Variants,
        Role::Member,
        Role::Enumerator,
        Role::Subrange,
        Role::Parameter,
        Role::VarArgs,
        Role::Subprogram,
        Role::Variable,
        Role::Annotation,
        Role::ImportedUnit,
    ];

    /// The role as one bit, for sets of roles.
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The role of a tag.
    pub fn of(tag: DwTag) -> Role {
        match tag {
            gimli::DW_TAG_compile_unit
            | gimli::DW_TAG_partial_unit
            | gimli::DW_TAG_type_unit
            | gimli::DW_TAG_skeleton_unit => Role::Unit,
            gimli::DW_TAG_base_type => Role::BaseType,
            gimli::DW_TAG_pointer_type => Role::Pointer,
            gimli::DW_TAG_reference_type | gimli::DW_TAG_rvalue_reference_type => Role::Reference,
            gimli::DW_TAG_ptr_to_member_type => Role::PointerToMember,
            gimli::DW_TAG_const_type => Role::Const,
            gimli::DW_TAG_volatile_type => Role::Volatile,
            gimli::DW_TAG_restrict_type => Role::Restrict,
            gimli::DW_TAG_atomic_type
            | gimli::DW_TAG_packed_type
            | gimli::DW_TAG_immutable_type
            | gimli::DW_TAG_shared_type => Role::Qualifier,
            gimli::DW_TAG_typedef => Role::Typedef,
            gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type | gimli::DW_TAG_interface_type => Role::Struct,
            gimli::DW_TAG_union_type => Role::Union,
            gimli::DW_TAG_enumeration_type => Role::Enumeration,
            gimli::DW_TAG_array_type => Role::Array,
            gimli::DW_TAG_subroutine_type => Role::Subroutine,
            gimli::DW_TAG_unspecified_type => Role::Unspecified,
            gimli::DW_TAG_string_type
            | gimli::DW_TAG_set_type
            | gimli::DW_TAG_file_type
            | gimli::DW_TAG_thrown_type
            | gimli::DW_TAG_dynamic_type
            | gimli::DW_TAG_coarray_type => Role::ForeignType,
            gimli::DW_TAG_variant_part | gimli::DW_TAG_variant => Role::Variants,
            gimli::DW_TAG_member => Role::Member,
            gimli::DW_TAG_enumerator => Role::Enumerator,
            gimli::DW_TAG_subrange_type | gimli::DW_TAG_generic_subrange => Role::Subrange,
            gimli::DW_TAG_formal_parameter => Role::Parameter,
            gimli::DW_TAG_unspecified_parameters => Role::VarArgs,
            gimli::DW_TAG_subprogram => Role::Subprogram,
            gimli::DW_TAG_variable => Role::Variable,
            ANNOTATION => Role::Annotation,
            gimli::DW_TAG_imported_unit => Role::ImportedUnit,
            _ => Role::Other,
        }
    }
}

/// The attributes that matter for some role. The number is the place in [`Attributes`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs)] // the names are those of the DWARF attributes
pub enum Attr {
    Name,
    Type,
    ByteSize,
    BitSize,
    DataBitOffset,
    BitOffset,
    MemberLocation,
    Count,
    UpperBound,
    ConstValue,
    Encoding,
    Declaration,
    External,
    AbstractOrigin,
    Specification,
    LowPc,
    HighPc,
    Ranges,
    Location,
    Inline,
    Artificial,
    CallingConvention,
    Annotation,
    LinkageName,
    Signature,
    Language,
    Producer,
    StrOffsetsBase,
    AddrBase,
    LoclistsBase,
    RnglistsBase,
    DwoName,
    DwoId,
    CompDir,
    RangesBase,
    Import,
}

/// Number of [`Attr`]s.
pub const ATTRS: usize = Attr::Import as usize + 1;

/// The attributes that refer to DIEs.
const REFERENCES: u64 = Attr::Type.bit()
    | Attr::AbstractOrigin.bit()
    | Attr::Specification.bit()
    | Attr::Signature.bit()
    | Attr::Annotation.bit()
    | Attr::Import.bit();

/// `DW_AT_GNU_annotation` (gcc 16)
const GNU_ANNOTATION: DwAt = DwAt(0x2139);

impl Attr {
    /// The attribute as one bit, for sets of attributes.
    pub const fn bit(self) -> u64 {
        1 << self as u32
    }

    /// The attribute with this DWARF number, if a DIE of the role needs it.
    pub fn wanted(at: DwAt, role: Role) -> Option<Attr> {
        let attr = match at {
            gimli::DW_AT_name => Attr::Name,
            gimli::DW_AT_type => Attr::Type,
            gimli::DW_AT_byte_size => Attr::ByteSize,
            gimli::DW_AT_bit_size => Attr::BitSize,
            gimli::DW_AT_data_bit_offset => Attr::DataBitOffset,
            gimli::DW_AT_bit_offset => Attr::BitOffset,
            gimli::DW_AT_data_member_location => Attr::MemberLocation,
            gimli::DW_AT_count => Attr::Count,
            gimli::DW_AT_upper_bound => Attr::UpperBound,
            gimli::DW_AT_const_value => Attr::ConstValue,
            gimli::DW_AT_encoding => Attr::Encoding,
            gimli::DW_AT_declaration => Attr::Declaration,
            gimli::DW_AT_external => Attr::External,
            gimli::DW_AT_abstract_origin => Attr::AbstractOrigin,
            gimli::DW_AT_specification => Attr::Specification,
            gimli::DW_AT_low_pc => Attr::LowPc,
            gimli::DW_AT_high_pc => Attr::HighPc,
            gimli::DW_AT_ranges => Attr::Ranges,
            gimli::DW_AT_location => Attr::Location,
            gimli::DW_AT_inline => Attr::Inline,
            gimli::DW_AT_artificial => Attr::Artificial,
            gimli::DW_AT_calling_convention => Attr::CallingConvention,
            GNU_ANNOTATION => Attr::Annotation,
            gimli::DW_AT_linkage_name | gimli::DW_AT_MIPS_linkage_name => Attr::LinkageName,
            gimli::DW_AT_signature => Attr::Signature,
            gimli::DW_AT_language => Attr::Language,
            gimli::DW_AT_producer => Attr::Producer,
            gimli::DW_AT_str_offsets_base => Attr::StrOffsetsBase,
            gimli::DW_AT_addr_base | gimli::DW_AT_GNU_addr_base => Attr::AddrBase,
            gimli::DW_AT_loclists_base => Attr::LoclistsBase,
            gimli::DW_AT_rnglists_base => Attr::RnglistsBase,
            gimli::DW_AT_dwo_name | gimli::DW_AT_GNU_dwo_name => Attr::DwoName,
            gimli::DW_AT_GNU_dwo_id => Attr::DwoId,
            gimli::DW_AT_comp_dir => Attr::CompDir,
            gimli::DW_AT_GNU_ranges_base => Attr::RangesBase,
            gimli::DW_AT_import => Attr::Import,
            _ => return None,
        };
        attr.matters_to(role).then_some(attr)
    }

    fn matters_to(self, role: Role) -> bool {
        use Attr::*;
        match role {
            Role::Other | Role::Unspecified => false,
            Role::Unit => matches!(
                self,
                Name | LowPc
                    | HighPc
                    | Ranges
                    | Language
                    | Producer
                    | StrOffsetsBase
                    | AddrBase
                    | LoclistsBase
                    | RnglistsBase
                    | DwoName
                    | DwoId
                    | CompDir
                    | RangesBase
            ),
            Role::BaseType => matches!(self, Name | ByteSize | BitSize | Encoding),
            Role::Pointer | Role::Reference | Role::PointerToMember => {
                matches!(self, Type | Annotation)
            }
            Role::Const | Role::Volatile | Role::Restrict | Role::Qualifier => matches!(self, Type),
            Role::Typedef => matches!(self, Name | Type | Annotation),
            Role::Struct | Role::Union => {
                matches!(self, Name | ByteSize | Declaration | Signature | Annotation)
            }
            Role::Enumeration => matches!(self, Name | ByteSize | Declaration | Type | Signature),
            Role::Array => matches!(self, Type | ByteSize),
            Role::Subroutine => matches!(self, Type),
            Role::ForeignType => matches!(self, ByteSize),
            Role::Member => matches!(
                self,
                Name | Type
                    | ByteSize
                    | BitSize
                    | DataBitOffset
                    | BitOffset
                    | MemberLocation
                    | External
                    | Declaration
                    | Annotation
            ),
            Role::Enumerator => matches!(self, Name | ConstValue),
            Role::Subrange => matches!(self, Count | UpperBound | Type),
            Role::Parameter => matches!(self, Name | Type | AbstractOrigin | Location | ConstValue | Annotation),
            Role::VarArgs | Role::Variants => false,
            Role::ImportedUnit => matches!(self, Import),
            Role::Subprogram => matches!(
                self,
                Name | Type
                    | Declaration
                    | External
                    | AbstractOrigin
                    | Specification
                    | LowPc
                    | Ranges
                    | Inline
                    | CallingConvention
                    | Annotation
            ),
            Role::Variable => matches!(
                self,
                Name | Type
                    | Declaration
                    | External
                    | AbstractOrigin
                    | Specification
                    | Location
                    | Artificial
                    | Annotation
            ),
            Role::Annotation => matches!(self, Name | ConstValue | Annotation | Type),
        }
    }
}

/// A decoded attribute value, by class rather than by form (DWARF5 7.5.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    /// A number; the data1 to data8 and udata forms.
    Unsigned(u64),
    /// A number; the sdata and implicit_const forms.
    Signed(i64),
    /// A flag that is set, or not.
    Flag(bool),
    /// A DIE of the same unit: bytes from the unit's start.
    UnitOffset(u64),
    /// A DIE of any unit: bytes from the start of `.debug_info`.
    InfoOffset(u64),
    /// A DIE of the same unit, that is read for another one: bytes from the start of the section that its unit is in.
    SameSection(u64),
    /// A type unit's signature.
    Signature(u64),
    /// A string; see [`Text`].
    Text(Text),
    /// A DWARF expression or other block in `.debug_info`: offset from the unit's start, and length.
    Block(usize, usize),
    /// An offset into another section: of a location list, a range list, a base.
    SectionOffset(u64),
    /// An index into the unit's list of location lists or range lists.
    ListIndex(u64),
    /// An address.
    Address(u64),
    /// An index into the unit's part of `.debug_addr`.
    AddressIndex(u64),
    /// A DIE of the alternate file (dwz; DWARF5 7.3.6): bytes from the start of its `.debug_info`.
    AlternateOffset(u64),
}

/// Where a string is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Text {
    /// Offset in `.debug_str`.
    Str(u64),
    /// Offset in `.debug_line_str`.
    LineStr(u64),
    /// In `.debug_info`: offset from the unit's start.
    Inline(usize),
    /// Number in the unit's part of `.debug_str_offsets`.
    Index(u64),
    /// Offset in `.debug_str` of the alternate file.
    Alternate(u64),
}

/// The wanted attributes of one DIE.
#[derive(Clone, Debug)]
pub struct Attributes {
    present: u64,
    classes: [Class; ATTRS],
    words: [u64; ATTRS],
    /// Bytes of the blocks.
    lengths: [u64; ATTRS],
}

impl Default for Attributes {
    fn default() -> Attributes {
        Attributes { present: 0, classes: [Class::Flag; ATTRS], words: [0; ATTRS], lengths: [0; ATTRS] }
    }
}

impl Attributes {
    /// Forgets all values.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.present = 0;
    }

    /// Sets a value.
    #[inline(always)]
    pub(crate) fn set(&mut self, attr: Attr, class: Class, word: u64) {
        self.present |= 1 << attr as u32;
        self.classes[attr as usize] = class;
        self.words[attr as usize] = word;
    }

    /// Sets the length of a block.
    #[inline(always)]
    pub(crate) fn set_length(&mut self, attr: Attr, length: u64) {
        self.lengths[attr as usize] = length;
    }

    /// The value of an attribute, if the DIE has it.
    #[inline(always)]
    pub fn get(&self, attr: Attr) -> Option<Value> {
        let at = attr as usize;
        self.has(attr).then(|| self.classes[at].value(self.words[at], self.lengths[at]))
    }

    /// Makes the values those of a DIE that is read for another unit: what counts from the start of its own unit, which
    /// starts at `unit`, counts from the start of that unit's section. If the `other_strings` are not those of the unit that
    /// it is read for, they are those of an alternate file.
    pub(crate) fn make_distant(&mut self, unit: u64, other_strings: bool) {
        for attr in [Attr::Name, Attr::ConstValue] {
            if other_strings && self.classes[attr as usize] == Class::Str {
                self.classes[attr as usize] = Class::AlternateStr;
            }
        }
        let mut left = self.present & REFERENCES;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            left &= left - 1;
            if self.classes[at] == Class::UnitOffset {
                self.classes[at] = Class::SameSection;
                self.words[at] = self.words[at].saturating_add(unit);
            }
        }
    }

    /// The offset of a string in `.debug_str`, if the attribute is one.
    #[inline(always)]
    pub fn debug_str(&self, attr: Attr) -> Option<u64> {
        self.of_class(attr, Class::Str)
    }

    /// The offset of a DIE in the same unit, if the attribute is one.
    #[inline(always)]
    pub fn unit_offset(&self, attr: Attr) -> Option<u64> {
        self.of_class(attr, Class::UnitOffset)
    }

    #[inline(always)]
    fn of_class(&self, attr: Attr, class: Class) -> Option<u64> {
        (self.has(attr) && self.classes[attr as usize] == class).then(|| self.words[attr as usize])
    }

    /// True if the DIE has one of some attributes, given as bits ([`Attr::bit`]).
    #[inline(always)]
    pub fn has_any(&self, attrs: u64) -> bool {
        self.present & attrs != 0
    }

    /// True if the DIE has the attribute.
    #[inline(always)]
    pub fn has(&self, attr: Attr) -> bool {
        self.present & 1 << attr as u32 != 0
    }

    /// A number that is not negative.
    #[inline(always)]
    pub fn unsigned(&self, attr: Attr) -> Option<u64> {
        // By class, not by value: this is asked of every member, and there are many sorts of values.
        let word = self.words[attr as usize];
        match self.classes[attr as usize] {
            _ if !self.has(attr) => None,
            Class::Unsigned | Class::SectionOffset => Some(word),
            Class::Signed => u64::try_from(word as i64).ok(),
            _ => None,
        }
    }

    /// True if a flag is set.
    #[inline(always)]
    pub fn flag(&self, attr: Attr) -> bool {
        self.of_class(attr, Class::Flag).is_some_and(|word| word != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_listed_by_number() {
        for (number, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(role as usize, number);
        }
        assert_eq!(Role::ALL.last(), Some(&Role::ImportedUnit));
    }
}
