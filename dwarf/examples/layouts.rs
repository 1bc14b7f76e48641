//! Sizes of structs, unions and enums and places of their members as a file's DWARF has them, read with gimli alone: what `make test-dump`
//! holds headers against.
//!
//!     layouts FILE
//!
//! A line per type, `struct NAME - BYTES 0 0`, and per member, `struct NAME PATH BIT BITS WIDTH`: where it begins; its width if it is a
//! bit-field that is narrower than its type, else 0; its width if it is any bit-field (clang does not tell of others). PATH is what `offsetof` takes: members of anonymous members are their parent's, those of other types without a name and
//! of arrays of these are reached by `.` and `[0]`. Tabs between, sorted. Types at the top of units of C. A name (of a tag) that means several things, or the
//! same with several layouts, in this file is not in the output; standard error tells how many there are of either.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::process::ExitCode;

use gimli::{AttributeValue, DebuggingInformationEntry, Dwarf, EndianSlice, RunTimeEndian, UnitOffset, UnitRef};
use object::{Object, ObjectSection};

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("layouts: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What a name is in all units: its lines, or None if units differ.
type Found = HashMap<Vec<u8>, Option<(&'static str, String)>>;

fn run() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("which file?")?;
    let file = File::open(path)?;
    // SAFETY: nobody writes to the file while tests run.
    let bytes = unsafe { memmap2::Mmap::map(&file)? };
    let file = object::File::parse(&bytes[..])?;
    let endian = if file.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let sections = gimli::DwarfSections::load(|id| match file.section_by_name(id.name()) {
        Some(section) => section.uncompressed_data().map_err(Box::<dyn Error>::from),
        None => Ok(Default::default()),
    })?;
    let dwarf: Dwarf<Slice<'_>> = sections.borrow(|section| EndianSlice::new(section, endian));
    let mut found = Found::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        let unit = dwarf.unit(header)?;
        let unit = UnitRef::new(&dwarf, &unit);
        Unit::read(unit)?.map_or(Ok(()), |u| u.add_to(&mut found))?;
    }
    let count = found.len();
    let sorted: BTreeMap<_, _> = found.into_iter().filter_map(|(name, lines)| Some((name, lines?))).collect();
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (_, lines) in sorted.values() {
        out.write_all(lines.as_bytes())?;
    }
    out.flush()?;
    eprintln!("{} names, and {} with several meanings", sorted.len(), count - sorted.len());
    Ok(())
}

/// What of a unit's DIEs counts here, by offset.
struct Unit<'a> {
    types: HashMap<UnitOffset, Type<'a>>,
    /// Definitions that have a name, at the top of the unit and elsewhere.
    named: Vec<(UnitOffset, bool)>,
}

enum Type<'a> {
    Tag {
        word: &'static str,
        name: Option<Slice<'a>>,
        bytes: Option<u64>,
        members: Vec<Member<'a>>,
    },
    /// What is an array of this.
    Array(Option<UnitOffset>),
    /// What else has a size: of this many bytes, or like this one.
    Other(Option<u64>, Option<UnitOffset>),
}

struct Member<'a> {
    name: Option<Slice<'a>>,
    of: Option<UnitOffset>,
    byte: u64,
    /// DW_AT_data_bit_offset.
    bit: Option<u64>,
    /// DW_AT_bit_offset, with which bits are counted from the other end of DW_AT_byte_size.
    old_bit: Option<u64>,
    storage: Option<u64>,
    width: u64,
}

