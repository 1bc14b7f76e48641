//! DECL_TAGs: attributes on types, members and parameters.
//!
//! They take no part in the identity of what they are put on: two equal structs with different tags are one struct with
//! both. So they stand apart while types are folded, and follow their targets once those are known.
//!
//! Units hand their tags to a [`DeclTags`]; [`DeclTags::resolve`] finds the targets. The encoder adds those on functions
//! and variables, whose numbers only it knows, and [`records`] drops what is there twice.

use super::fold::{Fold, Use};
use super::renumber::Renumbering;
use super::resolve::{Resolution, Target};
use crate::base::{self, Base};
use crate::graph::Head;
use crate::ids::TypeId;
use crate::kind::Kind;
use crate::map::{FixedMap, FixedSet};
use crate::strings::{StrId, Strings};

/// A DECL_TAG on a type of the result.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DeclTag {
    /// The tagged type.
    pub target: Target,
    /// Number of the member or parameter, or -1 for the whole.
    pub component: i32,
    /// Text.
    pub name: StrId,
    /// True if the text is a C attribute (6.15).
    pub kflag: bool,
}

/// The DECL_TAGs on the types of units; see the module's documentation.
#[derive(Debug, Default)]
pub struct DeclTags {
    tags: Vec<Tagged>,
}

#[derive(Clone, Copy, Debug)]
struct Tagged {
    /// Number of the unit in the file.
    unit: u32,
    used: Use,
    component: i32,
    name: StrId,
    kflag: bool,
}

impl DeclTags {
    /// Adds a tag on a type of the unit with this number (that in the file); the order within a unit counts.
    pub fn add(&mut self, unit: u32, used: Use, component: i32, name: StrId, kflag: bool) {
        self.tags.push(Tagged { unit, used, component, name, kflag });
    }

    /// Takes over the tags of another worker, whose fold was merged with the numbering `map` as its result.
    pub fn merge(&mut self, other: DeclTags, map: &mut Renumbering<'_>, strings: &mut Strings<'_>) {
        self.tags.extend(other.tags.into_iter().map(|tag| Tagged {
            used: map.used(tag.used, strings),
            name: map.free_name(tag.name, strings),
            ..tag
        }));
    }

    /// The tags with their targets, in the order of the file. A tag on a forward declaration follows it to the
    /// definition; one on something that is no type of the result is left out.
    pub fn resolve(&self, fold: &Fold<'_>, resolution: &Resolution) -> Vec<DeclTag> {
        let index: FixedMap<u32, usize> = fold.units().iter().enumerate().map(|(i, u)| (u.number, i)).collect();
        let mut tags = self.tags.clone();
        tags.sort_by_key(|tag| tag.unit);
        let resolved = tags.into_iter().filter_map(|tag| {
            let target = resolution.target(*index.get(&tag.unit)?, tag.used);
            let Tagged { component, name, kflag, .. } = tag;
            (target != Target::Base(TypeId::VOID)).then_some(DeclTag { target, component, name, kflag })
        });
        resolved.collect()
    }
}

/// The records to append to [`Resolution::records`]: each tag once, without those that the base has, in the order of
/// targets (the base's first), components and first appearance.
pub fn records(mut tags: Vec<DeclTag>, base: Option<&Base<'_>>) -> Vec<Vec<u32>> {
    let mut seen: FixedSet<DeclTag> = FixedSet::default();
    tags.retain(|&tag| {
        let DeclTag { target, component, name, kflag } = tag;
        let known = match (base, target) {
            (Some(base), Target::Base(target)) => {
                base.decl_tag(base::DeclTag { target, component, name, kflag }).is_some()
            }
            _ => false,
        };
        !known && seen.insert(tag)
    });
    tags.sort_by_key(|tag| (tag.target.word(), tag.component));
    let record = |tag: DeclTag| {
        let head = Head { kind: Kind::DeclTag, kflag: tag.kflag };
        vec![head.word(), tag.name.0, tag.target.word(), tag.component as u32]
    };
    tags.into_iter().map(record).collect()
}
