//! Per-CPU variables and their data section.

use btf::dedup::fold::{Fold, Use};
use btf::dedup::renumber::Renumbering;
use btf::graph::Ref;
use btf::map::FixedMap;
use btf::strings::{StrId, Strings};
use dwarf::elf::ElfFile;
use object::elf;

use crate::convert::{RawRef, Tagged, TagsByNumber, UnitTypes};
use crate::error::{Error, Result};
use crate::names::Names;

/// The section whose variables are described.
pub const PER_CPU_SECTION: &[u8] = b".data..percpu";

/// Names that the kernel's build makes up.
const MADE_UP: [&[u8]; 5] =
    [b"__UNIQUE_ID", b"__tpstrtab_", b"__exitcall_", b"__gendwarfksyms_ptr_", b"__func_stack_frame_non_standard_"];

/// The data section of per-CPU variables, and what its symbols are.
#[derive(Debug)]
pub struct DataSection<'a> {
    start: u64,
    size: u64,
    /// Objects in the section: (offset, name) to size.
    objects: FixedMap<(u64, &'a [u8]), u64>,
}

impl<'a> DataSection<'a> {
    /// The per-CPU section of a file, if it has one.
    pub fn of(file: &ElfFile<'a>) -> Result<Option<DataSection<'a>>> {
        let Some(section) = file.section(PER_CPU_SECTION).filter(|s| s.size > 0) else { return Ok(None) };
        let mut objects = FixedMap::default();
        file.each_symbol(|symbol| {
            if symbol.kind != elf::STT_OBJECT || symbol.section != section.index {
                return Ok(());
            }
            if let Some(offset) = file.address(&symbol).and_then(|a| a.checked_sub(section.address)) {
                objects.insert((offset, file.symbol_name(&symbol)?), symbol.size);
            }
            Ok::<(), Error>(())
        })?;
        Ok(Some(DataSection { start: section.address, size: section.size, objects }))
    }
}

/// A variable to be described.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Number of its unit, and offset of its DIE there.
    pub unit: u32,
    /// See `unit`.
    pub offset: u32,
    /// Name.
    pub name: StrId,
    /// Type.
    pub used: Use,
    /// Visible outside of its unit.
    pub external: bool,
    /// Bytes from the start of the section.
    pub section_offset: u32,
    /// Size by its symbol, in bytes; 0 if it has none.
    pub symbol_size: u64,
    /// Its declaration tags.
    pub tags: Vec<StrId>,
}

/// Adds the variables of the unit that was just folded.
pub fn collect(
    out: &mut Vec<Variable>,
    unit: u32,
    types: &UnitTypes,
    section: &DataSection<'_>,
    fold: &Fold<'_>,
    names: &Names<'_>,
) {
    let of_variable = |tagged| if let Tagged::Variable(number) = tagged { Some(number) } else { None };
    let tags = TagsByNumber::new(&types.tags, of_variable);
    for (number, variable) in types.variables.iter().enumerate() {
        if variable.declaration || variable.artificial {
            continue;
        }
        let Some(offset) = variable.address.and_then(|a| a.checked_sub(section.start)) else { continue };
        if offset >= section.size {
            continue;
        }
        let declared = types.variables.binary_search_by_key(&variable.specification.0, |v| v.offset).ok();
        let declared = declared.map(|i| &types.variables[i]);
        let name =
            if variable.name == StrId::EMPTY { declared.map_or(StrId::EMPTY, |d| d.name) } else { variable.name };
        // The definition's own type knows the size of an array that the declaration left open.
        let target = match variable.target {
            RawRef::VOID => declared.map_or(RawRef::VOID, |d| d.target),
            own => own,
        };
        let text = &*names.text(name);
        if text.is_empty() || MADE_UP.iter().any(|prefix| text.starts_with(prefix)) {
            continue;
        }
        let symbol_size = section.objects.get(&(offset, text)).copied();
        // Discarded variables end up at offset 0, where only a symbol of that name tells them from a real one.
        if offset == 0 && symbol_size.is_none() {
            continue;
        }
        let Ok(section_offset) = u32::try_from(offset) else { continue };
        let used = fold.used(types.local(target.0));
        if used.reference == Ref::Void {
            continue; // kernels refuse that
        }
        out.push(Variable {
            unit,
            offset: variable.offset,
            name,
            used,
            external: variable.external || declared.is_some_and(|d| d.external),
            section_offset,
            symbol_size: symbol_size.unwrap_or(0),
            tags: tags.of(number).map(|t| t.text).collect(),
        });
    }
}

/// Takes over another worker's variables.
pub fn merge(out: &mut Vec<Variable>, other: Vec<Variable>, map: &mut Renumbering<'_>, strings: &mut Strings<'_>) {
    out.extend(other.into_iter().map(|mut v| {
        v.name = map.name(v.name, strings);
        v.used = map.used(v.used, strings);
        v.tags.iter_mut().for_each(|t| *t = map.free_name(*t, strings));
        v
    }));
}

/// A variable's place in its data section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Number of the variable.
    pub variable: usize,
    /// Bytes from the start of the section.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
}

/// The entries of the data section: in order, without overlaps (a kernel refuses them, M94). Of variables at one place
/// (a weak and a strong definition) the one that its symbol's size confirms stays, else the first. Also the names of
/// those that were left out: they overlap, or end behind what an offset can be.
pub fn layout(variables: &[Variable], type_sizes: &[u64], strings: &Strings<'_>) -> (Vec<Entry>, Vec<String>) {
    let mut order: Vec<(u32, bool, u32, u32, usize, u64)> = Vec::new();
    let mut left_out = Vec::new();
    for (number, v) in variables.iter().enumerate() {
        let by_type = type_sizes[number];
        // A flexible array's initialiser is part of the symbol, not of the type.
        let size = if v.symbol_size != 0 { v.symbol_size.max(by_type) } else { by_type };
        if by_type == 0 && v.symbol_size == 0 {
            continue;
        }
        order.push((v.section_offset, v.symbol_size != by_type, v.unit, v.offset, number, size));
    }
    order.sort_unstable();
    let mut entries: Vec<Entry> = Vec::new();
    for (offset, _, _, _, variable, size) in order {
        let end = entries.last().map_or(0, |e| u64::from(e.offset) + u64::from(e.size));
        match u32::try_from(size) {
            Ok(size) if u64::from(offset) >= end && offset.checked_add(size).is_some() => {
                entries.push(Entry { variable, offset, size });
            }
            _ => left_out.push(String::from_utf8_lossy(strings.get(variables[variable].name)).into_owned()),
        }
    }
    (entries, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_or_has_no_end_is_left_out() {
        let mut strings = Strings::new();
        let mut variable = |name: &[u8], section_offset, symbol_size| Variable {
            unit: 0,
            offset: section_offset,
            name: strings.intern(name),
            used: Use { reference: Ref::Void, local: None },
            external: true,
            section_offset,
            symbol_size,
            tags: Vec::new(),
        };
        let variables = [
            variable(b"first", 8, 8),
            variable(b"inside", 12, 4),
            variable(b"after", 16, 0),
            variable(b"beyond", u32::MAX - 3, 8),
            variable(b"huge", 100, 1 << 32),
        ];
        let (entries, left_out) = layout(&variables, &[8, 4, 4, 8, 8], &strings);
        let entry = |variable, offset, size| Entry { variable, offset, size };
        assert_eq!(entries, [entry(0, 8, 8), entry(2, 16, 4)]);
        assert_eq!(left_out, ["inside", "huge", "beyond"]);
    }
}
