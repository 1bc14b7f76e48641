//! Finds the DIEs of a function.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use dwarf::unit::UnitHeader;
use gimli::{AttributeValue, Endianity, Operation, Register, UnitRef};
use object::elf;

use super::text::type_name;
use super::units::{Entry, Located, OpenUnit, Slice, Units};
use crate::sources::Place;

/// What stands for the name of a parameter that has none.
const UNNAMED: &str = "(unnamed)";

/// A subprogram DIE of the function. What it does not say itself its origin does.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Name of its unit.
    pub unit: String,
    /// DWARF's code of the unit's language.
    pub language: u16,
    /// The abstract instance or the declaration that it completes.
    pub origin: Option<Place>,
    /// It is only declared.
    pub declaration: bool,
    /// Where its code begins, if there is some.
    pub addresses: Vec<u64>,
    /// File and line.
    pub source: Option<String>,
    /// The type of the result.
    pub result: Option<String>,
    /// Types and names of the parameters.
    pub parameters: Vec<String>,
    /// Names of the parameters, and where they are when the function is entered.
    pub places: Vec<(String, String)>,
}

/// How often a function was inlined, and where first; by the place of its DIE.
pub type Calls = BTreeMap<Place, (usize, String)>;

/// Finds the DIEs of a function in some units.
pub struct Reader<'r, 'a, E: Endianity> {
    units: &'r Units<'a, E>,
    machine: u16,
}

impl<'r, 'a, E: Endianity> Reader<'r, 'a, E> {
    /// The machine decides what registers are called.
    pub fn new(units: &'r Units<'a, E>, machine: u16) -> Reader<'r, 'a, E> {
        Reader { units, machine }
    }

    /// The subprograms of a name in some units, by their places, with those that refer to them; and where they were inlined. Of the units of an
    /// alternate file (not `own`), which other files have as well, those that are imported or
    /// referred to.
    pub fn functions(
        &self,
        headers: &[(Place, UnitHeader, bool)],
        name: &[u8],
    ) -> gimli::Result<(BTreeMap<Place, Function>, Calls)> {
        let mut found: BTreeMap<Place, Located<'a, E>> = BTreeMap::new();
        // Units that are not the file's own, and what is referred to.
        let foreign: BTreeSet<Place> = headers.iter().filter(|(.., own)| !own).map(|(start, ..)| *start).collect();
        let (mut imports, mut used) = (BTreeMap::new(), BTreeSet::new());
        // Units that have one, or that refer to others.
        let mut concerned: BTreeMap<Place, Rc<OpenUnit<'a, E>>> = BTreeMap::new();
        for (start, header, _) in headers {
            let unit = self.units.open(*start, header)?;
            each_function(&unit, |entry| {
                if let Some(value) = entry.attr_value(gimli::DW_AT_import) {
                    let imported = self.units.target(&unit, value).and_then(|place| self.units.start_of(place));
                    imports.entry(*start).or_insert_with(Vec::new).extend(imported);
                    return Ok(());
                }
                if matches!(origin(entry), Some(AttributeValue::DebugInfoRef(_) | AttributeValue::DebugInfoRefSup(_))) {
                    concerned.insert(*start, unit.clone());
                }
                let Some(value) = entry.attr_value(gimli::DW_AT_name) else { return Ok(()) };
                if self.units.text(&unit, value)?.slice() == name {
                    let place = unit.place(entry.offset());
                    found.insert(place, (unit.clone(), entry.offset()));
                    concerned.insert(*start, unit.clone());
                }
                Ok(())
            })?;
        }
        let mut calls = Calls::new();
        // A concrete instance refers to an abstract one, which may refer to what link-time optimisation kept of it, or to a declaration.
        for round in 0..4 {
            let before = found.len();
            calls.clear();
            for unit in concerned.values() {
                self.referring(unit, &mut found, &mut calls, &mut used)?;
            }
            if found.len() == before && round > 0 {
                break;
            }
        }
        let own = headers.iter().filter(|(.., own)| *own).map(|(start, ..)| *start);
        let imported = closure(own, &imports);
        found.retain(|place, (unit, _)| {
            let start = unit.start();
            !foreign.contains(&start) || imported.contains(&start) || used.contains(place)
        });
        let functions = found.iter().map(|(&place, located)| Ok((place, self.function(located)?)));
        Ok((functions.collect::<gimli::Result<_>>()?, calls))
    }

