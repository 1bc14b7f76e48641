//! Attribute forms (DWARF5 7.5.6): how a value is laid out, and what class of value it is. One table for reading and for
//! passing over.

use gimli::DwForm;

use crate::die::{Text, Value};
use crate::plan::Encoding;

/// How many bytes a value takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    /// 1, 2, 3, 4 or 8 bytes; the value is the number in them.
    Fixed(u8),
    /// 16 bytes, which are the value.
    Sixteen,
    /// Unsigned LEB128.
    Uleb,
    /// Signed LEB128.
    Sleb,
    /// Bytes up to a NUL.
    String,
    /// A length of so many bytes (0: an unsigned LEB128), then as many bytes as it says.
    Block(u8),
    /// No bytes: the form is the value.
    Present,
    /// No bytes: the value stands in the abbreviation.
    Constant,
    /// The form comes first, as an unsigned LEB128.
    Indirect,
}

/// What a value is. Together with the number (or the place) that was read it makes a [`Value`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs)] // the names are those of `Value` and `Text`
pub(crate) enum Class {
    Unsigned,
    Signed,
    Flag,
    UnitOffset,
    InfoOffset,
    SameSection,
    Signature,
    Str,
    LineStr,
    Inline,
    Index,
    Block,
    SectionOffset,
    ListIndex,
    Address,
    AddressIndex,
    AlternateOffset,
    AlternateStr,
}

impl Class {
    /// The value of this class. `length` counts for blocks only.
    #[inline(always)]
    pub fn value(self, word: u64, length: u64) -> Value {
        match self {
            Class::Unsigned => Value::Unsigned(word),
            Class::Signed => Value::Signed(word as i64),
            Class::Flag => Value::Flag(word != 0),
            Class::UnitOffset => Value::UnitOffset(word),
            Class::InfoOffset => Value::InfoOffset(word),
            Class::SameSection => Value::SameSection(word),
            Class::Signature => Value::Signature(word),
            Class::Str => Value::Text(Text::Str(word)),
            Class::LineStr => Value::Text(Text::LineStr(word)),
            Class::Inline => Value::Text(Text::Inline(word as usize)),
            Class::Index => Value::Text(Text::Index(word)),
            Class::Block => Value::Block(word as usize, length as usize),
            Class::SectionOffset => Value::SectionOffset(word),
            Class::ListIndex => Value::ListIndex(word),
            Class::Address => Value::Address(word),
            Class::AddressIndex => Value::AddressIndex(word),
            Class::AlternateOffset => Value::AlternateOffset(word),
            Class::AlternateStr => Value::Text(Text::Alternate(word)),
        }
    }
}

/// Layout and class of a form; None for an unknown one.
pub(crate) fn of(form: DwForm, encoding: Encoding) -> Option<(Layout, Class)> {
    use Layout::{Block, Constant, Fixed, Indirect, Present, Sixteen, Sleb, String, Uleb};
    let offset = Fixed(encoding.offset_size());
    let address = Fixed(encoding.address_size);
    Some(match form {
        gimli::DW_FORM_data1 => (Fixed(1), Class::Unsigned),
        gimli::DW_FORM_data2 => (Fixed(2), Class::Unsigned),
        gimli::DW_FORM_data4 => (Fixed(4), Class::Unsigned),
        gimli::DW_FORM_data8 => (Fixed(8), Class::Unsigned),
        gimli::DW_FORM_data16 => (Sixteen, Class::Block),
        gimli::DW_FORM_udata => (Uleb, Class::Unsigned),
        gimli::DW_FORM_sdata => (Sleb, Class::Signed),
        gimli::DW_FORM_implicit_const => (Constant, Class::Signed),
        gimli::DW_FORM_flag => (Fixed(1), Class::Flag),
        gimli::DW_FORM_flag_present => (Present, Class::Flag),
        // Not those of the file that the unit was split off from.
        gimli::DW_FORM_strp if encoding.is_split => (offset, Class::AlternateStr),
        gimli::DW_FORM_strp => (offset, Class::Str),
        gimli::DW_FORM_line_strp => (offset, Class::LineStr),
        gimli::DW_FORM_string => (String, Class::Inline),
        gimli::DW_FORM_strx1 => (Fixed(1), Class::Index),
        gimli::DW_FORM_strx2 => (Fixed(2), Class::Index),
        gimli::DW_FORM_strx3 => (Fixed(3), Class::Index),
        gimli::DW_FORM_strx4 => (Fixed(4), Class::Index),
        gimli::DW_FORM_strx | gimli::DW_FORM_GNU_str_index => (Uleb, Class::Index),
        gimli::DW_FORM_ref1 => (Fixed(1), Class::UnitOffset),
        gimli::DW_FORM_ref2 => (Fixed(2), Class::UnitOffset),
        gimli::DW_FORM_ref4 => (Fixed(4), Class::UnitOffset),
        gimli::DW_FORM_ref8 => (Fixed(8), Class::UnitOffset),
        gimli::DW_FORM_ref_udata => (Uleb, Class::UnitOffset),
        // DWARF 2 gave references the size of an address (DWARF2 7.5.4).
        gimli::DW_FORM_ref_addr if encoding.version <= 2 => (address, Class::InfoOffset),
        gimli::DW_FORM_ref_addr => (offset, Class::InfoOffset),
        gimli::DW_FORM_ref_sig8 => (Fixed(8), Class::Signature),
        gimli::DW_FORM_addr => (address, Class::Address),
        gimli::DW_FORM_addrx1 => (Fixed(1), Class::AddressIndex),
        gimli::DW_FORM_addrx2 => (Fixed(2), Class::AddressIndex),
        gimli::DW_FORM_addrx3 => (Fixed(3), Class::AddressIndex),
        gimli::DW_FORM_addrx4 => (Fixed(4), Class::AddressIndex),
        gimli::DW_FORM_addrx | gimli::DW_FORM_GNU_addr_index => (Uleb, Class::AddressIndex),
        gimli::DW_FORM_sec_offset => (offset, Class::SectionOffset),
        gimli::DW_FORM_loclistx | gimli::DW_FORM_rnglistx => (Uleb, Class::ListIndex),
        gimli::DW_FORM_exprloc | gimli::DW_FORM_block => (Block(0), Class::Block),
        gimli::DW_FORM_block1 => (Block(1), Class::Block),
        gimli::DW_FORM_block2 => (Block(2), Class::Block),
        gimli::DW_FORM_block4 => (Block(4), Class::Block),
        gimli::DW_FORM_strp_sup | gimli::DW_FORM_GNU_strp_alt => (offset, Class::AlternateStr),
        gimli::DW_FORM_GNU_ref_alt => (offset, Class::AlternateOffset),
        gimli::DW_FORM_ref_sup4 => (Fixed(4), Class::AlternateOffset),
        gimli::DW_FORM_ref_sup8 => (Fixed(8), Class::AlternateOffset),
        // The class is that of the form which is found.
        gimli::DW_FORM_indirect => (Indirect, Class::Unsigned),
        _ => return None,
    })
}
