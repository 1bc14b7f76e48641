//! Annotations: type tags of pointers and declaration tags.

use btf::strings::StrId;
use dwarf::die::{Attr, Role, Value};
use dwarf::walk::Die;
use gimli::Endianity;

use super::{Converter, RawRef};

/// A declaration tag.
#[derive(Clone, Copy, Debug)]
pub struct RawTag {
    /// What is tagged.
    pub tagged: Tagged,
    /// Member or parameter number, or -1 for the whole.
    pub component: i32,
    /// The tag's text.
    pub text: StrId,
}

/// What a declaration tag stands on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tagged {
    /// A struct, union or typedef.
    Type(RawRef),
    /// A function of the unit, by its number.
    Function(usize),
    /// A variable of the unit, by its number.
    Variable(usize),
}

/// The declaration tags of a unit's functions, or of its variables, by their numbers.
pub struct TagsByNumber {
    sorted: Vec<(usize, RawTag)>,
}

impl TagsByNumber {
    /// Those for which `number` tells one.
    pub fn new(tags: &[RawTag], number: impl Fn(Tagged) -> Option<usize>) -> TagsByNumber {
        let mut sorted: Vec<(usize, RawTag)> = tags.iter().filter_map(|t| Some((number(t.tagged)?, *t))).collect();
        sorted.sort_by_key(|t| t.0);
        TagsByNumber { sorted }
    }

    /// The tags of one, in their order.
    pub fn of(&self, number: usize) -> impl Iterator<Item = &RawTag> {
        let first = self.sorted.partition_point(|t| t.0 < number);
        self.sorted[first..].iter().take_while(move |t| t.0 == number).map(|t| &t.1)
    }
}

impl<E: Endianity> Converter<'_, '_, '_, '_, E> {
    /// `DW_TAG_LLVM_annotation`: the name tells the attribute, the constant value its text.
    pub(super) fn annotation(&mut self, die: Die<'_>) -> Role {
        let (Some(Value::Text(name)), Some(Value::Text(text))) =
            (die.attributes.get(Attr::Name), die.attributes.get(Attr::ConstValue))
        else {
            return Role::Other;
        };
        let name = self.unit.text(name).unwrap_or(b"");
        let open = &self.out.scratch.open;
        let Some(&top) = open.last() else { return Role::Other };
        let below = open.len().checked_sub(2).map(|i| open[i]);
        if die.parent == Role::Pointer {
            if name == b"btf_type_tag" && self.features.type_tag && self.dialect.type_tag {
                let text = self.names.spelling(self.unit, text);
                if text != StrId::EMPTY {
                    self.out.scratch.annotations.push(text);
                }
            }
            return Role::Other;
        }
        if name != b"btf_decl_tag" || !self.features.decl_tag {
            return Role::Other;
        }
        let (tagged, component) = match (die.parent, below) {
            (Role::Struct | Role::Union, _) => (Tagged::Type(top.target), -1),
            (Role::Typedef, _) => (Tagged::Type(RawRef(top.place as u32)), -1),
            (Role::Member, Some(composite)) => (Tagged::Type(composite.target), (top.place - composite.first) as i32),
            (Role::Subprogram, _) => (Tagged::Function(top.place), -1),
            (Role::Parameter, Some(_)) => {
                let (first, end) = self.out.functions[top.place].parameters;
                (Tagged::Function(top.place), (end - first) as i32 - 1)
            }
            (Role::Variable, _) => (Tagged::Variable(top.place), -1),
            _ => return Role::Other,
        };
        let text = self.names.spelling(self.unit, text);
        if text != StrId::EMPTY {
            self.out.tags.push(RawTag { tagged, component, text });
        }
        Role::Other
    }
}
