//! The variables of all inputs, and the sections that they are in.

use super::unit::Unit;
use super::{Output, Own, Places};
use crate::dedup::fold::Use;
use crate::dedup::resolve::Target;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::graph::{FIXED_WORDS, Head};
use crate::kind::Kind;
use crate::map::{FixedMap, FixedSet};
use crate::strings::{StrId, Strings};

/// Alignment of a section, in bytes, where nothing tells it.
const ALIGNMENT: u32 = 8;

/// Name, type and linkage.
type Variable = (StrId, u32, u32);

/// A variable in a piece of a section.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Entry {
    /// From the start of the piece, in bytes.
    offset: u32,
    size: u32,
    variable: Variable,
}

/// What one input has of a section.
struct Piece {
    /// In the order of their offsets, with what the variables are called by: input and number in its unit.
    entries: Vec<(Entry, (usize, u32))>,
    /// The entries, each once.
    distinct: Vec<Entry>,
    size: u32,
    alignment: u32,
}

#[derive(Default)]
pub(super) struct Variables {
    /// Sections in the order in which they were met.
    sections: Vec<(StrId, Vec<Piece>)>,
    index: FixedMap<StrId, usize>,
    /// Variables in no section.
    alone: Vec<(Variable, (usize, u32))>,
}

impl Variables {
    /// Adds the variables of an input.
    ///
    /// # Errors
    /// Sections beyond what 32 bits can say.
    pub fn add(
        &mut self,
        number: usize,
        unit: &Unit,
        strings: &Strings<'_>,
        places: Option<&dyn Places>,
        target: &dyn Fn(Use) -> Target,
    ) -> Result<()> {
        let variable = |local: u32| {
            let record = unit.records.get(local as usize);
            // Functions of the kernel that a program calls are in sections, too, but they are no data.
            (Head::of(record).kind == Kind::Var)
                .then(|| (StrId(record[1]), target(unit.used(record)).word(), record[3]))
        };
        let mut placed: FixedSet<u32> = FixedSet::default();
        for (_, record) in unit.own_of(Kind::Datasec) {
            let name = StrId(record[1]);
            let words = record[FIXED_WORDS..].chunks_exact(3);
            let entries = words.filter_map(|e| {
                let local = e[0].checked_sub(1)?;
                Some((Entry { offset: e[1], size: e[2], variable: variable(local)? }, (number, local)))
            });
            let entries = entries.collect();
            let mut piece = Piece { entries, distinct: Vec::new(), size: record[2], alignment: ALIGNMENT };
            placed.extend(piece.entries.iter().map(|(_, (_, local))| *local));
            piece.place(name, strings, places)?;
            let next = self.sections.len();
            let at = *self.index.entry(name).or_insert(next);
            if at == next {
                self.sections.push((name, Vec::new()));
            }
            let pieces = &mut self.sections[at].1;
            match pieces.iter_mut().find(|other| other.size == piece.size && other.distinct == piece.distinct) {
                // The same once more: its variables are those.
                Some(other) => other.entries.extend(piece.entries),
                None => pieces.push(piece),
            }
        }
        let alone = unit.own_of(Kind::Var).filter(|(local, _)| !placed.contains(local));
        self.alone.extend(alone.filter_map(|(local, _)| Some((variable(local)?, (number, local)))));
        Ok(())
    }

    /// Writes variables and sections.
    ///
    /// # Errors
    /// Sections beyond what 32 bits can say.
    pub fn write(&self, out: &mut Output, own: &mut Own) -> Result<()> {
        let mut written: FixedMap<Variable, Target> = FixedMap::default();
        let push = |out: &mut Output, (name, of, linkage): Variable| out.push(Kind::Var, name, of, &[linkage]);
        for &(variable, place) in &self.alone {
            own.insert(place, *written.entry(variable).or_insert_with(|| push(out, variable)));
        }
        for (name, pieces) in &self.sections {
            let mut words = Vec::new();
            let mut end = 0u32;
            for piece in pieces.iter().filter(|piece| !piece.entries.is_empty()) {
                let start = aligned(end, piece.alignment)?;
                end = added(start, piece.size)?;
                let mut of_entry: FixedMap<Entry, Target> = FixedMap::default();
                for &(entry, place) in &piece.entries {
                    let target = *of_entry.entry(entry).or_insert_with(|| {
                        let var = push(out, entry.variable);
                        words.extend([var.word(), start + entry.offset, entry.size]);
                        var
                    });
                    own.insert(place, target);
                }
            }
            if !words.is_empty() {
                out.push(Kind::Datasec, *name, end, &words);
            }
        }
        Ok(())
    }
}

impl Piece {
    /// Finds out where the variables are, if the section is as a compiler leaves it for the linker: without a size.
    fn place(&mut self, section: StrId, strings: &Strings<'_>, places: Option<&dyn Places>) -> Result<()> {
        let name = strings.get(section);
        let in_file = places.and_then(|places| places.section(name));
        if self.size == 0 {
            let mut end = 0;
            for (entry, _) in &mut self.entries {
                let variable = strings.get(entry.variable.0);
                let known = places.filter(|_| in_file.is_some()).and_then(|places| places.variable(name, variable));
                // What no section of the file has is elsewhere: any place that is free will do.
                let free = aligned(end, entry.size.clamp(1, ALIGNMENT).next_power_of_two())?;
                entry.offset = known.unwrap_or(free);
                end = end.max(added(entry.offset, entry.size)?);
            }
        }
        if let Some((size, alignment)) = in_file {
            self.size = self.size.max(size);
            self.alignment = alignment.clamp(1, 1 << 30).next_power_of_two();
        }
        self.entries.sort_by_key(|(entry, _)| *entry);
        for (entry, _) in &self.entries {
            self.size = self.size.max(added(entry.offset, entry.size)?);
        }
        self.distinct = self.entries.iter().map(|(entry, _)| *entry).collect();
        self.distinct.dedup();
        Ok(())
    }
}

fn added(a: u32, b: u32) -> Result<u32> {
    let text = "a section of more than 4 GiB";
    a.checked_add(b).ok_or_else(|| Error::new(ErrorKind::Limit, Place::Whole, text))
}

fn aligned(offset: u32, alignment: u32) -> Result<u32> {
    Ok(added(offset, alignment - 1)? & !(alignment - 1))
}
