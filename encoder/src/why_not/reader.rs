//! Finds the DIEs of a function.

use std::collections::{BTreeMap, BTreeSet};

use gimli::{AttributeValue, Dwarf, EndianSlice, Endianity, Operation, Register, Unit, UnitRef};
use object::elf;

use super::text::type_name;

type Slice<'a, E> = EndianSlice<'a, E>;
type Entry<'a, E> = gimli::DebuggingInformationEntry<Slice<'a, E>>;

/// What stands for the name of a parameter that has none.
const UNNAMED: &str = "(unnamed)";

/// A subprogram DIE of the function. What it does not say itself its origin does.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Name of its unit.
    pub unit: String,
    /// DWARF's code of the unit's language.
    pub language: u16,
    /// The abstract instance or the declaration that it completes: offset in `.debug_info`.
    pub origin: Option<usize>,
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

/// How often a function was inlined, and where first; by the offset of its DIE.
pub type Calls = BTreeMap<usize, (usize, String)>;

/// The units of a file.
pub struct Reader<'r, 'a, E: Endianity> {
    dwarf: &'r Dwarf<Slice<'a, E>>,
    units: Vec<Unit<Slice<'a, E>>>,
    machine: u16,
}

impl<'r, 'a, E: Endianity> Reader<'r, 'a, E> {
    /// Reads the units' headers.
    pub fn new(dwarf: &'r Dwarf<Slice<'a, E>>, machine: u16) -> gimli::Result<Reader<'r, 'a, E>> {
        let mut units = Vec::new();
        let mut headers = dwarf.units();
        while let Some(header) = headers.next()? {
            units.push(dwarf.unit(header)?);
        }
        Ok(Reader { dwarf, units, machine })
    }

    /// The subprograms of a name, by their offsets in `.debug_info`, with those that refer to them; and where they were inlined.
    pub fn functions(&self, name: &[u8]) -> gimli::Result<(BTreeMap<usize, Function>, Calls)> {
        let mut found: BTreeMap<usize, (usize, gimli::UnitOffset<usize>)> = BTreeMap::new();
        // Units that have one, or that refer to others.
        let mut concerned: BTreeSet<usize> = BTreeSet::new();
        for (number, unit) in self.units.iter().enumerate() {
            let unit_ref = unit.unit_ref(self.dwarf);
            each_function(unit, |entry| {
                if matches!(origin(entry), Some(AttributeValue::DebugInfoRef(_))) {
                    concerned.insert(number);
                }
                let Some(value) = entry.attr_value(gimli::DW_AT_name) else { return Ok(()) };
                if unit_ref.attr_string(value)?.slice() == name {
                    found.insert(global(unit, entry.offset()), (number, entry.offset()));
                    concerned.insert(number);
                }
                Ok(())
            })?;
        }
        let mut calls = Calls::new();
        // A concrete instance refers to an abstract one, which may refer to a declaration.
        for round in 0..3 {
            let before = found.len();
            calls.clear();
            for &number in &concerned {
                self.referring(number, &mut found, &mut calls)?;
            }
            if found.len() == before && round > 0 {
                break;
            }
        }
        let functions = found.iter().map(|(&at, &(number, offset))| Ok((at, self.function(number, offset)?)));
        Ok((functions.collect::<gimli::Result<_>>()?, calls))
    }

    /// Adds the subprograms of a unit that refer to one that is known, and counts what was inlined.
    fn referring(
        &self,
        number: usize,
        found: &mut BTreeMap<usize, (usize, gimli::UnitOffset<usize>)>,
        calls: &mut Calls,
    ) -> gimli::Result<()> {
        let unit = &self.units[number];
        each_function(unit, |entry| {
            let Some(target) = origin(entry).and_then(|value| target(unit, value)) else { return Ok(()) };
            if !found.contains_key(&target) {
                return Ok(());
            }
            if entry.tag() == gimli::DW_TAG_subprogram {
                found.insert(global(unit, entry.offset()), (number, entry.offset()));
            } else {
                let unit = unit.unit_ref(self.dwarf);
                let place = || source(unit, entry, gimli::DW_AT_call_file, gimli::DW_AT_call_line);
                calls.entry(target).or_insert_with(|| (0, place().unwrap_or_default())).0 += 1;
            }
            Ok(())
        })
    }

