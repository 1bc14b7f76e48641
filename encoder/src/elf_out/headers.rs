//! Reading and writing of the ELF headers that the lay-out deals with, in both classes and byte
//! orders. Everything that comes out of here lies inside the file.

use std::ops::Range;

use object::elf;

use super::ElfOutError;

/// Offsets of the class and the byte order in `e_ident`, and its size; gABI "ELF Identification".
const EI_CLASS: usize = 4;
const EI_DATA: usize = 5;
const EI_NIDENT: usize = 16;

/// Class and byte order: how wide an address-sized field is and how its bytes are ordered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) wide: bool,
    pub(super) big_endian: bool,
}

impl Format {
    fn parse(bytes: &[u8]) -> Result<Self, ElfOutError> {
        let ident = bytes.get(..EI_NIDENT).ok_or(ElfOutError::NotElf)?;
        let wide = match ident[EI_CLASS] {
            elf::ELFCLASS32 => false,
            elf::ELFCLASS64 => true,
            _ => return Err(ElfOutError::NotElf),
        };
        let big_endian = match ident[EI_DATA] {
            elf::ELFDATA2LSB => false,
            elf::ELFDATA2MSB => true,
            _ => return Err(ElfOutError::NotElf),
        };
        if ident[..4] != elf::ELFMAG {
            return Err(ElfOutError::NotElf);
        }
        Ok(Format { wide, big_endian })
    }

    /// Size of `Elf32_Ehdr` or `Elf64_Ehdr`.
    pub(super) fn file_header_size(self) -> u64 {
        if self.wide { 64 } else { 52 }
    }

    /// Size of `Elf32_Shdr` or `Elf64_Shdr`.
    pub(super) fn section_header_size(self) -> u64 {
        if self.wide { 64 } else { 40 }
    }

    /// Size of `Elf32_Phdr` or `Elf64_Phdr`.
    pub(super) fn program_header_size(self) -> u64 {
        if self.wide { 56 } else { 32 }
    }

    /// Size of `Elf32_Sym` or `Elf64_Sym`, and the offset of its `st_shndx`.
    fn symbol_size_and_shndx(self) -> (usize, usize) {
        if self.wide { (24, 6) } else { (16, 14) }
    }

    /// Offsets of `e_shoff` and `e_shnum` in the ELF header.
    pub(super) fn shoff_and_shnum(self) -> (usize, usize) {
        if self.wide { (0x28, 0x3c) } else { (0x20, 0x30) }
    }

    fn u16(self, raw: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) }
    }

    fn u32(self, raw: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) }
    }

    /// Size of an address, an offset or a size.
    pub(super) fn word_size(self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    /// Appends the low `size` bytes of `value` in the order of the file.
    pub(super) fn put(self, out: &mut Vec<u8>, value: u64, size: usize) {
        if self.big_endian {
            out.extend_from_slice(&value.to_be_bytes()[8 - size..]);
        } else {
            out.extend_from_slice(&value.to_le_bytes()[..size]);
        }
    }

    /// Overwrites `size` bytes at `at`.
    pub(super) fn patch(self, out: &mut [u8], at: usize, value: u64, size: usize) {
        let mut raw = Vec::with_capacity(size);
        self.put(&mut raw, value, size);
        out[at..at + size].copy_from_slice(&raw);
    }
}

/// Reads the fields of one header in their order. Reading past the end gives zeros; callers hand in
/// slices of the full size.
struct Fields<'e> {
    bytes: &'e [u8],
    format: Format,
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((head, tail)) = self.bytes.split_first_chunk::<N>() else {
            return [0; N];
        };
        self.bytes = tail;
        *head
    }

    fn u16(&mut self) -> u16 {
        let raw = self.take();
        self.format.u16(raw)
    }

    fn u32(&mut self) -> u32 {
        let raw = self.take();
        self.format.u32(raw)
    }

    /// `Elf32_Word` or `Elf64_Xword`, also for addresses and offsets.
    fn word(&mut self) -> u64 {
        if !self.format.wide {
            return u64::from(self.u32());
        }
        let raw = self.take();
        if self.format.big_endian { u64::from_be_bytes(raw) } else { u64::from_le_bytes(raw) }
    }
}

/// A section header; gABI "Sections", the `sh_` fields in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: u32,
    pub(super) kind: u32,
    pub(super) flags: u64,
    pub(super) addr: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) link: u32,
    pub(super) info: u32,
    pub(super) align: u64,
    pub(super) entsize: u64,
}

