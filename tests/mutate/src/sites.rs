//! What the bytes of a file's DWARF mean: where its DIEs, their values, and the parts of its abbreviations stand.

use std::collections::BTreeSet;
use std::ops::Range;

use dwarf::elf::ElfFile;
use gimli::{DebugAbbrev, DebugInfo, DwAt, DwForm, EndianSlice, RunTimeEndian};
use object::{Endianness, elf};

use crate::image::{Headers, Order};

/// The value of an attribute.
#[derive(Clone, Copy, Debug)]
pub struct Value {
    /// Offset in `.debug_info`.
    pub at: u32,
    /// Bytes.
    pub size: u32,
    /// DW_AT_...
    pub attr: DwAt,
    /// DW_FORM_...
    pub form: DwForm,
}

/// What a part of an abbreviation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Its code.
    Code,
    /// Its tag.
    Tag,
    /// Whether it has children.
    Children,
    /// Number of an attribute; the form follows.
    Attribute,
    /// Form of an attribute.
    Form,
    /// Value of DW_FORM_implicit_const.
    Constant,
    /// The zeros that end the list of attributes.
    End,
}

/// A unit.
#[derive(Clone, Debug)]
pub struct UnitSite {
    /// Offsets in `.debug_info`, header included.
    pub bytes: Range<usize>,
    /// Bytes of the header.
    pub header: usize,
    /// Its part of [`Sites::dies`].
    pub dies: Range<usize>,
    /// Its part of [`Sites::values`].
    pub values: Range<usize>,
    /// Offset of its abbreviations.
    pub abbrev: usize,
    /// Bytes of an offset.
    pub offset_size: usize,
}

/// A table of relocations with addends, for 64 bits.
#[derive(Clone, Debug)]
pub struct Relocations {
    /// Bytes of the file.
    pub bytes: Range<usize>,
    /// Number of the section that they are for.
    pub target: usize,
    /// r_offset of each entry.
    offsets: Vec<u64>,
}

/// Bytes of an Elf64_Rela.
pub const RELA: usize = 24;

/// A file's DWARF taken apart.
#[derive(Clone, Debug)]
pub struct Sites {
    /// Its headers.
    pub headers: Headers,
    /// Where `.debug_info` stands in the file.
    pub info: Range<usize>,
    /// Where `.debug_abbrev` stands in the file.
    pub abbrev: Range<usize>,
    /// Units.
    pub units: Vec<UnitSite>,
    /// Offsets of all DIEs in `.debug_info`.
    pub dies: Vec<u32>,
    /// All values, in order.
    pub values: Vec<Value>,
    /// Parts of abbreviations: offset in `.debug_abbrev`, bytes.
    pub parts: Vec<(u32, u32, Part)>,
    /// Tables of relocations.
    pub relocations: Vec<Relocations>,
    /// Which of them is for `.debug_info`.
    info_relocations: Option<usize>,
}

impl Sites {
    /// Takes a file apart; None if it has no (uncompressed, undamaged) DWARF.
    pub fn of(file: &[u8]) -> Option<Sites> {
        Sites::of_units(file, |_, _| true)
    }

    /// The same for some of its units, which are asked for by number and bytes.
    pub fn of_units(file: &[u8], wanted: impl FnMut(usize, usize) -> bool) -> Option<Sites> {
        let headers = Headers::of(file)?;
        let (info, abbrev) = (headers.section(".debug_info")?.clone(), headers.section(".debug_abbrev")?.bytes.clone());
        let elf = ElfFile::parse(file).ok()?;
        let endian = match elf.endian {
            Endianness::Little => RunTimeEndian::Little,
            Endianness::Big => RunTimeEndian::Big,
        };
        let data = elf.debug_data().ok()?;
        data.info.put_in_order();
        let mut buffer = Vec::new();
        let bytes = data.info.part(0..data.info.len(), &mut buffer).ok()?;
        let relocations = relocations(file, &headers);
        let number = headers.sections.iter().position(|s| s.at == info.at)?;
        let info_relocations = relocations.iter().position(|r| r.target == number);
        let mut sites = Sites {
            headers,
            info: info.bytes,
            abbrev,
            units: Vec::new(),
            dies: Vec::new(),
            values: Vec::new(),
            parts: Vec::new(),
            relocations,
            info_relocations,
        };
        let tables = sites.read(bytes, data.sections().abbrev, endian, wanted).ok()?;
        tables.into_iter().for_each(|table| sites.read_table(data.sections().abbrev, table));
        Some(sites)
    }