    /// Adds the subprograms of a unit that refer to one that is known, and counts what was inlined.
    fn referring(
        &self,
        unit: &Rc<OpenUnit<'a, E>>,
        found: &mut BTreeMap<Place, Located<'a, E>>,
        calls: &mut Calls,
        used: &mut BTreeSet<Place>,
    ) -> gimli::Result<()> {
        each_function(unit, |entry| {
            let Some(target) = origin(entry).and_then(|value| self.units.target(unit, value)) else { return Ok(()) };
            if !found.contains_key(&target) {
                return Ok(());
            }
            used.insert(target);
            if entry.tag() == gimli::DW_TAG_subprogram {
                found.insert(unit.place(entry.offset()), (unit.clone(), entry.offset()));
            } else {
                let place = || source(unit, entry, gimli::DW_AT_call_file, gimli::DW_AT_call_line);
                calls.entry(target).or_insert_with(|| (0, place().unwrap_or_default())).0 += 1;
            }
            Ok(())
        })
    }

    fn function(&self, (unit, offset): &Located<'a, E>) -> gimli::Result<Function> {
        let unit_ref = unit.get();
        let mut entries = unit_ref.entries_at_offset(*offset)?;
        let Some(entry) = entries.next_dfs()? else { return Ok(Function::default()) };
        let depth = entry.depth();
        let result = self.type_of(unit, entry);
        let mut function = Function {
            unit: unit_ref.name.map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            language: language(unit_ref)?,
            origin: origin(entry).and_then(|value| self.units.target(unit, value)),
            declaration: entry.attr(gimli::DW_AT_declaration).is_some(),
            addresses: addresses(unit_ref, entry)?,
            source: source(unit, entry, gimli::DW_AT_decl_file, gimli::DW_AT_decl_line),
            result: result.map(|at| type_name(self.units, Some(at))).transpose()?,
            ..Function::default()
        };
        while let Some(child) = entries.next_dfs()?.filter(|child| child.depth() > depth) {
            if child.depth() != depth + 1 {
                continue;
            }
            match child.tag() {
                gimli::DW_TAG_formal_parameter => {
                    let child = child.clone();
                    self.parameter(unit, &child, &mut function)?;
                }
                gimli::DW_TAG_unspecified_parameters => function.parameters.push("...".into()),
                _ => {}
            }
        }
        Ok(function)
    }

    /// The place of a DIE's type.
    fn type_of(&self, unit: &OpenUnit<'a, E>, entry: &Entry<'a, E>) -> Option<Place> {
        entry.attr_value(gimli::DW_AT_type).and_then(|value| self.units.target(unit, value))
    }

    fn parameter(
        &self,
        unit: &Rc<OpenUnit<'a, E>>,
        child: &Entry<'a, E>,
        function: &mut Function,
    ) -> gimli::Result<()> {
        // The parameter, its origin, the origin of that.
        let mut all = vec![(unit.clone(), child.clone())];
        while let Some((unit, entry)) = all.last().filter(|_| all.len() < 4) {
            let next = entry.attr_value(gimli::DW_AT_abstract_origin).and_then(|value| self.units.target(unit, value));
            let Some((unit, offset)) = next.map(|place| self.units.at(place)).transpose()?.flatten() else { break };
            let entry = unit.get().entry(offset)?;
            all.push((unit, entry));
        }
        let text = all.iter().find_map(|(unit, e)| Some(self.units.text(unit, e.attr_value(gimli::DW_AT_name)?)));
        let name = match text.transpose()? {
            Some(name) => name.to_string_lossy().into_owned(),
            None => UNNAMED.into(),
        };
        let at = all.iter().find_map(|(unit, entry)| self.type_of(unit, entry));
        let kind = type_name(self.units, at)?;
        let space = if kind.ends_with('*') { "" } else { " " };
        function.parameters.push(if name == UNNAMED { kind } else { format!("{kind}{space}{name}") });
        if !function.addresses.is_empty() {
            function.places.push((name, self.place(unit.get(), child)?));
        }
        Ok(())
    }

    /// Where a parameter is first.
    fn place(&self, unit: UnitRef<'_, Slice<'a, E>>, parameter: &Entry<'a, E>) -> gimli::Result<String> {
        let Some(value) = parameter.attr_value(gimli::DW_AT_location) else {
            let is_constant = parameter.attr(gimli::DW_AT_const_value).is_some();
            return Ok(if is_constant { "a constant" } else { "not there" }.into());
        };
        let expression = match value {
            AttributeValue::Exprloc(expression) => Some(expression),
            value => match unit.attr_locations_offset(value)? {
                Some(offset) => first_expression(unit.raw_locations(offset)?)?,
                None => None,
            },
        };
        let Some(expression) = expression else { return Ok("not there".into()) };
        let mut operations = expression.operations(unit.encoding());
        Ok(match operations.next()? {
            None => "not there".into(),
            Some(Operation::Register { register }) => self.register(register),
            Some(Operation::UnsignedConstant { .. } | Operation::SignedConstant { .. }) => "a constant".into(),
            Some(Operation::EntryValue { .. }) => "no longer there".into(),
            Some(_) => "in memory".into(),
        })
    }

