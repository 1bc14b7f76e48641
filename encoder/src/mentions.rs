//! The units that what BTF describes comes from, for people: BTF does not say, but the DWARF of the same file has the name.

use std::collections::{BTreeSet, HashMap};

use btf::kind::Kind;
use dwarf::elf::ElfFile;
use dwarf::sections::{DebugData, DebugSection};
use gimli::{BigEndian, DwTag, EndianSlice, Endianity, LittleEndian};

use crate::error::{Error, ErrorKind, Result};

/// The compile units whose DWARF defines (or, of a forward declaration, declares) something of a kind and name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mentions {
    /// Name of the first of them, in the order of the file.
    pub first: String,
    /// How many there are; 0 if it is not known.
    pub count: usize,
}

/// Those of each of `wanted`, in their order. One pass over the DWARF; a file without any knows nothing, and of None nothing is known.
///
/// # Errors
/// Damaged DWARF.
pub fn mentions(file: &ElfFile<'_>, wanted: &[Option<(Kind, &str)>]) -> Result<Vec<Mentions>> {
    match file.endian {
        object::Endianness::Little => find(file, wanted, LittleEndian),
        object::Endianness::Big => find(file, wanted, BigEndian),
    }
}

/// The DIEs that become a kind of type. None: there are none, or each unit has its own, so that they tell nothing.
fn tags_of(kind: Kind) -> &'static [DwTag] {
    match kind {
        Kind::Struct => &[gimli::DW_TAG_structure_type, gimli::DW_TAG_class_type],
        Kind::Union => &[gimli::DW_TAG_union_type],
        Kind::Fwd => &[gimli::DW_TAG_structure_type, gimli::DW_TAG_class_type, gimli::DW_TAG_union_type],
        Kind::Enum | Kind::Enum64 => &[gimli::DW_TAG_enumeration_type],
        Kind::Typedef => &[gimli::DW_TAG_typedef],
        Kind::Func => &[gimli::DW_TAG_subprogram],
        Kind::Var => &[gimli::DW_TAG_variable],
        Kind::Int | Kind::Float => &[gimli::DW_TAG_base_type],
        Kind::Ptr
        | Kind::Array
        | Kind::Const
        | Kind::Volatile
        | Kind::Restrict
        | Kind::FuncProto
        | Kind::Datasec
        | Kind::DeclTag
        | Kind::TypeTag => &[],
    }
}

fn find<E: Endianity>(file: &ElfFile<'_>, wanted: &[Option<(Kind, &str)>], endian: E) -> Result<Vec<Mentions>> {
    let mut found = vec![Mentions::default(); wanted.len()];
    // By DIE, whether it is a declaration, and name.
    let mut numbers: HashMap<(DwTag, bool, &[u8]), Vec<usize>> = HashMap::new();
    let named = wanted.iter().enumerate().filter_map(|(number, wanted)| Some((number, (*wanted)?)));
    for (number, (kind, name)) in named.filter(|(_, (_, name))| !name.is_empty()) {
        for &tag in tags_of(kind) {
            numbers.entry((tag, kind == Kind::Fwd, name.as_bytes())).or_default().push(number);
        }
    }
    if numbers.is_empty() {
        return Ok(found);
    }
    let tags: BTreeSet<u16> = numbers.keys().map(|(tag, ..)| tag.0).collect();
    let data = file.debug_data()?;
    // gimli opens no unit without its line program.
    let line = file.line_programs()?;
    let dwarf = load(&data, &line, endian)?;
    data.check()?;
    let failed = |e: gimli::Error| Error::new(ErrorKind::Input, format!("damaged DWARF: {e}"));
    let mut headers = dwarf.units();
    let mut here: BTreeSet<usize> = BTreeSet::new();
    while let Some(header) = headers.next().map_err(failed)? {
        let unit = dwarf.unit(header).map_err(failed)?;
        // Type units and partial units have no name: those that refer to them would have to be found.
        let Some(unit_name) = unit.name else { continue };
        here.clear();
        each(&unit, &dwarf, &tags, |key| here.extend(numbers.get(&key).into_iter().flatten())).map_err(failed)?;
        for &number in &here {
            let mentions = &mut found[number];
            if mentions.count == 0 {
                mentions.first = unit_name.to_string_lossy().into_owned();
            }
            mentions.count += 1;
        }
    }
    Ok(found)
}

/// Calls `f` with tag, whether it is a declaration, and name, of each DIE of a unit that has one of some tags and a name.
fn each<'a, E: Endianity>(
    unit: &gimli::Unit<EndianSlice<'a, E>>,
    dwarf: &gimli::Dwarf<EndianSlice<'a, E>>,
    tags: &BTreeSet<u16>,
    mut f: impl FnMut((DwTag, bool, &'a [u8])),
) -> gimli::Result<()> {
    let mut entries = unit.entries_raw(None)?;
    while !entries.is_empty() {
        let offset = entries.next_offset();
        // What ends a list of children has none.
        let Some(abbreviation) = entries.read_abbreviation()? else { continue };
        if tags.contains(&abbreviation.tag().0) {
            let entry = unit.entry(offset)?;
            if let Some(name) = entry.attr_value(gimli::DW_AT_name) {
                let name = dwarf.attr_string(unit, name)?.slice();
                f((abbreviation.tag(), entry.attr(gimli::DW_AT_declaration).is_some(), name));
            }
        }
        entries.skip_attributes(abbreviation.attributes())?;
    }
    Ok(())
}

/// What gimli's own reader reads: slower than ours, and for people, who want to know more. `line` are the line programs.
///
/// # Errors
/// None of its own.
pub(crate) fn load<'d, E: Endianity>(
    data: &'d DebugData<'_>,
    line: &'d DebugSection<'_>,
    endian: E,
) -> Result<gimli::Dwarf<EndianSlice<'d, E>>> {
    gimli::Dwarf::load(|id| {
        let section = match id {
            gimli::SectionId::DebugAbbrev => &data.abbrev,
            gimli::SectionId::DebugAddr => &data.addr,
            gimli::SectionId::DebugInfo => &data.info,
            gimli::SectionId::DebugLine => line,
            gimli::SectionId::DebugLineStr => &data.line_str,
            gimli::SectionId::DebugLoc => &data.loc,
            gimli::SectionId::DebugLocLists => &data.loclists,
            gimli::SectionId::DebugRanges => &data.ranges,
            gimli::SectionId::DebugRngLists => &data.rnglists,
            gimli::SectionId::DebugStr => &data.str,
            gimli::SectionId::DebugStrOffsets => &data.str_offsets,
            _ => return Ok(EndianSlice::new(&[], endian)),
        };
        Ok::<_, Error>(EndianSlice::new(section.whole(), endian))
    })
}
