//! How the names and classes of one fold are called in another.

use std::borrow::Cow;
use std::ops::Range;

use crate::graph::{ClassId, Head, Ref, Tag};
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::strings::{StrId, Strings};

use super::fold::Use;

/// What the names of a fold are. In a [`Strings`] a name is its number; a fold that was made in a hurry may have put off
/// looking at names, and use any numbers that tell two names apart. A name may have several such numbers; 0 is no name.
pub trait Spelling {
    /// A name of C, as BTF may have it, and whether it had to be changed for that.
    fn identifier(&self, name: StrId) -> (Cow<'_, [u8]>, bool);
    /// A text that may be anything: names of base types (`long int`), tags.
    fn free(&self, name: StrId) -> Cow<'_, [u8]>;
}

impl Spelling for Strings<'_> {
    fn identifier(&self, name: StrId) -> (Cow<'_, [u8]>, bool) {
        (Cow::Borrowed(self.get(name)), false)
    }

    fn free(&self, name: StrId) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.get(name))
    }
}

/// What the names and classes of one fold are in a base, as far as the base has them. Files of one kernel have most of their
/// types from its base, so a fold that reads one file after the other needs to look them up only once. It says nothing of
/// what a file has of its own.
#[derive(Debug, Default)]
pub struct InBase {
    identifiers: FixedMap<StrId, StrId>,
    free: FixedMap<StrId, StrId>,
    /// Per class that of the base, or anything that is not the base's.
    classes: Vec<ClassId>,
}

/// How the names and classes of one fold are called in another; the result of [`super::fold::Fold::merge`].
pub struct Renumbering<'s> {
    spelling: &'s dyn Spelling,
    identifiers: FixedMap<StrId, StrId>,
    free: FixedMap<StrId, StrId>,
    in_base: InBase,
    first_class: u32,
    /// Identifiers that had to be changed, as they are now.
    pub changed: Vec<StrId>,
    /// True if the fold took two types for different, or a type for named, that a unit's names do not tell apart: it has to
    /// be made again with numbers that are the names'.
    pub misled: bool,
}

impl<'s> Renumbering<'s> {
    /// For a fold with these classes of its own.
    pub(super) fn new(spelling: &'s dyn Spelling, in_base: InBase, own: Range<u32>) -> Renumbering<'s> {
        let mut map = Renumbering {
            spelling,
            identifiers: FixedMap::default(),
            free: FixedMap::default(),
            in_base,
            first_class: own.start,
            changed: Vec::new(),
            misled: false,
        };
        map.in_base.classes.resize(own.len(), ClassId(0));
        map
    }

    /// What is known of the base, for the next file of this fold; `None` if there was something to say about the names, which
    /// must be said of every file that has them.
    pub fn into_in_base(self) -> Option<InBase> {
        (self.changed.is_empty() && !self.misled).then_some(self.in_base)
    }

    /// The number of an identifier in `strings`, those of the other fold.
    pub fn name(&mut self, name: StrId, strings: &mut Strings<'_>) -> StrId {
        if name == StrId::EMPTY {
            return name;
        }
        if let Some(&known) = self.in_base.identifiers.get(&name) {
            return known;
        }
        *self.identifiers.entry(name).or_insert_with(|| {
            let (text, changed) = self.spelling.identifier(name);
            self.misled |= text.is_empty();
            let number = strings.intern(&text);
            self.changed.extend(changed.then_some(number));
            if number.0 < strings.base_len() {
                self.in_base.identifiers.insert(name, number);
            }
            number
        })
    }

    /// The number of a text in `strings`, those of the other fold.
    pub fn free_name(&mut self, name: StrId, strings: &mut Strings<'_>) -> StrId {
        if name == StrId::EMPTY {
            return name;
        }
        if let Some(&known) = self.in_base.free.get(&name) {
            return known;
        }
        *self.free.entry(name).or_insert_with(|| {
            let text = self.spelling.free(name);
            self.misled |= text.is_empty();
            let number = strings.intern(&text);
            if number.0 < strings.base_len() {
                self.in_base.free.insert(name, number);
            }
            number
        })
    }

    /// The number of an identifier that was asked for before.
    pub(super) fn known_name(&self, name: StrId) -> Option<StrId> {
        self.in_base.identifiers.get(&name).or_else(|| self.identifiers.get(&name)).copied()
    }

    /// Renumbers the names of a record.
    pub(super) fn names(&mut self, record: &mut [u32], strings: &mut Strings<'_>) {
        let own = StrId(record[1]);
        record[1] = 0;
        crate::graph::map_names(record, |name| self.name(name, strings));
        record[1] = match Head::of(record).kind {
            Kind::Int | Kind::Float | Kind::TypeTag | Kind::DeclTag => self.free_name(own, strings).0,
            _ => self.name(own, strings).0,
        };
    }

    /// The class's new number.
    pub fn class(&self, class: ClassId) -> ClassId {
        class.0.checked_sub(self.first_class).map_or(class, |own| self.in_base.classes[own as usize])
    }

    /// Whether the class is known to be one of the base's, which end before `end`.
    pub(super) fn is_in_base(&self, class: ClassId, end: u32) -> bool {
        (1..end).contains(&self.class(class).0)
    }

    /// Sets the new number of one of the fold's own classes.
    pub(super) fn set_class(&mut self, class: ClassId, new: ClassId) {
        self.in_base.classes[(class.0 - self.first_class) as usize] = new;
    }

    /// The use of a type, with its reference renumbered.
    pub fn used(&mut self, used: Use, strings: &mut Strings<'_>) -> Use {
        Use { reference: self.reference(used.reference, strings), local: used.local }
    }

    /// The reference, with its class or name renumbered.
    pub fn reference(&mut self, reference: Ref, strings: &mut Strings<'_>) -> Ref {
        match reference {
            Ref::Void => Ref::Void,
            Ref::Class(class) => Ref::Class(self.class(class)),
            Ref::Tag(tag) => Ref::Tag(Tag { kind: tag.kind, name: self.name(tag.name, strings) }),
        }
    }
}