impl Section {
    fn parse(mut fields: Fields<'_>) -> Self {
        Section {
            name: fields.u32(),
            kind: fields.u32(),
            flags: fields.word(),
            addr: fields.word(),
            offset: fields.word(),
            size: fields.word(),
            link: fields.u32(),
            info: fields.u32(),
            align: fields.word(),
            entsize: fields.word(),
        }
    }

    pub(super) fn emit(&self, format: Format, out: &mut Vec<u8>) {
        let word = format.word_size();
        for (value, size) in [
            (u64::from(self.name), 4),
            (u64::from(self.kind), 4),
            (self.flags, word),
            (self.addr, word),
            (self.offset, word),
            (self.size, word),
            (u64::from(self.link), 4),
            (u64::from(self.info), 4),
            (self.align, word),
            (self.entsize, word),
        ] {
            format.put(out, value, size);
        }
    }

    pub(super) fn is_alloc(&self) -> bool {
        self.flags & u64::from(elf::SHF_ALLOC) != 0
    }

    /// Index of the section to which a relocation section applies; gABI "Relocation".
    pub(super) fn relocates(&self) -> Option<usize> {
        matches!(self.kind, elf::SHT_REL | elf::SHT_RELA).then_some(self.info as usize)
    }

    /// Bytes the section takes in the file: none for `SHT_NOBITS` and for inactive headers, whose
    /// other fields mean nothing.
    pub(super) fn file_size(&self) -> u64 {
        if matches!(self.kind, elf::SHT_NOBITS | elf::SHT_NULL) { 0 } else { self.size }
    }

    /// End of the bytes in the file; `ElfFile::parse` has checked that it is inside.
    pub(super) fn file_end(&self) -> u64 {
        self.offset.saturating_add(self.file_size())
    }

    /// Alignment to keep when the section moves. A section that was not aligned to begin with has
    /// no use for it, and ignoring it bounds the padding by the size of the old file. Tables of
    /// numbers keep that of their words all the same, since there are readers that map them.
    pub(super) fn file_align(&self) -> u64 {
        let is_kept = self.align.is_power_of_two() && self.offset & (self.align - 1) == 0;
        let words = match self.kind {
            elf::SHT_SYMTAB | elf::SHT_SYMTAB_SHNDX | elf::SHT_RELA | elf::SHT_REL | elf::SHT_GROUP => {
                1 << self.offset.trailing_zeros().min(3)
            }
            _ => 1,
        };
        if is_kept { self.align.max(words) } else { words }
    }
}

/// What the lay-out needs to know of an ELF file. All offsets were checked against its size.
pub(super) struct ElfFile<'e> {
    pub(super) bytes: &'e [u8],
    pub(super) format: Format,
    pub(super) relocatable: bool,
    /// File offset of the section header table.
    pub(super) shoff: u64,
    /// Index of the section with the section names.
    pub(super) shstrndx: usize,
    pub(super) sections: Vec<Section>,
    /// File range of the program header table.
    pub(super) program_headers: Range<u64>,
    /// End of the last byte that must not move: see rule 1 of the module documentation.
    pub(super) floor: u64,
}

impl<'e> ElfFile<'e> {
    pub(super) fn parse(bytes: &'e [u8]) -> Result<Self, ElfOutError> {
        let format = Format::parse(bytes)?;
        let header = part(bytes, 0, format.file_header_size(), || "ELF header".to_owned())?;
        let mut fields = Fields { bytes: &header[EI_NIDENT..], format };
        let e_type = fields.u16();
        let (_machine, _version, _entry) = (fields.u16(), fields.u32(), fields.word());
        let (phoff, shoff) = (fields.word(), fields.word());
        let (_flags, _ehsize) = (fields.u32(), fields.u16());
        let (phentsize, phnum) = (fields.u16(), fields.u16());
        let (shentsize, shnum, shstrndx) = (fields.u16(), fields.u16(), fields.u16());

        if shoff == 0 {
            return Err(ElfOutError::NoSectionNames);
        }
        if u64::from(shentsize) != format.section_header_size() {
            return Err(malformed(format!("section headers of {shentsize} bytes")));
        }
        let sections = parse_sections(bytes, format, shoff, shnum)?;
        // Extended numbering; gABI "ELF Header": section 0 has what does not fit into 16 bits.
        let first = &sections[0];
        if first.kind != elf::SHT_NULL {
            return Err(malformed(format!("section 0, which has type {:#x}", first.kind)));
        }
        let shstrndx = if shstrndx == elf::SHN_XINDEX { first.link } else { u32::from(shstrndx) };
        let phnum = if phnum == elf::PN_XNUM { first.info } else { u32::from(phnum) };

        let relocatable = e_type == elf::ET_REL;
        let program_headers = parse_program_headers(bytes, format, phoff, phentsize, phnum)?;
        let shstrndx = shstrndx as usize;
        let mut file = ElfFile { bytes, format, relocatable, shoff, shstrndx, sections, program_headers, floor: 0 };
        file.check_sections()?;
        file.floor = file.find_floor();
        Ok(file)
    }

