//! Several finished BTFs as one, each type once, without DWARF: for compilers that emit BTF themselves (`gcc -gbtf`, `clang -target bpf`) and
//! for split BTFs.
//!
//! Each input is a unit of the deduplication that the encoder uses ([`crate::dedup`]), with what it refers to of its base; so a forward
//! declaration in one becomes the definition that another one has, if there is just one. Functions of one name, prototype and linkage are one; one
//! that is only declared (extern) is the global one of its name that takes and returns the same, if there is one. Declaration tags follow what they are on.
//!
//! **Sections.** A DATASEC of an input is a piece of the section of its name. Pieces with the same variables in the same places are one, so that
//! an input that comes twice counts once; others stand one behind the other in the order of the inputs, as a linker puts them. Variables outside of all
//! sections are one if they have the same name, type and linkage.

mod functions;
#[cfg(test)]
mod tests;
mod unit;
mod variables;

use crate::base::Base;
use crate::dedup::fold::{Fold, Use};
use crate::dedup::resolve::{Resolution, Target};
use crate::dedup::tags::{self, DeclTag, DeclTags};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::graph::{Head, Records};
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::strings::StrId;
use crate::view::BtfView;
use crate::writer::{Extensions, Types};
use functions::Functions;
use unit::Unit;
use variables::Variables;

/// A BTF to be merged.
#[derive(Clone, Copy, Debug)]
pub struct Input<'i, 'a> {
    /// The BTF; it may stand on a base.
    pub view: &'i BtfView<'a>,
    /// What the file knows of its sections: compilers leave it to the linker to say in a DATASEC where variables are.
    pub places: Option<&'i dyn Places>,
}

/// What an object file knows of its sections.
pub trait Places: std::fmt::Debug {
    /// Size and alignment of a section, in bytes.
    fn section(&self, name: &[u8]) -> Option<(u32, u32)>;
    /// Offset of a variable in its section, in bytes.
    fn variable(&self, section: &[u8], name: &[u8]) -> Option<u32>;
}

/// Merges BTFs; on a base the result has only what the base does not have.
///
/// # Errors
/// Names or types that are referred to but not there; byte orders that differ; more types or names than BTF has room for.
pub fn merge(inputs: &[Input<'_, '_>], base: Option<&BtfView<'_>>) -> Result<Vec<u8>> {
    let Some(first) = inputs.first() else {
        return Err(Error::new(ErrorKind::Model, Place::Whole, "there is nothing to merge"));
    };
    let endian = first.view.endian();
    if inputs.iter().map(|input| input.view).chain(base).any(|view| view.endian() != endian) {
        let text = "the byte orders of what is to be merged differ";
        return Err(Error::new(ErrorKind::Base, Place::Whole, text));
    }
    let extensions = inputs.iter().map(|input| Extensions::of(input.view));
    let extensions = Extensions { layout: extensions.into_iter().any(|e| e.layout), wide_vlen: true };
    let index = base.map(Base::new);
    let mut fold = Fold::new(index.as_ref().map(|base| (base.strings(), base.classes())));
    let mut decl_tags = DeclTags::default();
    let mut units = Vec::new();
    for (number, input) in inputs.iter().enumerate() {
        let mut unit = Unit::read(input.view, &mut fold.strings)?;
        fold.fold(number as u32, &unit.records);
        unit.note_uses(&fold);
        unit.add_tags(number as u32, &mut decl_tags);
        units.push(unit);
    }
    let resolution = Resolution::new(&fold, index.as_ref());
    let mut out = Output { records: resolution.records.clone(), tags: decl_tags.resolve(&fold, &resolution) };
    let mut functions = Functions::default();
    let mut variables = Variables::default();
    for (number, (unit, input)) in units.iter().zip(inputs).enumerate() {
        let target = |used: Use| resolution.target(number, used);
        functions.add(number, unit, &target);
        variables.add(number, unit, &fold.strings, input.places, &target)?;
    }
    let mut own = Own::default();
    functions.write(&mut out, index.as_ref(), &mut own);
    variables.write(&mut out, &mut own)?;
    for (number, unit) in units.iter().enumerate() {
        let on_own =
            unit.tags_on_own.iter().filter_map(|(on, tag)| Some(DeclTag { target: *own.get(&(number, *on))?, ..*tag }));
        out.tags.extend(on_own);
    }
    for record in tags::records(std::mem::take(&mut out.tags), index.as_ref()) {
        out.records.push_record(&record);
    }
    let types = Types { records: &out.records, strings: &fold.strings, base: index.as_ref(), endian, extensions };
    Ok(types.write()?.0)
}

/// What became of the functions and variables: by the number of the input and of the type in its unit.
type Own = FixedMap<(usize, u32), Target>;

/// The result under construction.
struct Output {
    records: Records,
    tags: Vec<DeclTag>,
}

impl Output {
    fn push(&mut self, kind: Kind, name: StrId, word2: u32, trailer: &[u32]) -> Target {
        Target::Own(self.records.push(Head { kind, kflag: false }, name, word2, trailer) as u32)
    }
}
