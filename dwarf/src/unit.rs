//! Unit headers (DWARF5 7.5.1) and what the unit's own DIE says.

use std::ops::Range;

use gimli::{DwLang, DwTag, Endianity, Format};

use crate::cursor::{Cursor, End, string_at};
use crate::die::{Attr, Attributes, Text, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Encoding, Plans};
use crate::sections::{DebugData, DebugSection, Sections};
use crate::walk;

/// Kind of a unit (DWARF5 7.5.1; before version 5 every unit of `.debug_info` is a compile unit).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum UnitKind {
    Compile,
    Type,
    Partial,
    Skeleton,
    Split,
}

/// A unit header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnitHeader {
    /// Bytes from the start of `.debug_info`.
    pub offset: usize,
    /// Bytes of the whole unit, header included.
    pub size: usize,
    /// Bytes of the header: the unit's DIE is there.
    pub header_size: usize,
    /// Bytes from the start of `.debug_abbrev`.
    pub abbrev_offset: u64,
    /// Sizes of forms.
    pub encoding: Encoding,
    /// Kind.
    pub kind: UnitKind,
    /// Of a type unit: its signature, and the offset of its type in the unit.
    pub signature: Option<(u64, u64)>,
    /// What a skeleton and the unit that was split off from it share, if the header has it; before DWARF 5 the unit's DIE has ([`Unit::dwo_id`]).
    pub dwo_id: Option<u64>,
    /// Where its parts of other sections begin.
    pub parts: Parts,
    /// Name of the section that it stands in.
    pub section: &'static str,
}

/// Where a unit's own parts of other sections begin, which its offsets count from: not at 0 in packages of split units (DWARF5 7.3.5).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Parts {
    /// In `.debug_abbrev.dwo`.
    pub abbrev: u64,
    /// In `.debug_str_offsets.dwo`.
    pub str_offsets: u64,
    /// In `.debug_loclists.dwo`, or before DWARF 5 in `.debug_loc.dwo`.
    pub locations: u64,
    /// In `.debug_rnglists.dwo`.
    pub ranges: u64,
    /// In `.debug_line.dwo`.
    pub lines: u64,
}

impl UnitHeader {
    /// Where the unit stands in `.debug_info`.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.size
    }

    /// The header as it is in the bytes of the unit, where all its relocations are known to be applied.
    ///
    /// # Errors
    /// A header that is not what it seemed without relocations.
    pub fn read_again<E: Endianity>(self, bytes: &[u8], endian: E) -> Result<UnitHeader> {
        let header = header(bytes, self.offset, bytes.len(), self.section, endian)?.with_parts(self.parts);
        if (header.size, header.kind) != (self.size, self.kind) {
            let text = "the unit header is relocated, and the relocations are out of order";
            return Err(Error::at(ErrorKind::Dwarf, self.section, header.offset as u64, text));
        }
        Ok(header)
    }

    /// The header of a unit that is in a package.
    pub fn with_parts(self, parts: Parts) -> UnitHeader {
        UnitHeader { parts, abbrev_offset: self.abbrev_offset.saturating_add(parts.abbrev), ..self }
    }
}

/// Section of the type units of DWARF 4.
pub const DEBUG_TYPES: &str = ".debug_types";
/// That of those that were split off.
pub const SPLIT_TYPES: &str = ".debug_types.dwo";
/// What the names of sections end in that were split off.
const SPLIT: &str = ".dwo";

/// Most bytes of a header: of a type unit in 64-bit DWARF.
const MAX_HEADER: usize = 12 + 2 + 1 + 1 + 8 + 8 + 8;

/// Reads all unit headers. What is relocated in them, the offset of the abbreviations, is known once the unit is opened.
///
/// # Errors
/// A header that is cut short, of an unknown version, or whose unit does not fit the section.
pub fn headers<E: Endianity>(info: &DebugSection<'_>, endian: E) -> Result<Vec<UnitHeader>> {
    let mut headers = Vec::new();
    let mut buffer = Vec::new();
    let mut at = 0;
    while at < info.len() {
        let bytes = info.unit_header(at, MAX_HEADER, &mut buffer)?;
        let header = header(bytes, at, info.len() - at, info.name(), endian)?;
        at += header.size;
        headers.push(header);
    }
    Ok(headers)
}

