//! What a file has of a function, for people: its symbols, and each DIE of it with its place in the source, its prototype and what
//! became of it.
//!
//! Encoding needs none of this and knows less: it is read apart, with gimli's own reader, which also reads line programs.

pub mod declared;
mod reader;
mod text;
mod units;

use std::collections::{BTreeMap, BTreeSet};

use dwarf::elf::ElfFile;
use dwarf::unit::{PlansBuffer, Unit, UnitHeader, UnitKind};
use gimli::{BigEndian, Endianity, LittleEndian};
use object::elf;

use crate::error::{Error, ErrorKind, Result};
use crate::functions::entry;
use crate::sources::{Place, Sources};
use crate::split::SplitFiles;
use reader::Reader;
use units::Units;

/// What a file has of a function.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Evidence {
    /// Symbols of that name, and those with something appended to it (`.isra.0`), in the order of the symbol table.
    pub symbols: Vec<Symbol>,
    /// DIEs that describe it, in the order of the file; those without code that say the same are one.
    pub dies: Vec<Described>,
}

/// A symbol of a function's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol {
    /// The whole name.
    pub name: String,
    /// What it is of.
    pub kind: SymbolKind,
    /// Where it is, as in `.text+0x10`; empty if it is not defined.
    pub place: String,
}

/// What a symbol is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SymbolKind {
    /// A function.
    Function,
    /// It is not defined in this file.
    Undefined,
    /// A function that chooses one (STT_GNU_IFUNC).
    Indirect,
    /// Data, or something without a type.
    Other,
}

/// A DIE that describes a function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// File and line; the name of the unit if that is not known.
    pub source: String,
    /// In the words of C.
    pub prototype: String,
    /// DWARF's code of the unit's language.
    pub language: u16,
    /// What became of it.
    pub fate: Fate,
    /// How many DIEs say the same.
    pub count: usize,
}

/// What became of a function's DIE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// There is code of it.
    Code {
        /// Where, as in `.text+0x10`.
        place: String,
        /// Where each parameter is when the function is entered.
        parameters: Vec<(String, String)>,
    },
    /// It was inlined so many times, first at this place in the source.
    Inlined(usize, String),
    /// It is only declared.
    Declared,
    /// Nothing is left of it.
    Gone,
}

/// The evidence for a name without appendix.
///
/// # Errors
/// Damaged ELF or DWARF.
pub fn evidence(file: &ElfFile<'_>, name: &[u8]) -> Result<Evidence> {
    let symbols = symbols(file, name)?;
    let dies = match file.endian {
        object::Endianness::Little => described(file, name, LittleEndian)?,
        object::Endianness::Big => described(file, name, BigEndian)?,
    };
    Ok(Evidence { symbols, dies })
}

fn symbols(file: &ElfFile<'_>, name: &[u8]) -> Result<Vec<Symbol>> {
    let mut found = Vec::new();
    file.each_symbol(|symbol| {
        let full = file.symbol_name(&symbol)?;
        if full.strip_prefix(name).is_none_or(|appendix| !matches!(appendix, [] | [b'.', ..])) {
            return Ok(());
        }
        let kind = match symbol.kind {
            _ if symbol.section == 0 && symbol.value == 0 => SymbolKind::Undefined,
            elf::STT_FUNC => SymbolKind::Function,
            elf::STT_GNU_IFUNC => SymbolKind::Indirect,
            _ => SymbolKind::Other,
        };
        let place = match kind {
            SymbolKind::Undefined => String::new(),
            _ => entry(file, &symbol).map_or_else(String::new, |address| place(file, address)),
        };
        found.push(Symbol { name: String::from_utf8_lossy(full).into_owned(), kind, place });
        Ok::<(), Error>(())
    })?;
    Ok(found)
}

/// An address as section and offset.
fn place(file: &ElfFile<'_>, address: u64) -> String {
    let loaded = |s: &&dwarf::elf::Section<'_>| s.flags & u64::from(elf::SHF_ALLOC) != 0;
    let has =
        |s: &&dwarf::elf::Section<'_>| address.checked_sub(s.address).is_some_and(|offset| offset < s.size.max(1));
    match file.sections.iter().filter(loaded).find(has) {
        Some(s) => format!("{}+{:#x}", String::from_utf8_lossy(s.name), address - s.address),
        None => format!("{address:#x}"),
    }
}

fn described<E: Endianity>(file: &ElfFile<'_>, name: &[u8], endian: E) -> Result<Vec<Described>> {
    let data = file.debug_data()?;
    let package_data = file.package_data();
    let (line, alternate_line) = (file.line_programs()?, file.alternate_line_programs()?);
    let package_line = file.package_line_programs()?;
    let sources = Sources::new(&data, endian)?;
    let split = SplitFiles::new(file, package_data.as_ref(), endian);
    let alternate = data.alternate.as_ref().map(|(alternate, _)| &**alternate);
    let units = Units::new(&sources, [line.whole(), alternate_line.whole()], alternate, endian);
    let mut dies = Vec::new();
    let (whole, skeletons) = whole_and_skeletons(&sources, endian)?;
    add(&mut dies, file, &units, &whole, name)?;
    for (place, header, id) in skeletons {
        let skeleton = Skeleton { file, sources: &sources, line: line.whole(), place, header, endian };
        if let Some((package, found)) = split.in_package(id) {
            skeleton.add(&mut dies, &package.sources, package_line.whole(), found, name)?;
            continue;
        }
        let source = sources.get(place.source());
        let bytes = source.info.whole().get(header.range()).unwrap_or_default();
        let opened = Unit::open(header, bytes, source.sections, &mut PlansBuffer::default(), endian)?;
        split.in_file(&opened, id, |elf, units, found| {
            let line = elf.split_line_programs()?;
            skeleton.add(&mut dies, &units.sources, line.whole(), found, name)
        })?;
    }
    data.check()?;
    Ok(dies)
}

