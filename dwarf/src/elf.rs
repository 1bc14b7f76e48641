//! What an encoder needs of an ELF file: sections by name, symbols, debug sections decompressed and relocated.

use std::borrow::Cow;

use object::elf;
use object::read::elf::{FileHeader, SectionHeader, Sym, SymbolTable};
use object::{Endianness, Object, ObjectSection, SectionIndex};

use crate::error::{Error, ErrorKind, Result};
use crate::relocate;
use crate::sections::Sections;

/// A section header, in the same form for all ELF classes (gABI, section header).
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// Number in the section header table.
    pub index: usize,
    /// Name.
    pub name: &'a [u8],
    /// sh_type
    pub kind: u32,
    /// sh_flags
    pub flags: u64,
    /// Address of the section: sh_addr, or for a relocatable file one made up so that no two sections overlap.
    pub address: u64,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Size, in bytes.
    pub size: u64,
    /// sh_link
    pub link: u32,
    /// sh_info
    pub info: u32,
}

/// A symbol, in the same form for all ELF classes (gABI, symbol table).
#[derive(Clone, Copy, Debug)]
pub struct Symbol<'a> {
    /// Name.
    pub name: &'a [u8],
    /// st_value as it stands in the file: an address, or in a relocatable file an offset in the section.
    pub value: u64,
    /// Size, in bytes.
    pub size: u64,
    /// STT_FUNC, STT_OBJECT, ...
    pub kind: u8,
    /// STB_LOCAL, STB_GLOBAL, STB_WEAK
    pub binding: u8,
    /// Number of its section; 0 if undefined, and also for absolute and common symbols.
    pub section: usize,
}

/// A parsed ELF file that borrows its bytes.
#[derive(Debug)]
pub struct ElfFile<'a> {
    data: &'a [u8],
    /// Byte order.
    pub endian: Endianness,
    /// True for ELFCLASS64.
    pub is_64: bool,
    /// e_machine
    pub machine: u16,
    /// True for ET_REL: modules and objects.
    pub relocatable: bool,
    /// All sections.
    pub sections: Vec<Section<'a>>,
    symbols: Vec<Symbol<'a>>,
    has_symbols: bool,
}

/// Debug sections, each borrowed from the file or patched in a copy.
#[derive(Debug, Default)]
pub struct DebugData<'a> {
    info: Cow<'a, [u8]>,
    abbrev: Cow<'a, [u8]>,
    str: Cow<'a, [u8]>,
    line_str: Cow<'a, [u8]>,
    str_offsets: Cow<'a, [u8]>,
    addr: Cow<'a, [u8]>,
    loclists: Cow<'a, [u8]>,
    rnglists: Cow<'a, [u8]>,
    loc: Cow<'a, [u8]>,
    ranges: Cow<'a, [u8]>,
}

impl DebugData<'_> {
    /// The sections for readers.
    pub fn sections(&self) -> Sections<'_> {
        Sections {
            info: &self.info,
            abbrev: &self.abbrev,
            str: &self.str,
            line_str: &self.line_str,
            str_offsets: &self.str_offsets,
            addr: &self.addr,
            loclists: &self.loclists,
            rnglists: &self.rnglists,
            loc: &self.loc,
            ranges: &self.ranges,
        }
    }
}

/// Where made-up addresses begin; not 0, so that no address is mistaken for "none".
const FIRST_ADDRESS: u64 = 0x1_0000;