    /// Sections with their indices, without the inactive ones and without section 0, whose fields
    /// serve extended numbering.
    pub(super) fn active_sections(&self) -> impl Iterator<Item = (usize, &Section)> {
        let all = self.sections.iter().enumerate().skip(1);
        all.filter(|(_, section)| section.kind != elf::SHT_NULL)
    }

    fn check_sections(&self) -> Result<(), ElfOutError> {
        let count = self.sections.len();
        for (index, section) in self.active_sections() {
            if section.file_size() > 0 {
                part(self.bytes, section.offset, section.file_size(), || format!("section {index}"))?;
            }
            // It would become valid, and apply to the wrong section, when one is added.
            if section.relocates().is_some_and(|target| target >= count) {
                return Err(malformed(format!(
                    "section {index} relocates section {}, past the last of {count} sections",
                    section.info
                )));
            }
        }
        self.check_names()
    }

    fn check_names(&self) -> Result<(), ElfOutError> {
        if self.shstrndx == 0 {
            return Err(ElfOutError::NoSectionNames);
        }
        let place = format!("section names in section {}", self.shstrndx);
        let Some(names) = self.sections.get(self.shstrndx) else {
            let count = self.sections.len();
            return Err(malformed(format!("{place}, past the last of {count} sections")));
        };
        if names.kind != elf::SHT_STRTAB {
            return Err(malformed(format!("{place}, which has type {:#x}", names.kind)));
        }
        // A name past the end would become another one when the table grows.
        let past_end = |(_, section): &(usize, &Section)| u64::from(section.name) >= names.size.max(1);
        match self.active_sections().find(past_end) {
            Some((index, section)) => Err(malformed(format!(
                "name of section {index} at {:#x}, past the end of the section names ({} bytes)",
                section.name, names.size
            ))),
            None => Ok(()),
        }
    }

    /// See [`ElfFile::floor`]. Segments may reach past the end of the file (some split debug files
    /// keep those of the program), so their ends are cut to it.
    fn find_floor(&self) -> u64 {
        let loaded = self.active_sections().map(|(_, section)| section);
        let loaded = loaded.filter(|section| self.is_loaded(section) && section.file_size() > 0);
        let headers = self.format.file_header_size().max(self.program_headers.end);
        let ends = loaded.map(Section::file_end).chain(self.segment_ends());
        ends.fold(headers, u64::max).min(self.bytes.len() as u64)
    }

    fn segment_ends(&self) -> impl Iterator<Item = u64> {
        let Range { start, end } = self.program_headers;
        let table = &self.bytes[start as usize..end as usize];
        let entries = table.chunks_exact(self.format.program_header_size() as usize);
        entries.filter_map(|bytes| segment_end(Fields { bytes, format: self.format }))
    }

    /// True if the section has an address that others rely on.
    pub(super) fn is_loaded(&self, section: &Section) -> bool {
        section.is_alloc() && !self.relocatable
    }