fn failed(e: gimli::Error) -> Error {
    Error::new(ErrorKind::Input, format!("damaged DWARF: {e}"))
}

/// A unit to look into: where it is, and whether it is one of the file's own.
type Wanted = (Place, UnitHeader, bool);

/// The skeleton of a unit that was split off: where it is, and what tells the unit.
type Left = (Place, UnitHeader, u64);

/// What is left in a file of a unit that was split off.
struct Skeleton<'s, 'f, E> {
    file: &'s ElfFile<'f>,
    sources: &'s Sources<'s>,
    line: &'s [u8],
    place: Place,
    header: UnitHeader,
    endian: E,
}

impl<E: Endianity> Skeleton<'_, '_, E> {
    /// Adds what its unit, which is among others, has of a function.
    fn add(
        &self,
        dies: &mut Vec<Described>,
        split: &Sources<'_>,
        line: &[u8],
        unit: UnitHeader,
        name: &[u8],
    ) -> Result<()> {
        let in_file = Units::new(self.sources, [self.line, &[]], None, self.endian);
        let skeleton = in_file.open(self.place, &self.header).map_err(failed)?;
        let units = Units::split(split, line, skeleton, self.endian);
        add(dies, self.file, &units, &[(Place::new(0, unit.offset as u64), unit, true)], name)
    }
}

/// The units that functions can be in; and the skeletons of those that were split off, with what tells them.
fn whole_and_skeletons<E: Endianity>(sources: &Sources<'_>, endian: E) -> Result<(Vec<Wanted>, Vec<Left>)> {
    let (mut whole, mut skeletons) = (Vec::new(), Vec::new());
    let mut plans = PlansBuffer::default();
    for (number, source) in sources.all() {
        for header in source.headers.iter().filter(|header| header.kind != UnitKind::Type) {
            let place = Place::new(number, header.offset as u64);
            let bytes = source.info.whole().get(header.range()).unwrap_or_default();
            let header = header.read_again(bytes, endian)?;
            let unit = Unit::open(header, bytes, source.sections, &mut plans, endian)?;
            match unit.dwo_id.filter(|_| !unit.dwo_name.is_empty()) {
                Some(id) => skeletons.push((place, header, id)),
                None => whole.push((place, header, source.is_own())),
            }
        }
    }
    Ok((whole, skeletons))
}

/// Adds what some units have of a function.
fn add<E: Endianity>(
    dies: &mut Vec<Described>,
    file: &ElfFile<'_>,
    units: &Units<'_, E>,
    wanted: &[Wanted],
    name: &[u8],
) -> Result<()> {
    let (functions, calls) = Reader::new(units, file.machine).functions(wanted, name).map_err(failed)?;
    let origins: BTreeSet<Place> = functions.values().filter_map(|f| f.origin).collect();
    for (at, function) in &functions {
        let is_abstract = function.addresses.is_empty();
        // What has code says more than the abstract instance that it refers to.
        if is_abstract && origins.contains(at) && !calls.contains_key(at) {
            continue;
        }
        let known = chain(&functions, *at);
        let first = |of: fn(&reader::Function) -> Option<&String>| known.iter().find_map(|f| of(f)).cloned();
        let fate = match (function.addresses.first(), calls.get(at)) {
            (Some(&address), _) => Fate::Code { place: place(file, address), parameters: function.places.clone() },
            (None, Some((count, first))) => Fate::Inlined(*count, first.clone()),
            (None, None) if function.declaration => Fate::Declared,
            (None, None) => Fate::Gone,
        };
        let die = Described {
            source: first(|f| f.source.as_ref()).unwrap_or_else(|| function.unit.clone()),
            prototype: prototype(&String::from_utf8_lossy(name), &known),
            language: function.language,
            fate,
            count: 1,
        };
        if !dies.iter_mut().any(|other: &mut Described| other.takes(&die)) {
            dies.push(die);
        }
    }
    Ok(())
}

impl Described {
    /// Counts another DIE, which another unit has of the same header, if it says the same.
    fn takes(&mut self, other: &Described) -> bool {
        if (&self.source, &self.prototype, self.language) != (&other.source, &other.prototype, other.language) {
            return false;
        }
        match (&mut self.fate, &other.fate) {
            (Fate::Inlined(count, _), Fate::Inlined(more, _)) => *count += more,
            (Fate::Declared, Fate::Declared) | (Fate::Gone, Fate::Gone) => {}
            _ => return false,
        }
        self.count += 1;
        true
    }
}

/// A function and what it refers to as its origin, and so on.
fn chain(functions: &BTreeMap<Place, reader::Function>, at: Place) -> Vec<&reader::Function> {
    let mut known: Vec<&reader::Function> = Vec::new();
    let mut next = Some(at);
    // What leads in a circle ends.
    while let Some(function) = next.and_then(|at| functions.get(&at)).filter(|_| known.len() < 4) {
        known.push(function);
        next = function.origin;
    }
    known
}

fn prototype(name: &str, known: &[&reader::Function]) -> String {
    let result = known.iter().find_map(|f| f.result.clone()).unwrap_or_else(|| "void".into());
    // In the order of the source, which a clone need not have. A declaration may have no names.
    let has_all = |f: &&&reader::Function| !f.parameters.is_empty() && !f.declaration;
    let with_parameters = known.iter().rev().find(has_all).or_else(|| known.iter().find(|f| !f.parameters.is_empty()));
    let parameters = with_parameters.map_or_else(|| "void".into(), |f| f.parameters.join(", "));
    let space = if result.ends_with('*') { "" } else { " " };
    format!("{result}{space}{name}({parameters})")
}
