//! Variables and their data sections: per-CPU ones, or all.

use btf::dedup::fold::{Fold, Use};
use btf::dedup::renumber::Renumbering;
use btf::graph::Ref;
use btf::map::FixedMap;
use btf::strings::{StrId, Strings};
use dwarf::elf::{ElfFile, Section};
use object::elf;

use crate::convert::{RawRef, Tagged, TagsByNumber, UnitTypes};
use crate::error::{Error, Result};
use crate::names::Names;
use crate::options::Features;
use crate::target::Target;

/// The section of per-CPU variables.
pub const PER_CPU_SECTION: &[u8] = b".data..percpu";

/// Names that the kernel's build makes up.
const MADE_UP: [&[u8]; 5] =
    [b"__UNIQUE_ID", b"__tpstrtab_", b"__exitcall_", b"__gendwarfksyms_ptr_", b"__func_stack_frame_non_standard_"];

/// A section whose variables are described.
#[derive(Debug)]
pub struct DataSection<'a> {
    /// Name.
    pub name: &'a [u8],
    start: u64,
    size: u64,
}

/// The sections whose variables are described, in the order of their addresses.
#[derive(Debug, Default)]
pub struct DataSections<'a> {
    list: Vec<DataSection<'a>>,
    /// Objects in them: (number of the section, offset, name) to size.
    objects: FixedMap<(u32, u64, &'a [u8]), u64>,
    /// Sections whose names the kernel does not accept.
    pub refused: usize,
}

impl<'a> DataSections<'a> {
    /// The per-CPU section of a file, if it has one; or all that are loaded, with what is in them.
    pub fn of(file: &ElfFile<'a>, features: Features, target: Target) -> Result<DataSections<'a>> {
        let mut sections = DataSections::default();
        let wanted = |s: &&Section<'a>| {
            s.size > 0
                && if features.global_var {
                    matches!(s.kind, elf::SHT_PROGBITS | elf::SHT_NOBITS)
                        && s.flags & u64::from(elf::SHF_ALLOC) != 0
                        && s.flags & u64::from(elf::SHF_TLS) == 0
                } else {
                    features.var && s.name == PER_CPU_SECTION
                }
        };
        let mut found: Vec<&Section<'a>> = file.sections.iter().filter(wanted).collect();
        if !features.global_var {
            found.truncate(1);
        }
        let before = found.len();
        found.retain(|s| target.accepts_section_name(s.name));
        sections.refused = before - found.len();
        found.sort_by_key(|s| (s.address, s.index));
        let number: FixedMap<usize, u32> = found.iter().zip(0..).map(|(s, number)| (s.index, number)).collect();
        sections.list = found.iter().map(|s| DataSection { name: s.name, start: s.address, size: s.size }).collect();
        if sections.is_empty() {
            return Ok(sections);
        }
        file.each_symbol(|symbol| {
            let Some(&number) = number.get(&symbol.section).filter(|_| symbol.kind == elf::STT_OBJECT) else {
                return Ok(());
            };
            let start = sections.list[number as usize].start;
            if let Some(offset) = file.address(&symbol).and_then(|a| a.checked_sub(start)) {
                sections.objects.insert((number, offset, file.symbol_name(&symbol)?), symbol.size);
            }
            Ok::<(), Error>(())
        })?;
        Ok(sections)
    }

    /// True if no variables are wanted.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The sections.
    pub fn iter(&self) -> impl Iterator<Item = &DataSection<'a>> {
        self.list.iter()
    }

    /// The section that has an address, and the offset in it.
    fn find(&self, address: u64) -> Option<(u32, u64)> {
        let number = self.list.partition_point(|s| s.start <= address).checked_sub(1)?;
        let section = &self.list[number];
        let offset = address - section.start;
        (offset < section.size).then_some((number as u32, offset))
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
    /// Number of its section.
    pub section: u32,
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
    sections: &DataSections<'_>,
    fold: &Fold<'_>,
    names: &Names<'_>,
) {
    let of_variable = |tagged| if let Tagged::Variable(number) = tagged { Some(number) } else { None };
    let tags = TagsByNumber::new(&types.tags, of_variable);
    for (number, variable) in types.variables.iter().enumerate() {
        if variable.declaration || variable.artificial {
            continue;
        }
        let Some((section, offset)) = variable.address.and_then(|a| sections.find(a)) else { continue };
        // The definition's own type knows the size of an array that the declaration left open.
        let all = || types.variable_and_origins(number).map(|number| &types.variables[number]);
        let name = all().map(|v| v.name).find(|&name| name != StrId::EMPTY).unwrap_or(StrId::EMPTY);
        let target = all().map(|v| v.target).find(|&target| target != RawRef::VOID).unwrap_or(RawRef::VOID);
        let text = &*names.text(name);
        if text.is_empty() || MADE_UP.iter().any(|prefix| text.starts_with(prefix)) {
            continue;
        }
        let symbol_size = sections.objects.get(&(section, offset, text)).copied();
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
            external: all().any(|v| v.external),
            section,
            section_offset,
            symbol_size: symbol_size.unwrap_or(0),
            tags: types.variable_and_origins(number).flat_map(|number| tags.of(number)).map(|t| t.text).collect(),
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

/// The entries of a data section, and the variables that it has no place for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    /// In order and without overlaps: kernels refuse them (M94).
    pub entries: Vec<Entry>,
    /// Names of variables that overlap another one, end behind what an offset can be, or are one too many.
    pub left_out: Vec<String>,
}

/// The entries of each data section. Of variables at one place (a weak and a strong definition) the one that its symbol's size
/// confirms stays, else the first.
pub fn layouts(
    variables: &[Variable],
    type_sizes: &[u64],
    sections: usize,
    most: usize,
    strings: &Strings<'_>,
) -> Vec<Layout> {
    let mut order: Vec<(u32, u32, bool, u32, u32, usize, u64)> = Vec::new();
    for (number, v) in variables.iter().enumerate() {
        let by_type = type_sizes[number];
        // A flexible array's initialiser is part of the symbol, not of the type.
        let size = if v.symbol_size != 0 { v.symbol_size.max(by_type) } else { by_type };
        if by_type == 0 && v.symbol_size == 0 {
            continue;
        }
        order.push((v.section, v.section_offset, v.symbol_size != by_type, v.unit, v.offset, number, size));
    }
    order.sort_unstable();
    let mut layouts = vec![Layout::default(); sections];
    for (section, offset, _, _, _, variable, size) in order {
        let Layout { entries, left_out } = &mut layouts[section as usize];
        let end = entries.last().map_or(0, |e| u64::from(e.offset) + u64::from(e.size));
        match u32::try_from(size) {
            Ok(size) if u64::from(offset) >= end && offset.checked_add(size).is_some() && entries.len() < most => {
                entries.push(Entry { variable, offset, size });
            }
            _ => left_out.push(String::from_utf8_lossy(strings.get(variables[variable].name)).into_owned()),
        }
    }
    layouts
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
            section: 0,
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
        let [Layout { entries, left_out }] = &layouts(&variables, &[8, 4, 4, 8, 8], 1, 100, &strings)[..] else {
            panic!()
        };
        let entry = |variable, offset, size| Entry { variable, offset, size };
        assert_eq!(entries, &[entry(0, 8, 8), entry(2, 16, 4)]);
        assert_eq!(left_out, &["inside", "huge", "beyond"]);
    }
}
