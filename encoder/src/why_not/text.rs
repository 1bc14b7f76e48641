//! Types in the words of C, as far as one line goes.

use gimli::Endianity;

use super::units::Units;
use crate::sources::Place;

/// More qualifiers and pointers than a type has.
const MAX_STEPS: usize = 32;

/// The type of the DIE at a place.
pub fn type_name<E: Endianity>(units: &Units<'_, E>, mut at: Option<Place>) -> gimli::Result<String> {
    // What is in front of the named type, the outermost first.
    let mut steps: Vec<&str> = Vec::new();
    let mut leaf = String::from("void");
    let mut followed = 0;
    while let Some((unit, offset)) = at.filter(|_| followed < MAX_STEPS).map(|at| units.at(at)).transpose()?.flatten() {
        followed += 1;
        let entry = unit.get().entry(offset)?;
        // A declaration that stands for the definition in a type unit.
        if let Some(definition) = entry.attr_value(gimli::DW_AT_signature) {
            at = units.target(&unit, definition);
            continue;
        }
        let name = match entry.attr_value(gimli::DW_AT_name) {
            Some(value) => units.text(&unit, value)?.to_string_lossy().into_owned(),
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
            Some(next) if is_step => units.target(&unit, next),
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