    /// Contents in the file; empty for `SHT_NOBITS`.
    pub(super) fn contents(&self, section: &Section) -> &'e [u8] {
        let range = section.offset as usize..section.file_end() as usize;
        self.bytes.get(range).unwrap_or_default()
    }

    pub(super) fn section_names(&self) -> &'e [u8] {
        self.contents(&self.sections[self.shstrndx])
    }

    /// Index of the section `name`.
    pub(super) fn find(&self, name: &str) -> Result<Option<usize>, ElfOutError> {
        let names = self.section_names();
        let is_it = |section: &Section| {
            let tail = names.get(section.name as usize..).unwrap_or_default();
            tail.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first().is_none_or(|byte| *byte == 0))
        };
        let mut found = self.active_sections().filter(|(_, section)| is_it(section));
        let first = found.next();
        if let (Some((first, _)), Some((second, _))) = (first, found.next()) {
            return Err(malformed(format!("sections {first} and {second} are both named `{name}`")));
        }
        Ok(first.map(|(index, _)| index))
    }

    /// Size of the section header table in bytes.
    pub(super) fn table_size(&self) -> u64 {
        self.sections.len() as u64 * self.format.section_header_size()
    }

    /// True if a header, a symbol or a section group names the section by its index. Reports a
    /// match too many rather than one too few.
    pub(super) fn refers_to(&self, index: usize) -> bool {
        self.active_sections().any(|(_, section)| {
            let info_is_index = section.flags & u64::from(elf::SHF_INFO_LINK) != 0;
            section.link as usize == index
                || section.relocates() == Some(index)
                || (info_is_index && section.info as usize == index)
                || self.contents_refer_to(section, index)
        })
    }

    fn contents_refer_to(&self, section: &Section, index: usize) -> bool {
        let contents = self.contents(section);
        match section.kind {
            elf::SHT_SYMTAB | elf::SHT_DYNSYM => {
                let (size, shndx) = self.format.symbol_size_and_shndx();
                contents
                    .chunks_exact(size)
                    .any(|symbol| usize::from(self.format.u16([symbol[shndx], symbol[shndx + 1]])) == index)
            }
            elf::SHT_SYMTAB_SHNDX | elf::SHT_GROUP => contents
                .chunks_exact(4)
                .any(|word| self.format.u32([word[0], word[1], word[2], word[3]]) as usize == index),
            _ => false,
        }
    }
}

pub(super) fn malformed(what: String) -> ElfOutError {
    ElfOutError::Malformed { what }
}

/// The `size` bytes at `offset`, or an error that begins with `what`.
fn part(bytes: &[u8], offset: u64, size: u64, what: impl Fn() -> String) -> Result<&[u8], ElfOutError> {
    let range = || {
        let start = usize::try_from(offset).ok()?;
        bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)
    };
    range().ok_or_else(|| {
        malformed(format!(
            "{} at {offset:#x} ({size} bytes) ends past the end of the file ({} bytes)",
            what(),
            bytes.len()
        ))
    })
}

/// The section header table with `shnum` entries, or as many as section 0 says; at least one.
fn parse_sections(bytes: &[u8], format: Format, shoff: u64, shnum: u16) -> Result<Vec<Section>, ElfOutError> {
    let entry = format.section_header_size();
    let table = |size| part(bytes, shoff, size, || "section header table".to_owned());
    let first = Section::parse(Fields { bytes: table(entry)?, format });
    let count = if shnum == 0 { first.size } else { u64::from(shnum) };
    let size = count.checked_mul(entry).filter(|size| *size > 0);
    let size = size.ok_or_else(|| malformed(format!("section header table of {count} sections")))?;
    let entries = table(size)?.chunks_exact(entry as usize);
    Ok(entries.map(|bytes| Section::parse(Fields { bytes, format })).collect())
}

/// File range of the program header table with `phnum` entries.
fn parse_program_headers(
    bytes: &[u8],
    format: Format,
    phoff: u64,
    phentsize: u16,
    phnum: u32,
) -> Result<Range<u64>, ElfOutError> {
    if phnum == 0 {
        return Ok(0..0);
    }
    let entry = format.program_header_size();
    if u64::from(phentsize) != entry {
        return Err(malformed(format!("program headers of {phentsize} bytes")));
    }
    let size = u64::from(phnum) * entry;
    part(bytes, phoff, size, || "program header table".to_owned())?;
    Ok(phoff..phoff + size)
}

/// File offset of the end of a segment; `None` if it has no bytes there. gABI "Program Header".
fn segment_end(mut fields: Fields<'_>) -> Option<u64> {
    let kind = fields.u32();
    if fields.format.wide {
        let _flags = fields.u32();
    }
    let offset = fields.word();
    let (_vaddr, _paddr) = (fields.word(), fields.word());
    let size = fields.word();
    (kind != elf::PT_NULL && size > 0).then(|| offset.saturating_add(size))
}
