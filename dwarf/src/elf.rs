//! What an encoder needs of an ELF file: sections by name, symbols, debug sections.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use object::elf;
use object::read::elf::{FileHeader, SectionHeader, Sym, SymbolTable};
use object::{CompressionFormat, Endianness, Object, ObjectSection, SectionIndex};

use crate::compressed::decompress;
use crate::error::{Error, ErrorKind, Result};
use crate::relocate::{self, Table};
use crate::sections::{DebugData, DebugSection, Release};
use crate::unit::{self, DEBUG_TYPES, SPLIT_TYPES};

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
    /// sh_addralign
    pub alignment: u64,
}

/// A symbol, in the same form for all ELF classes (gABI, symbol table). Its name: [`ElfFile::symbol_name`].
#[derive(Clone, Copy, Debug)]
pub struct Symbol {
    /// st_name
    name: u32,
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
    symbols: Symbols<'a>,
    release: Option<Release<'a>>,
    /// The file that its DWARF was split off into.
    debug: Option<Box<ElfFile<'a>>>,
    /// The file that has what its DWARF has in common with that of others, and its path.
    alternate: Option<(Box<ElfFile<'a>>, &'a str)>,
    /// Where it was found, if it is a file on a disk: what of its DWARF is in `.dwo` files is looked for from there on.
    pub path: Option<&'a Path>,
    /// The package of those files (`.dwp`), and its path.
    package: Option<(Result<Box<ElfFile<'a>>>, &'a str)>,
}