/// True if a section of units starts with a type unit, as far as its header can be read.
pub(crate) fn starts_with_type_unit(bytes: &[u8], endian: object::Endianness) -> bool {
    let found = match endian {
        object::Endianness::Little => header(bytes, 0, bytes.len(), "", gimli::LittleEndian),
        object::Endianness::Big => header(bytes, 0, bytes.len(), "", gimli::BigEndian),
    };
    found.is_ok_and(|header| header.kind == UnitKind::Type)
}

/// Reads the header at the start of `bytes`, that is at an offset of a section of which there are `left` bytes from there on.
fn header<E: Endianity>(
    bytes: &[u8],
    offset: usize,
    left: usize,
    section: &'static str,
    endian: E,
) -> Result<UnitHeader> {
    let error = |kind, text: String| Error::at(kind, section, offset as u64, text);
    let cut = |_: End| error(ErrorKind::Dwarf, "the unit header is cut short".into());
    let mut c = Cursor::new(bytes, endian);
    let (format, length) = match c.u32().map_err(cut)? {
        0xffff_ffff => (Format::Dwarf64, c.u64().map_err(cut)?),
        reserved @ 0xffff_fff0.. => {
            return Err(error(ErrorKind::Unsupported, format!("unit length {reserved:#x} is reserved")));
        }
        length => (Format::Dwarf32, u64::from(length)),
    };
    let left = left - c.position;
    let size = match usize::try_from(length) {
        Ok(length) if length <= left => c.position + length,
        _ => {
            let text =
                format!("the unit has {length} bytes, the section only {left} more; the file is cut short or damaged");
            return Err(error(ErrorKind::Dwarf, text));
        }
    };
    let version = c.u16().map_err(cut)?;
    if !(2..=5).contains(&version) {
        return Err(error(ErrorKind::Unsupported, format!("DWARF version {version} is unknown; 2 to 5 are read")));
    }
    let mut kind = UnitKind::Compile;
    let mut dwo_id = None;
    let (address_size, abbrev_offset);
    if version >= 5 {
        let number = c.u8().map_err(cut)?;
        address_size = c.u8().map_err(cut)?;
        abbrev_offset = c.unsigned(format.word_size()).map_err(cut)?;
        kind = match gimli::DwUt(number) {
            gimli::DW_UT_compile => UnitKind::Compile,
            gimli::DW_UT_type | gimli::DW_UT_split_type => UnitKind::Type,
            gimli::DW_UT_partial => UnitKind::Partial,
            gimli::DW_UT_skeleton => UnitKind::Skeleton,
            gimli::DW_UT_split_compile => UnitKind::Split,
            other => {
                return Err(error(ErrorKind::Unsupported, format!("unit type {other} is unknown")));
            }
        };
        match kind {
            UnitKind::Skeleton | UnitKind::Split => dwo_id = Some(c.u64().map_err(cut)?),
            UnitKind::Compile | UnitKind::Partial | UnitKind::Type => {}
        }
    } else {
        abbrev_offset = c.unsigned(format.word_size()).map_err(cut)?;
        address_size = c.u8().map_err(cut)?;
        // A section of their own (DWARF4 7.5.1.2).
        if section == DEBUG_TYPES || section == SPLIT_TYPES {
            kind = UnitKind::Type;
        }
    }
    let signature = match kind {
        UnitKind::Type => Some((c.u64().map_err(cut)?, c.unsigned(format.word_size()).map_err(cut)?)),
        UnitKind::Compile | UnitKind::Partial | UnitKind::Skeleton | UnitKind::Split => None,
    };
    if !matches!(address_size, 1 | 2 | 4 | 8) {
        return Err(error(ErrorKind::Unsupported, format!("addresses of {address_size} bytes")));
    }
    let header_size = c.position;
    if header_size > size {
        return Err(error(ErrorKind::Dwarf, "the unit is shorter than its header".into()));
    }
    let encoding = Encoding { address_size, format, version, is_split: section.ends_with(SPLIT) };
    let parts = Parts::default();
    Ok(UnitHeader { offset, size, header_size, abbrev_offset, encoding, kind, signature, dwo_id, parts, section })
}