    fn function(&self, number: usize, offset: gimli::UnitOffset<usize>) -> gimli::Result<Function> {
        let unit = &self.units[number];
        let unit_ref = unit.unit_ref(self.dwarf);
        let mut entries = unit.entries_at_offset(offset)?;
        let Some(entry) = entries.next_dfs()? else { return Ok(Function::default()) };
        let depth = entry.depth();
        let mut function = Function {
            unit: unit.name.map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            language: self.language(unit)?,
            origin: origin(entry).and_then(|value| target(unit, value)),
            declaration: entry.attr(gimli::DW_AT_declaration).is_some(),
            addresses: addresses(unit_ref, entry)?,
            source: source(unit_ref, entry, gimli::DW_AT_decl_file, gimli::DW_AT_decl_line),
            result: type_of(entry).map(|at| type_name(unit_ref, Some(at))).transpose()?,
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

    fn parameter(&self, unit: &Unit<Slice<'a, E>>, child: &Entry<'a, E>, function: &mut Function) -> gimli::Result<()> {
        let unit_ref = unit.unit_ref(self.dwarf);
        let origin = match child.attr_value(gimli::DW_AT_abstract_origin) {
            Some(AttributeValue::UnitRef(at)) => Some(unit.entry(at)?),
            _ => None,
        };
        let value = |attr| child.attr_value(attr).or_else(|| origin.as_ref()?.attr_value(attr));
        let name = match value(gimli::DW_AT_name) {
            Some(name) => unit_ref.attr_string(name)?.to_string_lossy().into_owned(),
            None => UNNAMED.into(),
        };
        let at = match value(gimli::DW_AT_type) {
            Some(AttributeValue::UnitRef(at)) => Some(at),
            _ => None,
        };
        let kind = type_name(unit_ref, at)?;
        let space = if kind.ends_with('*') { "" } else { " " };
        function.parameters.push(if name == UNNAMED { kind } else { format!("{kind}{space}{name}") });
        if !function.addresses.is_empty() {
            function.places.push((name, self.place(unit_ref, child)?));
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

    fn language(&self, unit: &Unit<Slice<'a, E>>) -> gimli::Result<u16> {
        let mut entries = unit.entries();
        Ok(match entries.next_dfs()?.and_then(|root| root.attr_value(gimli::DW_AT_language)) {
            Some(AttributeValue::Language(language)) => language.0,
            _ => 0,
        })
    }
}

/// Calls `f` with each DIE of a function, or of one that was inlined.
fn each_function<'a, E: Endianity>(
    unit: &Unit<Slice<'a, E>>,
    mut f: impl FnMut(&Entry<'a, E>) -> gimli::Result<()>,
) -> gimli::Result<()> {
    let mut entries = unit.entries_raw(None)?;
    while !entries.is_empty() {
        let offset = entries.next_offset();
        // What ends a list of children has none.
        let Some(abbreviation) = entries.read_abbreviation()? else { continue };
        if matches!(abbreviation.tag(), gimli::DW_TAG_subprogram | gimli::DW_TAG_inlined_subroutine) {
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

/// Offset in `.debug_info` of what is referred to.
fn target<E: Endianity>(unit: &Unit<Slice<'_, E>>, value: AttributeValue<Slice<'_, E>>) -> Option<usize> {
    match value {
        AttributeValue::UnitRef(offset) => Some(global(unit, offset)),
        AttributeValue::DebugInfoRef(offset) => Some(offset.0),
        _ => None,
    }
}

fn global<E: Endianity>(unit: &Unit<Slice<'_, E>>, offset: gimli::UnitOffset<usize>) -> usize {
    unit.header.offset().0 + offset.0
}

fn type_of<E: Endianity>(entry: &Entry<'_, E>) -> Option<gimli::UnitOffset<usize>> {
    match entry.attr_value(gimli::DW_AT_type) {
        Some(AttributeValue::UnitRef(at)) => Some(at),
        _ => None,
    }
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

/// File and line that two attributes name.
pub(super) fn source<'a, E: Endianity>(
    unit: UnitRef<'_, Slice<'a, E>>,
    entry: &Entry<'a, E>,
    file: gimli::DwAt,
    line: gimli::DwAt,
) -> Option<String> {
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