    /// Reads the units; the offsets of their tables of abbreviations.
    fn read(
        &mut self,
        info: &[u8],
        abbrev: &[u8],
        endian: RunTimeEndian,
        mut wanted: impl FnMut(usize, usize) -> bool,
    ) -> gimli::Result<BTreeSet<usize>> {
        let abbrevs = DebugAbbrev::new(abbrev, endian);
        let mut tables = BTreeSet::new();
        let section = DebugInfo::from(EndianSlice::new(info, endian));
        let mut units = section.units();
        let mut number = 0;
        while let Some(unit) = units.next()? {
            number += 1;
            if !wanted(number - 1, unit.length_including_self()) {
                continue;
            }
            let start = unit.debug_info_offset().map_or(0, |offset| offset.0);
            let table = unit.debug_abbrev_offset();
            tables.insert(table.0);
            let abbreviations = abbrevs.abbreviations(table)?;
            let mut entries = unit.entries_raw(&abbreviations, None)?;
            let first = (self.dies.len(), self.values.len());
            while !entries.is_empty() {
                let die = start + entries.next_offset().0;
                let Some(abbreviation) = entries.read_abbreviation()? else { continue };
                self.dies.push(die as u32);
                for &spec in abbreviation.attributes() {
                    let at = start + entries.next_offset().0;
                    entries.read_attribute(spec)?;
                    let size = (start + entries.next_offset().0 - at) as u32;
                    self.values.push(Value { at: at as u32, size, attr: spec.name(), form: spec.form() });
                }
            }
            self.units.push(UnitSite {
                bytes: start..start + unit.length_including_self(),
                header: unit.size_of_header(),
                dies: first.0..self.dies.len(),
                values: first.1..self.values.len(),
                abbrev: table.0,
                offset_size: unit.format().word_size().into(),
            });
        }
        Ok(tables)
    }

    fn read_table(&mut self, abbrev: &[u8], table: usize) {
        let mut at = table;
        let mut part = |what, parts: &mut Vec<(u32, u32, Part)>| {
            let size = leb_size(&abbrev[at..]);
            parts.push((at as u32, size as u32, what));
            at += size;
            abbrev[at - size..at].iter().fold(0, |all, byte| all | byte & 0x7f) == 0
        };
        let parts = &mut self.parts;
        // gimli has read the table to its end.
        while !part(Part::Code, parts) {
            part(Part::Tag, parts);
            part(Part::Children, parts);
            loop {
                let (attribute, form) = (part(Part::Attribute, parts), part(Part::Form, parts));
                if attribute && form {
                    let (end, attribute) = (parts.pop(), parts.pop());
                    if let (Some(_), Some((at, ..))) = (end, attribute) {
                        parts.push((at, 2, Part::End));
                    }
                    break;
                }
                let last = parts[parts.len() - 1].0 as usize;
                if u16::from(abbrev[last]) == gimli::DW_FORM_implicit_const.0 {
                    part(Part::Constant, parts);
                }
            }
        }
    }

    /// Byte order.
    pub fn order(&self) -> Order {
        self.headers.order
    }

    /// Sets bytes of `.debug_info` to a number, be it there or in the relocation for them.
    pub fn set(&self, file: &mut [u8], at: usize, size: usize, number: u64) {
        let relocations = self.info_relocations.map(|table| &self.relocations[table]);
        let entry = relocations.and_then(|r| r.offsets.binary_search(&(at as u64)).ok().map(|entry| (r, entry)));
        match entry {
            Some((r, entry)) => self.order().put(file, r.bytes.start + RELA * entry + 16, 8, number),
            None => self.order().put(file, self.info.start + at, size, number),
        }
    }

    /// The number in bytes of `.debug_info`, or in the relocation for them.
    pub fn get(&self, file: &[u8], at: usize, size: usize) -> u64 {
        let relocations = self.info_relocations.map(|table| &self.relocations[table]);
        let entry = relocations.and_then(|r| r.offsets.binary_search(&(at as u64)).ok().map(|entry| (r, entry)));
        match entry {
            Some((r, entry)) => self.order().get(file, r.bytes.start + RELA * entry + 16, 8),
            None => self.order().get(file, self.info.start + at, size),
        }
    }
}

fn relocations(file: &[u8], headers: &Headers) -> Vec<Relocations> {
    let tables = headers.sections.iter().filter(|s| headers.is_64 && s.kind == elf::SHT_RELA && !s.bytes.is_empty());
    let table = |s: &crate::image::Header| {
        let entries = file[s.bytes.clone()].chunks_exact(RELA);
        let offsets = entries.map(|entry| headers.order.get(entry, 0, 8)).collect();
        Relocations { bytes: s.bytes.clone(), target: s.info as usize, offsets }
    };
    tables.map(table).collect()
}

/// Bytes of the LEB128 number at the start.
pub fn leb_size(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| byte & 0x80 == 0).map_or(bytes.len(), |last| last + 1)
}

/// Writes a number as LEB128 of just so many bytes; the upper bits that do not fit are lost.
pub fn put_leb(bytes: &mut [u8], mut number: u64) {
    let last = bytes.len().saturating_sub(1);
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = number as u8 & 0x7f | if i < last { 0x80 } else { 0 };
        number >>= 7;
    }
}