/// The symbol table, `.symtab`.
#[derive(Debug)]
enum Symbols<'a> {
    Class32(SymbolTable<'a, elf::FileHeader32<Endianness>>),
    Class64(SymbolTable<'a, elf::FileHeader64<Endianness>>),
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
            Some(&elf::ELFCLASS64) => parse::<elf::FileHeader64<Endianness>>(data, Symbols::Class64),
            Some(&elf::ELFCLASS32) => parse::<elf::FileHeader32<Endianness>>(data, Symbols::Class32),
            _ => Err(Error::elf("the ELF header names no known class (32 or 64 bit)")),
        }
    }

    /// The same file, which was found at a path.
    pub fn at(self, path: &'a Path) -> ElfFile<'a> {
        ElfFile { path: Some(path), ..self }
    }

    /// The same file, with somebody who is told which of its bytes will not be read again.
    pub fn releasing(mut self, release: &'a (dyn Fn(Range<usize>) + Sync)) -> ElfFile<'a> {
        self.release = Some(Release(release));
        self
    }

    /// The same file, whose DWARF is in another one, as `objcopy --only-keep-debug` makes it. If it lost its symbols, those of the other
    /// one count.
    ///
    /// # Errors
    /// A file of another machine, or whose sections lie elsewhere, so that addresses in it would mean something else.
    pub fn with_debug(mut self, mut debug: ElfFile<'a>) -> Result<ElfFile<'a>> {
        let form = |file: &ElfFile<'_>| (file.endian, file.is_64, file.machine, file.relocatable);
        let loaded = |file: &ElfFile<'a>| {
            let loaded = file.sections.iter().filter(|s| s.flags & u64::from(elf::SHF_ALLOC) != 0);
            // Symbols that are taken over name sections by their numbers.
            let index = |s: &Section<'_>| if self.has_symbols() { 0 } else { s.index };
            loaded.map(|s| (index(s), s.name, s.address, s.size)).collect::<Vec<_>>()
        };
        if form(&self) != form(&debug) {
            return Err(Error::elf("it is for another machine"));
        }
        if loaded(&self) != loaded(&debug) {
            return Err(Error::elf("its sections lie at other addresses"));
        }
        if !self.has_symbols() {
            std::mem::swap(&mut self.symbols, &mut debug.symbols);
        }
        self.debug = Some(Box::new(debug));
        Ok(self)
    }

    /// The same file, whose DWARF refers to that of an alternate one (DWARF5 7.3.6, dwz), with its path for messages.
    pub fn with_alternate(mut self, alternate: ElfFile<'a>, path: &'a str) -> Result<ElfFile<'a>> {
        if (self.endian, self.is_64) != (alternate.endian, alternate.is_64) {
            return Err(Error::elf("it is for another machine"));
        }
        self.alternate = Some((Box::new(alternate), path));
        Ok(self)
    }

    /// The same file, with the package of the units that were split off (DWARF5 7.3.5), and its path. That it cannot be read matters only
    /// if there are such units.
    pub fn with_package(mut self, package: Result<ElfFile<'a>>, path: &'a str) -> ElfFile<'a> {
        self.package = Some((package.map(Box::new), path));
        self
    }

    /// The debug sections of the package, if there is one.
    pub fn package_data(&self) -> Option<Result<DebugData<'a>>> {
        let (package, _) = self.package.as_ref()?;
        Some(match package {
            Ok(file) if (file.endian, file.is_64) == (self.endian, self.is_64) => file.split_data(),
            Ok(_) => Err(Error::elf("it is for another machine")),
            Err(e) => Err(e.clone()),
        })
    }

    /// Path of the package, if there is one.
    pub fn package_path(&self) -> Option<&'a str> {
        self.package.as_ref().map(|(_, path)| *path)
    }

    /// The file with its DWARF: itself, unless that was split off.
    pub fn debug_file(&self) -> &ElfFile<'a> {
        self.debug.as_deref().unwrap_or(self)
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

    /// Calls `f` with each symbol of `.symtab`, in their order. They are read as they are asked for: a kernel has 200,000.
    pub fn each_symbol<E: From<Error>>(&self, f: impl FnMut(Symbol) -> Result<(), E>) -> Result<(), E> {
        match &self.symbols {
            Symbols::Class32(table) => each_symbol(table, self.endian, f),
            Symbols::Class64(table) => each_symbol(table, self.endian, f),
        }
    }

    /// The name of a symbol.
    pub fn symbol_name(&self, symbol: &Symbol) -> Result<&'a [u8]> {
        let name = match &self.symbols {
            Symbols::Class32(table) => table.strings().get(symbol.name),
            Symbols::Class64(table) => table.strings().get(symbol.name),
        };
        name.map_err(|()| damaged("the name of a symbol lies outside of the string table"))
    }

    /// True if the file has a `.symtab`.
    pub fn has_symbols(&self) -> bool {
        match &self.symbols {
            Symbols::Class32(table) => !table.is_empty(),
            Symbols::Class64(table) => !table.is_empty(),
        }
    }

    /// Address of a symbol, comparable with those in the DWARF.
    pub fn address(&self, symbol: &Symbol) -> Option<u64> {
        if !self.relocatable {
            return Some(symbol.value);
        }
        self.sections.get(symbol.section).filter(|_| symbol.section != 0)?.address.checked_add(symbol.value)
    }

    /// True if there is DWARF, in whatever form, in the file or what it was split off into.
    pub fn has_dwarf(&self) -> bool {
        if let Some(debug) = &self.debug {
            return debug.has_dwarf();
        }
        let named = |s: &Section<'_>| s.name == b".debug_info" || s.name == b".zdebug_info";
        self.sections.iter().any(|s| named(s) && s.size > 0 && s.kind != elf::SHT_NOBITS)
    }

    /// The debug sections: decompressed, and with their relocations if the file is relocatable.
    pub fn debug_data(&self) -> Result<DebugData<'a>> {
        if let Some((alternate, path)) = &self.alternate {
            let alternate = Box::new(alternate.debug_data()?);
            return Ok(DebugData { alternate: Some((alternate, path)), ..self.own_debug_data()? });
        }
        self.own_debug_data()
    }

    /// The debug sections of a `.dwo` or `.dwp` file, or of an object that has them beside its own; nothing in them is relocated (DWARF5
    /// 7.3.2.2).
    pub fn split_data(&self) -> Result<DebugData<'a>> {
        self.data_of(&SPLIT, &Arc::default(), &BTreeMap::new())
    }

    fn own_debug_data(&self) -> Result<DebugData<'a>> {
        if let Some(debug) = &self.debug {
            return debug.debug_data();
        }
        let values = if self.relocatable { relocate::symbol_values(self)? } else { Arc::default() };
        self.data_of(&WHOLE, &values, &self.relocation_tables())
    }

    fn data_of(
        &self,
        names: &Names,
        values: &Arc<[u64]>,
        tables: &BTreeMap<usize, Vec<&Section<'a>>>,
    ) -> Result<DebugData<'a>> {
        // Relocatable files have further sections of units, a group for each type unit.
        let is_grouped = |s: &Section<'_>| s.flags & u64::from(elf::SHF_GROUP) != 0;
        let named = |name: &'static str| self.sections.iter().filter(move |s| is_called(s, name));
        // What objcopy took out of them has no groups any more.
        let has_several = named(SPLIT.info).nth(1).is_some();
        let is_type_unit = |s: &Section<'a>, name: &str| {
            let is_one = |bytes: Cow<'_, [u8]>| unit::starts_with_type_unit(&bytes, self.endian);
            has_several && name == SPLIT.info && self.section_bytes(s, SPLIT.info).is_ok_and(|(bytes, _)| is_one(bytes))
        };
        let main = |name| named(name).find(|s| !is_grouped(s) && !is_type_unit(s, name)).or_else(|| named(name).next());
        let read = |s: &Section<'a>, name| self.debug_section(s, name, values, tables);
        let found = |name| main(name).map_or_else(|| Ok(DebugSection::default()), |s| read(s, name));
        let section = |name: Option<_>| name.map_or_else(|| Ok(DebugSection::default()), found);
        let info = main(names.info).map(|s| s.index);
        let others = named(names.info).filter(|s| Some(s.index) != info).map(|s| read(s, names.info));
        let types = others.chain(named(names.types).map(|s| read(s, names.types))).collect::<Result<_>>()?;
        Ok(DebugData {
            info: found(names.info)?,
            types,
            abbrev: found(names.abbrev)?,
            str: found(names.str)?,
            line_str: section(names.line_str)?,
            str_offsets: found(names.str_offsets)?,
            addr: section(names.addr)?,
            loclists: found(names.loclists)?,
            rnglists: found(names.rnglists)?,
            loc: found(names.loc)?,
            ranges: section(names.ranges)?,
            cu_index: section(names.cu_index)?,
            tu_index: section(names.tu_index)?,
            alternate: None,
        })
    }

    /// `.debug_line`, which only those read who tell people about the source.
    pub fn line_programs(&self) -> Result<DebugSection<'a>> {
        if let Some(debug) = &self.debug {
            return debug.line_programs();
        }
        let values = if self.relocatable { relocate::symbol_values(self)? } else { Arc::default() };
        let found = self.sections.iter().find(|s| is_called(s, LINE));
        found.map_or_else(
            || Ok(DebugSection::default()),
            |section| self.debug_section(section, LINE, &values, &self.relocation_tables()),
        )
    }

    /// The same of the alternate file.
    pub fn alternate_line_programs(&self) -> Result<DebugSection<'a>> {
        self.alternate.as_ref().map_or_else(|| Ok(DebugSection::default()), |(file, _)| file.line_programs())
    }

    /// `.debug_line.dwo`, the names of files in split type units.
    pub fn split_line_programs(&self) -> Result<DebugSection<'a>> {
        let found = self.sections.iter().find(|s| is_called(s, SPLIT_LINE));
        let read = |s| self.debug_section(s, SPLIT_LINE, &Arc::default(), &BTreeMap::new());
        found.map_or_else(|| Ok(DebugSection::default()), read)
    }

    /// The same of the package of split units.
    pub fn package_line_programs(&self) -> Result<DebugSection<'a>> {
        match &self.package {
            Some((Ok(file), _)) => file.split_line_programs(),
            _ => Ok(DebugSection::default()),
        }
    }

    /// Relocation tables by the section that they are for; none of a file that was linked.
    fn relocation_tables(&self) -> BTreeMap<usize, Vec<&Section<'a>>> {
        let mut tables: BTreeMap<usize, Vec<&Section<'a>>> = BTreeMap::new();
        let is_table = |s: &&Section<'_>| matches!(s.kind, elf::SHT_RELA | elf::SHT_REL) && s.size > 0;
        for section in self.sections.iter().filter(|_| self.relocatable).filter(is_table) {
            tables.entry(section.info as usize).or_default().push(section);
        }
        tables
    }

    fn debug_section(
        &self,
        section: &Section<'a>,
        name: &'static str,
        values: &Arc<[u64]>,
        tables: &BTreeMap<usize, Vec<&Section<'a>>>,
    ) -> Result<DebugSection<'a>> {
        let (bytes, file_offset) = self.section_bytes(section, name)?;
        let tables = tables.get(&section.index).into_iter().flatten();
        let tables = tables.map(|s| Table::new(self, s, name, values)).collect::<Result<_>>()?;
        Ok(DebugSection::new(name, bytes, tables, file_offset, self.release))
    }

    /// The bytes of a section, and where they stand in the file, if they do.
    fn section_bytes(&self, section: &Section<'a>, name: &'static str) -> Result<(Cow<'a, [u8]>, Option<usize>)> {
        let compressed = section.flags & u64::from(elf::SHF_COMPRESSED) != 0 || section.name != name.as_bytes();
        Ok(match compressed {
            true => (self.decompress(section, name)?, None),
            false => (Cow::Borrowed(self.bytes(section)?), Some(section.offset as usize)),
        })
    }

    fn decompress(&self, section: &Section<'_>, name: &'static str) -> Result<Cow<'a, [u8]>> {
        let failed = |e: &dyn Display| Error::section(ErrorKind::Section, name, format!("cannot be decompressed: {e}"));
        let file = object::File::parse(self.data).map_err(|e| failed(&e))?;
        let section = file.section_by_index(SectionIndex(section.index)).map_err(|e| failed(&e))?;
        let data = section.compressed_data().map_err(|e| failed(&e))?;
        match data.format {
            CompressionFormat::None => Ok(Cow::Borrowed(data.data)),
            _ => decompress(&data).map(Cow::Owned).map_err(|e| failed(&e)),
        }
    }
}