/// A unit ready to be walked: its header, its bytes, and the bases of its indexed forms.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a, E> {
    /// Header.
    pub header: UnitHeader,
    /// The debug sections.
    pub sections: Sections<'a>,
    bytes: &'a [u8],
    /// Byte order.
    pub endian: E,
    /// Tag of the unit's DIE: before DWARF 5 the header does not tell which kind of unit it is.
    pub tag: DwTag,
    /// Language of the unit's DIE (DWARF5 7.12), 0 if it does not tell.
    pub language: DwLang,
    /// Name of the unit: its source file.
    pub name: &'a [u8],
    /// Compiler and its options.
    pub producer: &'a [u8],
    /// Name of the file that has the unit's DWARF, if it was split off.
    pub dwo_name: &'a [u8],
    /// What tells the unit that was split off.
    pub dwo_id: Option<u64>,
    /// The folder that names of files count from.
    pub comp_dir: &'a [u8],
    code: Code<'a>,
    str_offsets_base: u64,
    loclists_base: u64,
    rnglists_base: u64,
}

/// Where the code of a unit is: what is said of it in its file, also if the unit was split off.
#[derive(Clone, Copy, Debug)]
struct Code<'a> {
    /// The debug sections of the file.
    data: &'a DebugData<'a>,
    /// The unit's address, to which range and location lists are relative.
    low_pc: u64,
    high_pc: Option<Value>,
    ranges: Option<Value>,
    rnglists_base: u64,
    addr_base: u64,
    /// What range lists of a unit that was split off count from (GNU's extension of DWARF 4).
    ranges_base: u64,
}