    fn register(&self, register: Register) -> String {
        let name = match self.machine {
            elf::EM_X86_64 => gimli::X86_64::register_name(register),
            elf::EM_386 => gimli::X86::register_name(register),
            elf::EM_AARCH64 => gimli::AArch64::register_name(register),
            elf::EM_ARM => gimli::Arm::register_name(register),
            elf::EM_RISCV => gimli::RiscV::register_name(register),
            _ => None,
        };
        name.map_or_else(|| format!("register {}", register.0), |name| format!("in {name}"))
    }
}

fn language<E: Endianity>(unit: UnitRef<'_, Slice<'_, E>>) -> gimli::Result<u16> {
    let mut entries = unit.entries();
    Ok(match entries.next_dfs()?.and_then(|root| root.attr_value(gimli::DW_AT_language)) {
        Some(AttributeValue::Language(language)) => language.0,
        _ => 0,
    })
}

/// File and line that two attributes name.
pub(super) fn source<'a, E: Endianity>(
    unit: &OpenUnit<'a, E>,
    entry: &Entry<'a, E>,
    file: gimli::DwAt,
    line: gimli::DwAt,
) -> Option<String> {
    let unit = unit.with_lines();
    let line = entry.attr(line)?.udata_value()?;
    let number = match entry.attr_value(file)? {
        AttributeValue::FileIndex(number) => number,
        value => value.udata_value()?,
    };
    let header = unit.line_program.as_ref()?.header();
    let file = header.file(number)?;
    let text = |value| Some(unit.attr_string(value).ok()?.to_string_lossy().into_owned());
    let name = text(file.path_name())?;
    let folder = file.directory(header).and_then(text).unwrap_or_default();
    let here = unit.comp_dir.map(|dir| dir.to_string_lossy().into_owned()).unwrap_or_default();
    let alone = name.starts_with('/') || folder.is_empty() || folder == here;
    let path = if alone { name } else { format!("{folder}/{name}") };
    Some(format!("{path}:{line}"))
}

/// All units that some units import, and those that these do.
fn closure(first: impl Iterator<Item = Place>, imports: &BTreeMap<Place, Vec<Place>>) -> BTreeSet<Place> {
    let mut found = BTreeSet::new();
    let mut left: Vec<Place> = first.collect();
    while let Some(unit) = left.pop() {
        left.extend(imports.get(&unit).into_iter().flatten().copied().filter(|&next| found.insert(next)));
    }
    found
}

/// Calls `f` with each DIE of a function, or of one that was inlined, and with those that import units.
fn each_function<'a, E: Endianity>(
    unit: &OpenUnit<'a, E>,
    mut f: impl FnMut(&Entry<'a, E>) -> gimli::Result<()>,
) -> gimli::Result<()> {
    let unit = unit.get();
    let mut entries = unit.entries_raw(None)?;
    while !entries.is_empty() {
        let offset = entries.next_offset();
        // What ends a list of children has none.
        let Some(abbreviation) = entries.read_abbreviation()? else { continue };
        if matches!(
            abbreviation.tag(),
            gimli::DW_TAG_subprogram | gimli::DW_TAG_inlined_subroutine | gimli::DW_TAG_imported_unit
        ) {
            f(&unit.entry(offset)?)?;
        }
        entries.skip_attributes(abbreviation.attributes())?;
    }
    Ok(())
}

/// The reference to another DIE of the same function.
fn origin<'a, E: Endianity>(entry: &Entry<'a, E>) -> Option<AttributeValue<Slice<'a, E>>> {
    entry.attr_value(gimli::DW_AT_abstract_origin).or_else(|| entry.attr_value(gimli::DW_AT_specification))
}

/// Where the pieces of a function begin.
fn addresses<'a, E: Endianity>(unit: UnitRef<'_, Slice<'a, E>>, entry: &Entry<'a, E>) -> gimli::Result<Vec<u64>> {
    let mut ranges = unit.die_ranges(entry)?;
    let mut found = Vec::new();
    while let Some(range) = ranges.next()? {
        found.push(range.begin);
    }
    if let (true, Some(low)) = (found.is_empty(), entry.attr_value(gimli::DW_AT_low_pc)) {
        found.extend(unit.attr_address(low)?);
    }
    Ok(found)
}

fn first_expression<R: gimli::Reader>(
    mut list: gimli::RawLocListIter<R>,
) -> gimli::Result<Option<gimli::Expression<R>>> {
    use gimli::RawLocListEntry as Entry;
    while let Some(entry) = list.next()? {
        match entry {
            Entry::AddressOrOffsetPair { data, .. }
            | Entry::StartxEndx { data, .. }
            | Entry::StartxLength { data, .. }
            | Entry::OffsetPair { data, .. }
            | Entry::DefaultLocation { data }
            | Entry::StartEnd { data, .. }
            | Entry::StartLength { data, .. } => return Ok(Some(data)),
            Entry::BaseAddress { .. } | Entry::BaseAddressx { .. } => {}
        }
    }
    Ok(None)
}