/// True for a section's name, also as it is when the section is compressed the old way (`.zdebug_info`).
fn is_called(section: &Section<'_>, name: &str) -> bool {
    let plain = section.name.strip_prefix(b".z").and_then(|rest| name.as_bytes().strip_prefix(b".").map(|n| n == rest));
    section.name == name.as_bytes() || plain == Some(true)
}

/// The section with the line number programs.
const LINE: &str = ".debug_line";
/// That of type units that were split off.
const SPLIT_LINE: &str = ".debug_line.dwo";

/// What the debug sections are called; not all are where DWARF was split off.
struct Names {
    info: &'static str,
    types: &'static str,
    abbrev: &'static str,
    str: &'static str,
    line_str: Option<&'static str>,
    str_offsets: &'static str,
    addr: Option<&'static str>,
    loclists: &'static str,
    rnglists: &'static str,
    loc: &'static str,
    ranges: Option<&'static str>,
    cu_index: Option<&'static str>,
    tu_index: Option<&'static str>,
}

const WHOLE: Names = Names {
    info: ".debug_info",
    types: DEBUG_TYPES,
    abbrev: ".debug_abbrev",
    str: ".debug_str",
    line_str: Some(".debug_line_str"),
    str_offsets: ".debug_str_offsets",
    addr: Some(".debug_addr"),
    loclists: ".debug_loclists",
    rnglists: ".debug_rnglists",
    loc: ".debug_loc",
    ranges: Some(".debug_ranges"),
    cu_index: None,
    tu_index: None,
};