impl<'a> Unit<'a> {
    /// None for a unit in another language than C.
    fn read(unit: UnitRef<'_, Slice<'a>>) -> Result<Option<Unit<'a>>, gimli::Error> {
        let mut this = Unit { types: HashMap::new(), named: Vec::new() };
        let mut entries = unit.entries();
        // The structs that are open, by depth.
        let mut open: Vec<(isize, UnitOffset)> = Vec::new();
        while let Some(entry) = entries.next_dfs()? {
            let depth = entry.depth();
            if depth == 0 && !is_c(entry) {
                return Ok(None);
            }
            open.retain(|(at, _)| *at < depth);
            let number = |attribute| entry.attr_value(attribute).and_then(|value| value.udata_value());
            let target = || match entry.attr_value(gimli::DW_AT_type) {
                Some(AttributeValue::UnitRef(offset)) => Some(offset),
                _ => None,
            };
            let name = || entry.attr_value(gimli::DW_AT_name).map(|value| unit.attr_string(value)).transpose();
            let word = match entry.tag() {
                gimli::DW_TAG_structure_type => "struct",
                gimli::DW_TAG_union_type => "union",
                gimli::DW_TAG_enumeration_type => "enum",
                gimli::DW_TAG_member => {
                    let Some((at, parent)) = open.last() else { continue };
                    if *at == depth - 1 {
                        let member = Member {
                            name: name()?,
                            of: target(),
                            byte: number(gimli::DW_AT_data_member_location).unwrap_or(0),
                            bit: number(gimli::DW_AT_data_bit_offset),
                            old_bit: number(gimli::DW_AT_bit_offset),
                            storage: number(gimli::DW_AT_byte_size),
                            width: number(gimli::DW_AT_bit_size).unwrap_or(0),
                        };
                        if let Some(Type::Tag { members, .. }) = this.types.get_mut(parent) {
                            members.push(member);
                        }
                    }
                    continue;
                }
                gimli::DW_TAG_array_type => {
                    this.types.insert(entry.offset(), Type::Array(target()));
                    continue;
                }
                gimli::DW_TAG_base_type
                | gimli::DW_TAG_typedef
                | gimli::DW_TAG_const_type
                | gimli::DW_TAG_volatile_type
                | gimli::DW_TAG_atomic_type => {
                    this.types.insert(entry.offset(), Type::Other(number(gimli::DW_AT_byte_size), target()));
                    continue;
                }
                _ => continue,
            };
            let is_declared = entry.attr_value(gimli::DW_AT_declaration).is_some();
            let (name, bytes) = (name()?, number(gimli::DW_AT_byte_size).filter(|_| !is_declared));
            if name.is_some() && bytes.is_some() {
                this.named.push((entry.offset(), depth == 1));
            }
            this.types.insert(entry.offset(), Type::Tag { word, name, bytes, members: Vec::new() });
            open.push((depth, entry.offset()));
        }
        Ok(Some(this))
    }

    fn add_to(&self, found: &mut Found) -> Result<(), Box<dyn Error>> {
        for &(offset, at_top) in &self.named {
            let Some(Type::Tag { word, name: Some(name), bytes: Some(bytes), members }) = self.types.get(&offset)
            else {
                continue;
            };
            let mut lines = String::new();
            let head = format!("{word}\t{}\t", String::from_utf8_lossy(name));
            writeln!(lines, "{head}-\t{bytes}\t0\t0")?;
            self.members(members, &head, "", 0, &mut lines)?;
            // What is local to a function only tells that the name is not unique.
            match found.get_mut(&name[..]) {
                Some(known) if known.as_ref().is_none_or(|(w, known)| (w, known) == (word, &lines)) => {}
                Some(known) => *known = None,
                None if at_top => _ = found.insert(name.to_vec(), Some((word, lines))),
                None => _ = found.insert(name.to_vec(), None),
            }
        }
        Ok(())
    }

    fn members(
        &self,
        members: &[Member<'a>],
        head: &str,
        prefix: &str,
        start: u64,
        lines: &mut String,
    ) -> Result<(), Box<dyn Error>> {
        for member in members {
            let bit = start + self.bit(member);
            let name = member.name.map(|name| String::from_utf8_lossy(&name).into_owned());
            let path = format!("{prefix}{}", name.as_deref().unwrap_or_default());
            if name.is_some() {
                let is_whole = self.bytes(member.of).is_some_and(|bytes| bytes * 8 == member.width);
                let narrow = if is_whole { 0 } else { member.width };
                writeln!(lines, "{head}{path}\t{bit}\t{narrow}\t{}", member.width)?;
            }
            // Types without a name lie in those that mention them, and no deeper than the source has it.
            let (mut of, mut path) = (member.of, path);
            while let Some(Type::Array(element)) = of.and_then(|of| self.types.get(&of)) {
                of = *element;
                path.push_str("[0]");
            }
            if let Some(Type::Tag { name: of_name, members, .. }) = of.and_then(|of| self.types.get(&of)) {
                if of_name.is_none() || name.is_none() {
                    let prefix = if name.is_some() { format!("{path}.") } else { prefix.to_owned() };
                    self.members(members, head, &prefix, bit, lines)?;
                }
            }
        }
        Ok(())
    }

    /// Where a member begins in its parent.
    fn bit(&self, member: &Member<'a>) -> u64 {
        match (member.bit, member.old_bit) {
            (Some(bit), _) => member.byte * 8 + bit,
            (None, Some(old)) => {
                let storage = member.storage.or_else(|| self.bytes(member.of)).unwrap_or(0);
                member.byte * 8 + (storage * 8).saturating_sub(old + member.width)
            }
            (None, None) => member.byte * 8,
        }
    }

    fn bytes(&self, mut of: Option<UnitOffset>) -> Option<u64> {
        loop {
            match self.types.get(&of?)? {
                Type::Tag { bytes, .. } => return *bytes,
                Type::Array(_) => return None,
                Type::Other(Some(bytes), _) => return Some(*bytes),
                Type::Other(None, next) => of = *next,
            }
        }
    }
}

fn is_c(unit: &DebuggingInformationEntry<Slice<'_>>) -> bool {
    let language = match unit.attr_value(gimli::DW_AT_language) {
        Some(AttributeValue::Language(language)) => language,
        _ => return false,
    };
    matches!(
        language,
        gimli::DW_LANG_C89 | gimli::DW_LANG_C | gimli::DW_LANG_C99 | gimli::DW_LANG_C11 | gimli::DW_LANG_C17
    )
}
