//! Types of a finished BTF as records.

use crate::error::{Error, ErrorKind, Place, Result};
use crate::graph::{map_names, refs};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::strings::{StrId, Strings};
use crate::view::{BtfView, TypeView};

/// Reads types of a BTF and of its base as records, whose references are still type ids.
pub(crate) struct Reader<'a> {
    view: &'a BtfView<'a>,
    known: FixedMap<u32, StrId>,
}

impl<'a> Reader<'a> {
    pub(crate) fn of(view: &'a BtfView<'a>) -> Reader<'a> {
        Reader { view, known: FixedMap::default() }
    }

    /// Puts the record of a type into `words`. A FUNC has its linkage as a fourth word.
    ///
    /// # Errors
    /// Names or types that are referred to but not there.
    pub(crate) fn read(
        &mut self,
        id: TypeId,
        t: TypeView<'_>,
        strings: &mut Strings<'_>,
        words: &mut Vec<u32>,
    ) -> Result<()> {
        t.read_record(words);
        match t.kind() {
            Kind::Array => words[2] = 0,
            Kind::Func => words.push(t.vlen()),
            _ => {}
        }
        let mut lost = None;
        map_names(words, |offset| {
            *self.known.entry(offset.0).or_insert_with(|| match self.view.string(StrOff(offset.0)) {
                Some(name) => strings.intern(name),
                None if offset.0 == 0 => StrId::EMPTY,
                None => {
                    lost = Some(format!("its name at {:#x} is not there", offset.0));
                    StrId::EMPTY
                }
            })
        });
        if let Some(reference) = refs(words).find(|&r| r >= self.view.end_id().0) {
            lost = Some(format!("it refers to type {reference}, which is not there"));
        }
        match lost {
            Some(text) => Err(Error::new(ErrorKind::Record, Place::Type(id), text)),
            None => Ok(()),
        }
    }
}