impl<'a> ElfFile<'a> {
    /// Parses the headers.
    ///
    /// # Errors
    /// Bytes that are not an ELF file, or tables that lie outside of it.
    pub fn parse(data: &'a [u8]) -> Result<ElfFile<'a>> {
        if !data.starts_with(&elf::ELFMAG) {
            return Err(Error::elf("this is not an ELF file"));
        }
        match data.get(4) {
            Some(&elf::ELFCLASS64) => parse::<elf::FileHeader64<Endianness>>(data),
            Some(&elf::ELFCLASS32) => parse::<elf::FileHeader32<Endianness>>(data),
            _ => Err(Error::elf("the ELF header names no known class (32 or 64 bit)")),
        }
    }

    /// The file's bytes.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The first section with a name.
    pub fn section(&self, name: &[u8]) -> Option<&Section<'a>> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// The bytes of a section as they stand in the file; none for NOBITS.
    pub fn bytes(&self, section: &Section<'_>) -> Result<&'a [u8]> {
        if section.kind == elf::SHT_NOBITS {
            return Ok(&[]);
        }
        let end = section.offset.checked_add(section.size);
        let range = usize::try_from(section.offset).ok().zip(end.and_then(|e| usize::try_from(e).ok()));
        range.and_then(|(start, end)| self.data.get(start..end)).ok_or_else(|| {
            let name = String::from_utf8_lossy(section.name);
            Error::elf(format!("section {name} lies outside of the file, which is cut short or damaged"))
        })
    }

    /// All symbols of `.symtab`.
    pub fn symbols(&self) -> &[Symbol<'a>] {
        &self.symbols
    }

    /// True if the file has a `.symtab`.
    pub fn has_symbols(&self) -> bool {
        self.has_symbols
    }

    /// Address of a symbol, comparable with those in the DWARF.
    pub fn address(&self, symbol: &Symbol<'_>) -> Option<u64> {
        if !self.relocatable {
            return Some(symbol.value);
        }
        self.sections.get(symbol.section).filter(|_| symbol.section != 0)?.address.checked_add(symbol.value)
    }

    /// True if there is DWARF in the file, in whatever form.
    pub fn has_dwarf(&self) -> bool {
        let named = |s: &Section<'_>| s.name == b".debug_info" || s.name == b".zdebug_info";
        self.sections.iter().any(|s| named(s) && s.size > 0 && s.kind != elf::SHT_NOBITS)
    }

    /// The debug sections: decompressed, and relocated if the file is relocatable.
    pub fn debug_data(&self) -> Result<DebugData<'a>> {
        let mut d = DebugData::default();
        let parts: [(&mut Cow<'a, [u8]>, &'static str); 10] = [
            (&mut d.info, ".debug_info"),
            (&mut d.abbrev, ".debug_abbrev"),
            (&mut d.str, ".debug_str"),
            (&mut d.line_str, ".debug_line_str"),
            (&mut d.str_offsets, ".debug_str_offsets"),
            (&mut d.addr, ".debug_addr"),
            (&mut d.loclists, ".debug_loclists"),
            (&mut d.rnglists, ".debug_rnglists"),
            (&mut d.loc, ".debug_loc"),
            (&mut d.ranges, ".debug_ranges"),
        ];
        for (part, name) in parts {
            *part = self.debug_section(name)?;
        }
        Ok(d)
    }

    fn debug_section(&self, name: &'static str) -> Result<Cow<'a, [u8]>> {
        let old_name = format!(".z{}", &name[1..]);
        let found = self.sections.iter().find(|s| s.name == name.as_bytes() || s.name == old_name.as_bytes());
        let Some(section) = found else {
            return Ok(Cow::Borrowed(&[]));
        };
        let compressed = section.flags & u64::from(elf::SHF_COMPRESSED) != 0 || section.name == old_name.as_bytes();
        let mut bytes = match compressed {
            true => self.decompress(section, name)?,
            false => Cow::Borrowed(self.bytes(section)?),
        };
        if self.relocatable {
            for table in self.sections.iter().filter(|s| s.info as usize == section.index) {
                if matches!(table.kind, elf::SHT_RELA | elf::SHT_REL) && table.size > 0 {
                    relocate::apply(self, table, bytes.to_mut(), name)?;
                }
            }
        }
        Ok(bytes)
    }

    fn decompress(&self, section: &Section<'_>, name: &'static str) -> Result<Cow<'a, [u8]>> {
        let failed =
            |e: object::Error| Error::section(ErrorKind::Section, name, format!("cannot be decompressed: {e}"));
        let file = object::File::parse(self.data).map_err(failed)?;
        let section = file.section_by_index(SectionIndex(section.index)).map_err(failed)?;
        section.uncompressed_data().map_err(failed)
    }
}

fn parse<H: FileHeader<Endian = Endianness>>(data: &[u8]) -> Result<ElfFile<'_>> {
    let failed = |e: object::Error| Error::elf(format!("the ELF headers are damaged: {e}"));
    let header = H::parse(data).map_err(failed)?;
    let endian = header.endian().map_err(failed)?;
    let table = header.sections(endian, data).map_err(failed)?;
    let relocatable = header.e_type(endian) == elf::ET_REL;
    let mut sections = Vec::with_capacity(table.len());
    let mut next_address = FIRST_ADDRESS;
    for (index, s) in table.enumerate() {
        let flags: u64 = s.sh_flags(endian).into();
        let size: u64 = s.sh_size(endian).into();
        let mut address: u64 = s.sh_addr(endian).into();
        if relocatable {
            address = 0;
            if flags & u64::from(elf::SHF_ALLOC) != 0 {
                address = next_address;
                next_address = next_address.saturating_add(size).saturating_add(0x1f) & !0xf;
            }
        }
        sections.push(Section {
            index: index.0,
            name: table.section_name(endian, s).map_err(failed)?,
            kind: s.sh_type(endian),
            flags,
            address,
            offset: s.sh_offset(endian).into(),
            size,
            link: s.sh_link(endian),
            info: s.sh_info(endian),
        });
    }
    let symbols: SymbolTable<'_, H> = table.symbols(endian, data, elf::SHT_SYMTAB).map_err(failed)?;
    let mut file = ElfFile {
        data,
        endian,
        is_64: header.is_class_64(),
        machine: header.e_machine(endian),
        relocatable,
        sections,
        symbols: Vec::with_capacity(symbols.len()),
        has_symbols: !symbols.is_empty(),
    };
    for (index, s) in symbols.enumerate() {
        file.symbols.push(Symbol {
            name: symbols.symbol_name(endian, s).map_err(failed)?,
            value: s.st_value(endian).into(),
            size: s.st_size(endian).into(),
            kind: s.st_type(),
            binding: s.st_bind(),
            section: symbols.symbol_section(endian, s, index).map_err(failed)?.map_or(0, |i| i.0),
        });
    }
    Ok(file)
}
