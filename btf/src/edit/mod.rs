//! A finished BTF, perhaps of another encoder, taken apart to be changed and written again: what `resolve_btfids` of Linux 7.0 and
//! later does between pahole and the final file.
//!
//! [`Edit::of`] has the own types as records; references to the base stay as they are. [`kfunc`] changes the functions that a kernel
//! offers to BPF programs. [`Edit::write`] merges what is equal, also to a type of the base, sorts by name and writes.

mod candidates;
pub mod kfunc;
mod merge;
pub(crate) mod read;
#[cfg(test)]
mod tests;

use crate::base::Base;
use crate::dedup::resolve::Target;
use crate::error::Result;
use crate::graph::{Head, Records, map_refs};
use crate::ids::TypeId;
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::strings::{StrId, Strings};
use crate::view::BtfView;
use crate::writer::{Extensions, Types};
use read::Reader;

/// The own types of a BTF, to be changed.
#[derive(Debug)]
pub struct Edit<'a> {
    view: &'a BtfView<'a>,
    /// The own types in the order of their ids; references are [`Target`] words. A FUNC has its linkage as a fourth word.
    pub records: Records,
    /// Their names.
    pub strings: Strings<'static>,
}

impl<'a> Edit<'a> {
    /// Takes a BTF apart.
    ///
    /// # Errors
    /// Names or types that are referred to but not there.
    pub fn of(view: &'a BtfView<'a>) -> Result<Edit<'a>> {
        let first = view.first_id().0;
        let mut edit = Edit { view, records: Records::default(), strings: Strings::new() };
        let mut reader = Reader::of(view);
        let mut words = Vec::new();
        for (id, t) in view.types() {
            reader.read(id, t, &mut edit.strings, &mut words)?;
            map_refs(&mut words, |id| match id.checked_sub(first) {
                Some(own) => Target::Own(own).word(),
                None => Target::Base(TypeId(id)).word(),
            });
            edit.records.push_record(&words);
        }
        Ok(edit)
    }

    /// The own FUNCs by name: the first one of each.
    pub fn functions(&self) -> FixedMap<&[u8], usize> {
        let mut functions = FixedMap::default();
        for (number, record) in self.records.iter().enumerate() {
            if Head::of(record).kind == Kind::Func {
                functions.entry(self.strings.get(StrId(record[1]))).or_insert(number);
            }
        }
        functions
    }

    /// Writes the BTF: equal types once, in name order, types of one name in their old order.
    ///
    /// # Errors
    /// More types, strings or members than every kernel accepts.
    pub fn write(mut self) -> Result<Vec<u8>> {
        self.merge();
        // For the places of its names; its types were looked up by `merge`.
        let base = self.view.base().map(|base| Base::for_names(base, &Strings::new()));
        let (records, strings) = (&self.records, &self.strings);
        let extensions = Extensions::of(self.view);
        let types = Types { records, strings, base: base.as_ref(), endian: self.view.endian(), extensions };
        Ok(types.write()?.0)
    }
}
