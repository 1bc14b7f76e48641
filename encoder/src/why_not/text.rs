//! Types in the words of C, as far as one line goes.

use gimli::{EndianSlice, Endianity, UnitRef};

type Slice<'a, E> = EndianSlice<'a, E>;

/// More qualifiers and pointers than a type has.
const MAX_STEPS: usize = 32;

/// The type at a DIE of a unit.
pub fn type_name<E: Endianity>(
    unit: UnitRef<'_, Slice<'_, E>>,
    mut at: Option<gimli::UnitOffset<usize>>,
) -> gimli::Result<String> {
    // What is in front of the named type, the outermost first.
    let mut steps: Vec<&str> = Vec::new();
    let mut leaf = String::from("void");
    while let Some(offset) = at.filter(|_| steps.len() < MAX_STEPS) {
        let entry = unit.entry(offset)?;
        let name = match entry.attr_value(gimli::DW_AT_name) {
            Some(value) => unit.attr_string(value)?.to_string_lossy().into_owned(),
            None => "(anonymous)".into(),
        };
        match entry.tag() {
            gimli::DW_TAG_pointer_type | gimli::DW_TAG_reference_type | gimli::DW_TAG_rvalue_reference_type => {
                steps.push("*")
            }
            gimli::DW_TAG_const_type => steps.push("const"),
            gimli::DW_TAG_volatile_type => steps.push("volatile"),
            gimli::DW_TAG_restrict_type => steps.push("restrict"),
            gimli::DW_TAG_atomic_type => steps.push("_Atomic"),
            gimli::DW_TAG_array_type => steps.push("[]"),
            gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type => leaf = format!("struct {name}"),
            gimli::DW_TAG_union_type => leaf = format!("union {name}"),
            gimli::DW_TAG_enumeration_type => leaf = format!("enum {name}"),
            gimli::DW_TAG_subroutine_type => leaf = "function".into(),
            gimli::DW_TAG_unspecified_type => {}
            _ => leaf = name,
        }
        let is_step = matches!(
            entry.tag(),
            gimli::DW_TAG_pointer_type
                | gimli::DW_TAG_reference_type
                | gimli::DW_TAG_rvalue_reference_type
                | gimli::DW_TAG_const_type
                | gimli::DW_TAG_volatile_type
                | gimli::DW_TAG_restrict_type
                | gimli::DW_TAG_atomic_type
                | gimli::DW_TAG_array_type
        );
        at = match entry.attr_value(gimli::DW_AT_type) {
            Some(gimli::AttributeValue::UnitRef(next)) if is_step => Some(next),
            _ => None,
        };
    }
    let mut text = leaf;
    for step in steps.into_iter().rev() {
        text = match step {
            "*" if text.ends_with('*') => text + "*",
            "*" | "[]" => text + " " + step,
            qualifier if text.contains('*') => text + qualifier,
            qualifier => format!("{qualifier} {text}"),
        };
    }
    Ok(text)
}
