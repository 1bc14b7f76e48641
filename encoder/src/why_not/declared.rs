//! Where types are declared in the source: file and line of structs, unions, enums, typedefs and of members, by their names.

use dwarf::elf::ElfFile;
use dwarf::unit::UnitHeader;
use gimli::{BigEndian, Endianity, LittleEndian};

use super::reader::source;
use super::units::{Entry, Units};
use crate::error::Result;
use crate::sources::{Place, Sources};

/// What is sought: a definition by its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Sought {
    /// Kind.
    pub kind: DeclaredKind,
    /// Name.
    pub name: Vec<u8>,
    /// The member whose place is wanted; None: that of the whole.
    pub member: Option<Vec<u8>>,
}

/// Kinds of types with a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs)]
pub enum DeclaredKind {
    Struct,
    Union,
    Enum,
    Typedef,
}

impl DeclaredKind {
    fn of(tag: gimli::DwTag) -> Option<DeclaredKind> {
        match tag {
            gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type => Some(DeclaredKind::Struct),
            gimli::DW_TAG_union_type => Some(DeclaredKind::Union),
            gimli::DW_TAG_enumeration_type => Some(DeclaredKind::Enum),
            gimli::DW_TAG_typedef => Some(DeclaredKind::Typedef),
            _ => None,
        }
    }
}

/// Per name `file:line` of the first definition in the file that has it, and the member; None for what is not found.
///
/// # Errors
/// Damaged ELF or DWARF. That there is no DWARF is none.
pub fn declarations(file: &ElfFile<'_>, sought: &[Sought]) -> Result<Vec<Option<String>>> {
    match file.endian {
        object::Endianness::Little => find(file, sought, LittleEndian),
        object::Endianness::Big => find(file, sought, BigEndian),
    }
}

fn find<E: Endianity>(file: &ElfFile<'_>, sought: &[Sought], endian: E) -> Result<Vec<Option<String>>> {
    let mut found = vec![None; sought.len()];
    if sought.is_empty() {
        return Ok(found);
    }
    let data = file.debug_data()?;
    let (line, alternate_line) = (file.line_programs()?, file.alternate_line_programs()?);
    let sources = Sources::new(&data, endian)?;
    let alternate = data.alternate.as_ref().map(|(alternate, _)| &**alternate);
    let lines = [line.whole(), alternate_line.whole()];
    for (number, source) in sources.all() {
        for header in &source.headers {
            if found.iter().all(Option::is_some) {
                break;
            }
            // Anew for each: of a kernel's thousands of units none is needed twice.
            let units = Units::new(&sources, lines, alternate, endian);
            let place = Place::new(number, header.offset as u64);
            search(&units, place, header, sought, &mut found).map_err(super::failed)?;
        }
    }
    data.check()?;
    Ok(found)
}

/// Looks into one unit.
fn search<'a, E: Endianity>(
    units: &Units<'a, E>,
    place: Place,
    header: &UnitHeader,
    sought: &[Sought],
    found: &mut [Option<String>],
) -> gimli::Result<()> {
    let open_unit = units.open(place, header)?;
    let unit = open_unit.get();
    let name_is = |entry: &Entry<'a, E>, name: &[u8]| {
        let value = entry.attr_value(gimli::DW_AT_name);
        value.and_then(|value| unit.attr_string(value).ok()).is_some_and(|text| text.slice() == name)
    };
    // The definition that is being read, its depth, and which members are sought in it.
    let mut open: Option<(isize, Vec<usize>)> = None;
    let mut entries = unit.entries_raw(None)?;
    while !entries.is_empty() {
        let (offset, depth) = (entries.next_offset(), entries.next_depth());
        let Some(abbreviation) = entries.read_abbreviation()? else { continue };
        if open.as_ref().is_some_and(|(of, _)| depth <= *of) {
            open = None;
        }
        let kind = DeclaredKind::of(abbreviation.tag());
        let is_member = open.is_some() && abbreviation.tag() == gimli::DW_TAG_member;
        if kind.is_some() || is_member {
            let entry = unit.entry(offset)?;
            let place = || source(&open_unit, &entry, gimli::DW_AT_decl_file, gimli::DW_AT_decl_line);
            if let (true, Some((_, members))) = (is_member, &mut open) {
                members.retain(|&at| {
                    let here = sought[at].member.as_ref().is_some_and(|member| name_is(&entry, member));
                    if here {
                        found[at] = place();
                    }
                    !here
                });
            } else if let (Some(kind), None) = (kind, entry.attr(gimli::DW_AT_declaration)) {
                let open_here = (0..sought.len())
                    .filter(|&at| found[at].is_none() && sought[at].kind == kind && name_is(&entry, &sought[at].name));
                let (of_members, of_whole): (Vec<usize>, Vec<usize>) =
                    open_here.partition(|&at| sought[at].member.is_some());
                of_whole.into_iter().for_each(|at| found[at] = place());
                if !of_members.is_empty() && open.is_none() {
                    open = Some((depth, of_members));
                }
            }
        }
        entries.skip_attributes(abbreviation.attributes())?;
    }
    Ok(())
}