impl<'a, E: Endianity> Unit<'a, E> {
    /// Reads the abbreviation table of a unit into `plans`, and the unit's own DIE. `bytes` are those of the unit, header
    /// included: it is read again, since only now all its relocations are known to be applied.
    pub fn open(
        header: UnitHeader,
        bytes: &'a [u8],
        sections: Sections<'a>,
        plans: &mut PlansBuffer,
        endian: E,
    ) -> Result<Unit<'a, E>> {
        let header = header.read_again(bytes, endian)?;
        plans.read(&header, &sections, endian)?;
        Unit::open_with(header, bytes, sections, plans, endian)
    }

    /// As above, with a header that was read again ([`UnitHeader::read_again`]) and its plans ([`PlansBuffer::read`]).
    pub fn open_with(
        header: UnitHeader,
        bytes: &'a [u8],
        sections: Sections<'a>,
        plans: &PlansBuffer,
        endian: E,
    ) -> Result<Unit<'a, E>> {
        let mut root = Attributes::default();
        let (Encoding { format, version, is_split, .. }, parts) = (header.encoding, header.parts);
        let offset_size = u64::from(format.word_size());
        // What was split off has no attributes for them: its tables come first in its parts, behind their headers (DWARF5 7.26, 7.28, 7.29).
        let is_table = version >= 5;
        let str_offsets_header = if is_table { 2 * offset_size } else { 0 };
        let lists_header = if is_table && is_split { if offset_size == 8 { 20 } else { 12 } } else { 0 };
        let mut unit = Unit {
            header,
            sections,
            bytes,
            endian,
            tag: DwTag(0),
            language: DwLang(0),
            name: b"",
            producer: b"",
            dwo_name: b"",
            dwo_id: header.dwo_id,
            comp_dir: b"",
            code: Code {
                data: sections.data,
                low_pc: 0,
                high_pc: None,
                ranges: None,
                rnglists_base: 0,
                addr_base: 0,
                ranges_base: 0,
            },
            str_offsets_base: parts.str_offsets.saturating_add(str_offsets_header),
            loclists_base: parts.locations.saturating_add(lists_header),
            rnglists_base: parts.ranges.saturating_add(lists_header),
        };
        unit.tag = walk::root(&unit, plans, &mut root)?;
        let base = |attr| match root.get(attr) {
            Some(Value::SectionOffset(offset) | Value::Unsigned(offset)) => Some(offset),
            _ => None,
        };
        unit.str_offsets_base = base(Attr::StrOffsetsBase).unwrap_or(unit.str_offsets_base);
        unit.loclists_base = base(Attr::LoclistsBase).unwrap_or(unit.loclists_base);
        unit.rnglists_base = base(Attr::RnglistsBase).unwrap_or(unit.rnglists_base);
        unit.code.addr_base = base(Attr::AddrBase).unwrap_or(0);
        unit.code.rnglists_base = unit.rnglists_base;
        unit.code.ranges_base = base(Attr::RangesBase).unwrap_or(0);
        unit.dwo_id = unit.dwo_id.or(root.unsigned(Attr::DwoId));
        unit.language = DwLang(root.unsigned(Attr::Language).unwrap_or(0) as u16);
        unit.code.low_pc = root.get(Attr::LowPc).and_then(|v| unit.address(v)).unwrap_or(0);
        (unit.code.high_pc, unit.code.ranges) = (root.get(Attr::HighPc), root.get(Attr::Ranges));
        let text = |attr| match root.get(attr) {
            Some(Value::Text(text)) => unit.text(text).unwrap_or(b""),
            _ => b"",
        };
        let texts = [Attr::Name, Attr::Producer, Attr::DwoName, Attr::CompDir].map(text);
        [unit.name, unit.producer, unit.dwo_name, unit.comp_dir] = texts;
        Ok(unit)
    }

    /// The unit, which was split off from a skeleton: that has its addresses (DWARF5 3.1.2, 3.1.3).
    pub fn of_skeleton(self, skeleton: &Unit<'a, E>) -> Unit<'a, E> {
        Unit { code: skeleton.code, ..self }
    }

    /// The unit's bytes, header included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Name of the section that it stands in.
    pub fn section_name(&self) -> &'static str {
        self.header.section
    }

    /// A string.
    #[inline]
    pub fn text(&self, text: Text) -> Option<&'a [u8]> {
        string_at(self.text_and_rest(text)?, 0)
    }

    /// The bytes from the start of a string to the end of its section: the string, a NUL, and whatever follows.
    #[inline]
    pub fn text_and_rest(&self, text: Text) -> Option<&'a [u8]> {
        let (section, offset) = match text {
            Text::Str(offset) => (self.sections.str, offset),
            Text::LineStr(offset) => (self.sections.line_str, offset),
            Text::Inline(offset) => (self.bytes(), offset as u64),
            Text::Index(index) => (self.sections.str, self.indexed_str(index)?),
            Text::Alternate(offset) => (self.sections.alternate_str, offset),
        };
        section.get(usize::try_from(offset).ok()?..)
    }

    fn indexed_str(&self, index: u64) -> Option<u64> {
        let size = self.header.encoding.offset_size();
        self.indexed(&self.sections.data.str_offsets, self.str_offsets_base, index, size)
    }

    /// Offset of a string in the `.debug_str` of the file that is read; None if it is elsewhere.
    #[inline]
    pub fn str_offset(&self, text: Text) -> Option<u64> {
        match text {
            Text::Str(offset) => Some(offset),
            Text::Index(index) if !self.header.encoding.is_split => self.indexed_str(index),
            Text::Index(_) => None,
            Text::LineStr(_) | Text::Inline(_) | Text::Alternate(_) => None,
        }
    }

    /// An address, directly or through `.debug_addr`.
    pub fn address(&self, value: Value) -> Option<u64> {
        match value {
            Value::Address(address) => Some(address),
            Value::AddressIndex(index) => {
                let size = self.header.encoding.address_size;
                self.indexed(&self.code.data.addr, self.code.addr_base, index, size)
            }
            _ => None,
        }
    }

    fn indexed(&self, section: &DebugSection<'_>, base: u64, index: u64, size: u8) -> Option<u64> {
        let at = base.checked_add(index.checked_mul(u64::from(size))?)?;
        Cursor::new(section.whole(), self.endian).at(usize::try_from(at).ok()?).unsigned(size).ok()
    }

    /// gimli's description of the unit's encoding.
    pub fn gimli_encoding(&self) -> gimli::Encoding {
        let Encoding { address_size, format, version, .. } = self.header.encoding;
        gimli::Encoding { address_size, format, version }
    }

    /// The addresses of the unit's code: (first, one past the last), sorted. Empty if it cannot be told.
    pub fn code_ranges(&self) -> Vec<(u64, u64)> {
        let Code { data, low_pc, high_pc, ranges, rnglists_base, .. } = self.code;
        let mut found = match ranges {
            Some(ranges) => {
                let section = if self.header.encoding.version < 5 { &data.ranges } else { &data.rnglists };
                let offset = self.list(ranges, &data.rnglists, rnglists_base, 0);
                offset.map_or_else(Vec::new, |offset| self.ranges_in(section, offset))
            }
            None => match high_pc {
                Some(Value::Unsigned(size)) => vec![(low_pc, low_pc.saturating_add(size))],
                Some(end) => self.address(end).map(|end| (low_pc, end)).into_iter().collect(),
                None => Vec::new(),
            },
        };
        found.sort_unstable();
        found
    }

    /// The ranges in the list at an offset (see [`Unit::range_list`]), up to the first damaged one.
    pub fn ranges_at(&self, offset: u64) -> Vec<(u64, u64)> {
        // GNU's extension of DWARF 4 splits off locations, but not ranges.
        let is_old = self.header.encoding.version < 5;
        self.ranges_in(if is_old { &self.code.data.ranges } else { &self.sections.data.rnglists }, offset)
    }

    fn ranges_in(&self, section: &DebugSection<'_>, offset: u64) -> Vec<(u64, u64)> {
        let addresses = gimli::DebugAddr::from(gimli::EndianSlice::new(self.code.data.addr.whole(), self.endian));
        let (encoding, base) = (self.gimli_encoding(), gimli::DebugAddrBase(self.code.addr_base as usize));
        if !section.count(0) {
            return Vec::new();
        }
        let found = section.list(offset, |list| {
            let (old, new) = (gimli::DebugRanges::new(list, self.endian), gimli::DebugRngLists::new(list, self.endian));
            let lists = gimli::RangeLists::new(old, new);
            let mut found = Vec::new();
            let Ok(mut ranges) = lists.ranges(gimli::RangeListsOffset(0), encoding, self.code.low_pc, &addresses, base)
            else {
                return (found, true);
            };
            loop {
                match ranges.next() {
                    Ok(Some(range)) => found.push((range.begin, range.end)),
                    Ok(None) => return (found, true),
                    Err(e) => return (found, !matches!(e, gimli::Error::UnexpectedEof(_))),
                }
            }
        });
        section.count(found.len());
        found
    }

    /// Reads the location list at an offset (see [`Unit::location_list`]); as [`DebugSection::list`], with gimli's reader.
    pub fn location_list_at<T: Default>(
        &self,
        offset: u64,
        mut read: impl FnMut(gimli::RawLocListIter<gimli::EndianSlice<'_, E>>) -> (T, bool),
    ) -> T {
        let encoding = self.gimli_encoding();
        let section = if encoding.version < 5 { &self.sections.data.loc } else { &self.sections.data.loclists };
        section.list(offset, |list| {
            let (old, new) = (gimli::DebugLoc::new(list, self.endian), gimli::DebugLocLists::new(list, self.endian));
            let lists = gimli::LocationLists::new(old, new);
            let start = gimli::LocationListsOffset(0);
            let entries = match self.header.encoding.is_split {
                false => lists.raw_locations(start, encoding),
                true => lists.raw_locations_dwo(start, encoding),
            };
            match entries {
                Ok(entries) => read(entries),
                Err(_) => (T::default(), true),
            }
        })
    }

    /// Offset in `.debug_loclists` (or `.debug_loc`) of a location list.
    pub fn location_list(&self, value: Value) -> Option<u64> {
        self.list(value, &self.sections.data.loclists, self.loclists_base, self.header.parts.locations)
    }

    /// Offset in `.debug_rnglists` (or `.debug_ranges`) of a range list.
    pub fn range_list(&self, value: Value) -> Option<u64> {
        let Encoding { version, is_split, .. } = self.header.encoding;
        let part = if version < 5 && is_split { self.code.ranges_base } else { self.header.parts.ranges };
        self.list(value, &self.sections.data.rnglists, self.rnglists_base, part)
    }

    /// The offset of a list, in a section of which the unit's part begins at `part`, and its table of lists at `base`.
    fn list(&self, value: Value, section: &DebugSection<'_>, base: u64, part: u64) -> Option<u64> {
        match value {
            Value::SectionOffset(offset) => part.checked_add(offset),
            // DWARF 2 and 3 have no form of its own for section offsets.
            Value::Unsigned(offset) if self.header.encoding.version < 4 => Some(offset),
            Value::ListIndex(index) => {
                let offset = self.indexed(section, base, index, self.header.encoding.offset_size())?;
                base.checked_add(offset)
            }
            _ => None,
        }
    }
}

/// Memory for reading plans, used again for each unit.
#[derive(Debug, Default)]
pub struct PlansBuffer(pub(crate) Plans);

impl PlansBuffer {
    /// Reads the abbreviation table of a unit, unless it is the one that was read last.
    pub fn read<E: Endianity>(&mut self, header: &UnitHeader, sections: &Sections<'_>, endian: E) -> Result<()> {
        self.0.read(sections.abbrev, header.abbrev_offset, header.encoding, endian)
    }

    /// About how many bytes of memory they take.
    pub fn memory(&self) -> usize {
        self.0.memory()
    }
}