/// Those of split units (DWARF5 7.3.2.2, 7.3.5.2).
const SPLIT: Names = Names {
    info: ".debug_info.dwo",
    types: SPLIT_TYPES,
    abbrev: ".debug_abbrev.dwo",
    str: ".debug_str.dwo",
    line_str: None,
    str_offsets: ".debug_str_offsets.dwo",
    addr: None,
    loclists: ".debug_loclists.dwo",
    rnglists: ".debug_rnglists.dwo",
    loc: ".debug_loc.dwo",
    ranges: None,
    cu_index: Some(".debug_cu_index"),
    tu_index: Some(".debug_tu_index"),
};

fn damaged(what: impl Display) -> Error {
    Error::elf(format!("the ELF headers are damaged: {what}"))
}

fn each_symbol<H: FileHeader<Endian = Endianness>, E: From<Error>>(
    table: &SymbolTable<'_, H>,
    endian: Endianness,
    mut f: impl FnMut(Symbol) -> Result<(), E>,
) -> Result<(), E> {
    table.enumerate().try_for_each(|(index, s)| {
        f(Symbol {
            name: s.st_name(endian),
            value: s.st_value(endian).into(),
            size: s.st_size(endian).into(),
            kind: s.st_type(),
            binding: s.st_bind(),
            section: table.symbol_section(endian, s, index).map_err(damaged)?.map_or(0, |i| i.0),
        })
    })
}

fn parse<'a, H: FileHeader<Endian = Endianness>>(
    data: &'a [u8],
    symbols: fn(SymbolTable<'a, H>) -> Symbols<'a>,
) -> Result<ElfFile<'a>> {
    let failed = |e: object::Error| damaged(e);
    let header = H::parse(data).map_err(failed)?;
    let endian = header.endian().map_err(failed)?;
    let table = header.sections(endian, data).map_err(failed)?;
    let relocatable = header.e_type(endian) == elf::ET_REL;
    let mut sections = Vec::with_capacity(table.len());
    let mut next_address = FIRST_ADDRESS;
    if let Some(first) = table.iter().next().filter(|first| first.sh_type(endian) != elf::SHT_NULL) {
        return Err(damaged(format!("section 0 has type {:#x}", first.sh_type(endian))));
    }
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
            // An inactive header: its other fields mean nothing.
            name: if s.sh_type(endian) == elf::SHT_NULL {
                b""
            } else {
                table.section_name(endian, s).map_err(failed)?
            },
            kind: s.sh_type(endian),
            flags,
            address,
            offset: s.sh_offset(endian).into(),
            size,
            link: s.sh_link(endian),
            info: s.sh_info(endian),
            alignment: s.sh_addralign(endian).into(),
        });
    }
    Ok(ElfFile {
        data,
        endian,
        is_64: header.is_class_64(),
        machine: header.e_machine(endian),
        relocatable,
        sections,
        symbols: symbols(table.symbols(endian, data, elf::SHT_SYMTAB).map_err(failed)?),
        release: None,
        debug: None,
        alternate: None,
        path: None,
        package: None,
    })
}
