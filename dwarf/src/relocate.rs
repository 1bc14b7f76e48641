//! Relocations of a relocatable file's debug sections (gABI, relocation; the psABI of each machine), applied to copies of
//! the parts that are read: the tables of a module are larger than its DWARF, so each worker does those of its own units.
//!
//! Only what compilers put into debug sections is known: absolute values, and the differences that linker relaxation
//! needs (RISC-V, LoongArch). Values of symbols in allocated sections are the sections' made-up addresses.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use object::elf;
use object::{BigEndian, Endian, Endianness, LittleEndian};

use crate::elf::{ElfFile, Section};
use crate::error::{Error, ErrorKind, Result};

/// What a relocation does to the bytes at its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Nothing,
    /// Stores the value in so many bytes.
    Store(u8),
    /// Adds the value to what is there.
    Add(u8),
    /// Subtracts the value from what is there.
    Subtract(u8),
    /// As above, in the low six bits of a byte.
    Store6,
    Subtract6,
    /// As above, in an unsigned LEB128 whose length stays.
    StoreLeb,
    SubtractLeb,
    AddLeb,
}

fn action(machine: u16, kind: u32) -> Option<Action> {
    use Action::*;
    Some(match (machine, kind) {
        (_, 0) => Nothing,
        (elf::EM_X86_64, elf::R_X86_64_64 | elf::R_X86_64_DTPOFF64) => Store(8),
        (elf::EM_X86_64, elf::R_X86_64_32 | elf::R_X86_64_32S | elf::R_X86_64_DTPOFF32) => Store(4),
        (elf::EM_386, elf::R_386_32 | elf::R_386_TLS_LDO_32) => Store(4),
        (elf::EM_AARCH64, elf::R_AARCH64_ABS64 | elf::R_AARCH64_TLS_DTPREL) => Store(8),
        (elf::EM_AARCH64, elf::R_AARCH64_ABS32) => Store(4),
        (elf::EM_ARM, elf::R_ARM_ABS32 | elf::R_ARM_TLS_LDO32) => Store(4),
        (elf::EM_S390, elf::R_390_64 | elf::R_390_TLS_LDO64) => Store(8),
        (elf::EM_S390, elf::R_390_32 | elf::R_390_TLS_LDO32) => Store(4),
        (elf::EM_PPC64, elf::R_PPC64_ADDR64 | elf::R_PPC64_DTPREL64) => Store(8),
        (elf::EM_PPC64, elf::R_PPC64_ADDR32) => Store(4),
        (elf::EM_PPC, elf::R_PPC_ADDR32 | elf::R_PPC_DTPREL32) => Store(4),
        (elf::EM_MIPS, elf::R_MIPS_32 | elf::R_MIPS_TLS_DTPREL32) => Store(4),
        (elf::EM_MIPS, elf::R_MIPS_64 | elf::R_MIPS_TLS_DTPREL64) => Store(8),
        (elf::EM_RISCV, elf::R_RISCV_32) => Store(4),
        (elf::EM_RISCV, elf::R_RISCV_64) => Store(8),
        (elf::EM_RISCV, elf::R_RISCV_SET6) => Store6,
        (elf::EM_RISCV, elf::R_RISCV_SET8) => Store(1),
        (elf::EM_RISCV, elf::R_RISCV_SET16) => Store(2),
        (elf::EM_RISCV, elf::R_RISCV_SET32) => Store(4),
        (elf::EM_RISCV, elf::R_RISCV_ADD8) => Add(1),
        (elf::EM_RISCV, elf::R_RISCV_ADD16) => Add(2),
        (elf::EM_RISCV, elf::R_RISCV_ADD32) => Add(4),
        (elf::EM_RISCV, elf::R_RISCV_ADD64) => Add(8),
        (elf::EM_RISCV, elf::R_RISCV_SUB6) => Subtract6,
        (elf::EM_RISCV, elf::R_RISCV_SUB8) => Subtract(1),
        (elf::EM_RISCV, elf::R_RISCV_SUB16) => Subtract(2),
        (elf::EM_RISCV, elf::R_RISCV_SUB32) => Subtract(4),
        (elf::EM_RISCV, elf::R_RISCV_SUB64) => Subtract(8),
        (elf::EM_RISCV, 60) => StoreLeb,    // R_RISCV_SET_ULEB128
        (elf::EM_RISCV, 61) => SubtractLeb, // R_RISCV_SUB_ULEB128
        (elf::EM_LOONGARCH, elf::R_LARCH_32) => Store(4),
        (elf::EM_LOONGARCH, elf::R_LARCH_64) => Store(8),
        (elf::EM_LOONGARCH, elf::R_LARCH_ADD8) => Add(1),
        (elf::EM_LOONGARCH, elf::R_LARCH_ADD16) => Add(2),
        (elf::EM_LOONGARCH, elf::R_LARCH_ADD32) => Add(4),
        (elf::EM_LOONGARCH, elf::R_LARCH_ADD64) => Add(8),
        (elf::EM_LOONGARCH, elf::R_LARCH_SUB8) => Subtract(1),
        (elf::EM_LOONGARCH, elf::R_LARCH_SUB16) => Subtract(2),
        (elf::EM_LOONGARCH, elf::R_LARCH_SUB32) => Subtract(4),
        (elf::EM_LOONGARCH, elf::R_LARCH_SUB64) => Subtract(8),
        (elf::EM_LOONGARCH, 107) => AddLeb,      // R_LARCH_ADD_ULEB128
        (elf::EM_LOONGARCH, 108) => SubtractLeb, // R_LARCH_SUB_ULEB128
        _ => return None,
    })
}

/// A relocation table of a debug section.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    /// The section that is relocated.
    name: &'static str,
    /// The entries as they stand in the file.
    bytes: &'a [u8],
    /// Where they stand there.
    file_offset: usize,
    /// A copy in the order of r_offset, if the file has another; not set before that was looked at.
    sorted: OnceLock<Option<Vec<u8>>>,
    /// Bytes of an entry.
    size: usize,
    with_addend: bool,
    machine: u16,
    endian: Endianness,
    values: Arc<[u64]>,
    /// `.debug_str`, where most entries of `.debug_info` lead.
    strings: &'a [u8],
}

/// A relocation, in the same form for all ELF classes.
#[derive(Clone, Copy)]
struct Entry {
    offset: u64,
    symbol: u32,
    kind: u32,
    addend: u64,
}

const RELA64: usize = 24;
const REL64: usize = 16;
const RELA32: usize = 12;
const REL32: usize = 8;

impl<'a> Table<'a> {
    /// The table in a section of type SHT_REL or SHT_RELA. `values`: see [`symbol_values`].
    pub fn new(
        file: &ElfFile<'a>,
        section: &Section<'_>,
        name: &'static str,
        values: &Arc<[u64]>,
    ) -> Result<Table<'a>> {
        let bytes = file.bytes(section)?;
        let with_addend = section.kind == elf::SHT_RELA;
        let strings = file.section(b".debug_str").filter(|_| name == ".debug_info");
        let size = match (file.is_64, with_addend) {
            (true, true) => RELA64,
            (true, false) => REL64,
            (false, true) => RELA32,
            (false, false) => REL32,
        };
        Ok(Table {
            name,
            bytes: &bytes[..bytes.len() / size * size],
            file_offset: section.offset as usize,
            sorted: OnceLock::new(),
            size,
            with_addend,
            machine: file.machine,
            endian: file.endian,
            values: values.clone(),
            strings: strings.and_then(|s| file.bytes(s).ok()).unwrap_or_default(),
        })
    }

    /// Sorts the entries if they are not. True if that was necessary, and was not done before: what was read until now may
    /// lack relocations.
    pub fn put_in_order(&self) -> bool {
        let mut changed = false;
        self.sorted.get_or_init(|| {
            let offsets = (0..self.bytes.len() / self.size).map(|i| self.offset(self.bytes, i));
            changed = !offsets.is_sorted();
            changed.then(|| {
                let mut entries: Vec<&[u8]> = self.bytes.chunks_exact(self.size).collect();
                // Stable: several entries may be for one place, and count in the order in which they stand.
                entries.sort_by_key(|entry| self.offset(entry, 0));
                entries.concat()
            })
        });
        changed
    }

    /// True if the machine's assemblers leave differences of addresses to the linker, and with them the lengths of units.
    pub fn has_differences(&self) -> bool {
        matches!(self.machine, elf::EM_RISCV | elf::EM_LOONGARCH)
    }

    fn entries(&self) -> &[u8] {
        self.sorted.get().and_then(Option::as_deref).unwrap_or(self.bytes)
    }

    #[inline]
    fn offset(&self, entries: &[u8], index: usize) -> u64 {
        let at = index * self.size;
        if self.size >= REL64 { word64(entries, at, self.endian) } else { word32(entries, at, self.endian).into() }
    }

    /// Number of the first entry at an offset in the section, or behind it, if the entries are in order.
    fn find(&self, entries: &[u8], offset: usize) -> usize {
        let (mut low, mut high) = (0, entries.len() / self.size);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.offset(entries, middle) < offset as u64 { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Bytes of the file that hold the entries for a range of the section.
    pub fn in_file(&self, range: &Range<usize>) -> Range<usize> {
        let at = |offset| self.file_offset + self.find(self.bytes, offset) * self.size;
        at(range.start)..at(range.end)
    }

    /// Applies the entries for a range of a section of `len` bytes to a copy of what stands from the range's start on.
    ///
    /// Whether the entries are in order is not known beforehand. But if this succeeds for ranges that lie end to end and
    /// are the whole section, then each entry was applied, and to its own range.
    ///
    /// # Errors
    /// A relocation outside of the range, for a symbol that does not exist, or of an unknown type.
    pub fn apply(&self, range: &Range<usize>, len: usize, target: &mut [u8]) -> Result<()> {
        let entries = self.entries();
        let (first, mut end) = (self.find(entries, range.start), self.find(entries, range.end));
        if range.end == len {
            end = entries.len() / self.size;
        }
        let Some(entries) = entries.get(first * self.size..end * self.size) else {
            return Err(self.error(ErrorKind::Elf, range.start as u64, "relocations are out of order".into()));
        };
        match self.endian {
            Endianness::Little => self.apply_as(LittleEndian, entries, range, len, target),
            Endianness::Big => self.apply_as(BigEndian, entries, range, len, target),
        }
    }

    fn apply_as<E: Endian>(
        &self,
        endian: E,
        entries: &[u8],
        range: &Range<usize>,
        len: usize,
        target: &mut [u8],
    ) -> Result<()> {
        match self.size {
            RELA64 => self.apply_all::<RELA64, E>(endian, entries, range, len, target),
            REL64 => self.apply_all::<REL64, E>(endian, entries, range, len, target),
            RELA32 => self.apply_all::<RELA32, E>(endian, entries, range, len, target),
            _ => self.apply_all::<REL32, E>(endian, entries, range, len, target),
        }
    }

    /// A copy of this is made per size of entries and byte order, since a module has a million of them.
    fn apply_all<const SIZE: usize, E: Endian>(
        &self,
        endian: E,
        entries: &[u8],
        range: &Range<usize>,
        len: usize,
        target: &mut [u8],
    ) -> Result<()> {
        // Most entries of a section are of one or two types.
        let mut last = (0, Action::Nothing);
        let mut touched = 0;
        for entry in entries.chunks_exact(SIZE).filter_map(|entry| entry.first_chunk::<SIZE>()) {
            let Entry { offset, symbol, kind, addend } = self.entry(endian, entry);
            if kind != last.0 {
                let action = action(self.machine, kind).ok_or_else(|| {
                    let text = format!("relocation type {kind} of machine {} is unknown", self.machine);
                    self.error(ErrorKind::Unsupported, offset, text)
                })?;
                last = (kind, action);
            }
            let Some(value) = self.values.get(symbol as usize) else {
                let text = format!("a relocation names symbol {symbol}, of which there is none");
                return Err(self.error(ErrorKind::Elf, offset, text));
            };
            let value = value.wrapping_add(addend);
            // The names will be read one by one, each from memory that nobody had in a cache; here the loads overlap.
            touched ^= self.strings.get(value as usize).copied().unwrap_or(0);
            let place = offset.checked_sub(range.start as u64).and_then(|o| target.get_mut(usize::try_from(o).ok()?..));
            let done = place.and_then(|place| match last.1 {
                Action::Store(size) if SIZE == RELA64 || SIZE == RELA32 => store(place, size, value, endian),
                action => patch(place, action, value, !self.with_addend, endian),
            });
            if done.is_none() {
                let text = match range.contains(&usize::try_from(offset).unwrap_or(usize::MAX)) {
                    true if range.end < len => "a relocation crosses the end of a unit",
                    _ => "a relocation lies outside of the section",
                };
                return Err(self.error(ErrorKind::Elf, offset, text.into()));
            }
        }
        std::hint::black_box(touched);
        Ok(())
    }

    #[inline(always)]
    fn entry<const SIZE: usize, E: Endian>(&self, endian: E, entry: &[u8; SIZE]) -> Entry {
        if SIZE >= REL64 {
            let (symbol, kind) = match self.machine {
                // r_info is a 32-bit symbol and four bytes, of which the last is the type (MIPS64 ABI 2.9.1).
                elf::EM_MIPS => (word32(entry, 8, endian), u32::from(entry[15])),
                _ => {
                    let info = word64(entry, 8, endian);
                    ((info >> 32) as u32, info as u32)
                }
            };
            let addend = if SIZE == RELA64 { word64(entry, 16, endian) } else { 0 };
            Entry { offset: word64(entry, 0, endian), symbol, kind, addend }
        } else {
            let info = word32(entry, 4, endian);
            let addend = if SIZE == RELA32 { word32(entry, 8, endian) as i32 as u64 } else { 0 };
            Entry { offset: word32(entry, 0, endian).into(), symbol: info >> 8, kind: info & 0xff, addend }
        }
    }

    fn error(&self, kind: ErrorKind, offset: u64, text: String) -> Error {
        Error::at(kind, self.name, offset, text)
    }
}

/// Per symbol the value that relocations use: its address.
pub(crate) fn symbol_values(file: &ElfFile<'_>) -> Result<Arc<[u64]>> {
    let mut values = Vec::new();
    file.each_symbol(|symbol| {
        values.push(file.address(&symbol).unwrap_or(symbol.value));
        Ok::<(), Error>(())
    })?;
    Ok(values.into())
}

#[inline(always)]
fn word32(bytes: &[u8], at: usize, endian: impl Endian) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| endian.read_u32_bytes(*b))
}

#[inline(always)]
fn word64(bytes: &[u8], at: usize, endian: impl Endian) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| endian.read_u64_bytes(*b))
}

/// Changes the bytes at a place; None if there are too few.
fn patch(place: &mut [u8], action: Action, value: u64, in_place: bool, endian: impl Endian) -> Option<()> {
    match action {
        Action::Nothing => {}
        Action::Store(size) => {
            let old = if in_place { load(place, size, endian)? } else { 0 };
            store(place, size, value.wrapping_add(old), endian)?;
        }
        Action::Add(size) => {
            let old = load(place, size, endian)?;
            store(place, size, old.wrapping_add(value), endian)?;
        }
        Action::Subtract(size) => {
            let old = load(place, size, endian)?;
            store(place, size, old.wrapping_sub(value), endian)?;
        }
        Action::Store6 => {
            let byte = place.first_mut()?;
            *byte = *byte & 0xc0 | value as u8 & 0x3f;
        }
        Action::Subtract6 => {
            let byte = place.first_mut()?;
            *byte = *byte & 0xc0 | (*byte).wrapping_sub(value as u8) & 0x3f;
        }
        Action::StoreLeb => change_leb(place, |_| value)?,
        Action::AddLeb => change_leb(place, |old| old.wrapping_add(value))?,
        Action::SubtractLeb => change_leb(place, |old| old.wrapping_sub(value))?,
    }
    Some(())
}

fn load(place: &[u8], size: u8, endian: impl Endian) -> Option<u64> {
    Some(match size {
        1 => u64::from(*place.first()?),
        2 => u64::from(endian.read_u16_bytes(*place.first_chunk()?)),
        4 => u64::from(endian.read_u32_bytes(*place.first_chunk()?)),
        _ => endian.read_u64_bytes(*place.first_chunk()?),
    })
}

#[inline(always)]
fn store(place: &mut [u8], size: u8, value: u64, endian: impl Endian) -> Option<()> {
    match size {
        1 => *place.first_mut()? = value as u8,
        2 => *place.first_chunk_mut()? = endian.write_u16_bytes(value as u16),
        4 => *place.first_chunk_mut()? = endian.write_u32_bytes(value as u32),
        _ => *place.first_chunk_mut()? = endian.write_u64_bytes(value),
    }
    Some(())
}

fn change_leb(place: &mut [u8], change: impl FnOnce(u64) -> u64) -> Option<()> {
    let length = place.iter().position(|b| *b < 0x80)? + 1;
    let bytes = place.get_mut(..length.min(10))?;
    let old =
        bytes.iter().enumerate().fold(0u64, |v, (i, b)| v | u64::from(b & 0x7f).checked_shl(7 * i as u32).unwrap_or(0));
    let mut value = change(old);
    let last = bytes.len() - 1;
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = value as u8 & 0x7f | if i < last { 0x80 } else { 0 };
        value >>= 7;
    }
    Some(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A table as it stands in a file at offset 1000; symbol n has the value 1000 * n.
    pub(crate) fn table(bytes: &'static [u8], size: usize, endian: Endianness, machine: u16) -> Table<'static> {
        let values = (0..4).map(|n| 1000 * n).collect();
        let (with_addend, sorted) = (matches!(size, RELA32 | RELA64), OnceLock::new());
        let name = ".debug_info";
        Table { name, bytes, file_offset: 1000, sorted, size, with_addend, machine, endian, values, strings: &[] }
    }

    /// Entries of a table: (r_offset, symbol, type, r_addend).
    pub(crate) fn rela64(entries: &[(u64, u32, u32, u64)]) -> &'static [u8] {
        let words = |&(offset, symbol, kind, addend): &(u64, u32, u32, u64)| {
            [offset, u64::from(symbol) << 32 | u64::from(kind), addend]
        };
        let bytes: Vec<u8> = entries.iter().flat_map(words).flat_map(u64::to_le_bytes).collect();
        bytes.leak()
    }

    fn applied(table: &Table<'_>, range: Range<usize>, section: &[u8]) -> std::result::Result<Vec<u8>, String> {
        let mut copy = section[range.clone()].to_vec();
        table.apply(&range, section.len(), &mut copy).map_err(|e| e.to_string())?;
        Ok(copy)
    }

    #[test]
    fn parts_together_are_the_whole() {
        let entries = rela64(&[(0, 1, 10, 5), (6, 2, 1, 0), (14, 0, 10, 7), (14, 0, 0, 0)]);
        let table = table(entries, RELA64, LE, elf::EM_X86_64);
        let whole = applied(&table, 0..20, &[9; 20]).unwrap();
        assert_eq!(whole[..6], [0xed, 3, 0, 0, 9, 9]);
        assert_eq!(whole[6..], [0xd0, 7, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 9, 9]);
        for middle in [4, 5, 6, 14, 18] {
            let (a, b) =
                (applied(&table, 0..middle, &[9; 20]).unwrap(), applied(&table, middle..20, &[9; 20]).unwrap());
            assert_eq!([a, b].concat(), whole);
        }
        assert_eq!(table.in_file(&(0..20)), 1000..1096);
        assert_eq!(table.in_file(&(6..14)), 1024..1048);
        assert!(!table.put_in_order());
    }

    #[test]
    fn out_of_order_is_found_out_and_put_right() {
        let table = table(rela64(&[(12, 0, 10, 2), (0, 0, 10, 1)]), RELA64, LE, elf::EM_X86_64);
        let halves = || [applied(&table, 0..10, &[0; 20]), applied(&table, 10..20, &[0; 20])];
        assert!(halves().iter().any(|half| half.is_err()));
        assert!(table.put_in_order());
        assert!(!table.put_in_order(), "once is enough");
        let [first, second] = halves();
        assert_eq!((first.unwrap()[0], second.unwrap()[2]), (1, 2));
    }

    #[test]
    fn entries_for_one_place_keep_their_order() {
        // R_RISCV_SET32 and R_RISCV_SUB32: the other way round the result would be 3000.
        let entries = rela64(&[(8, 0, 0, 0), (4, 3, 56, 0), (4, 1, 39, 0)]);
        let table = table(entries, RELA64, LE, elf::EM_RISCV);
        assert!(table.put_in_order());
        assert_eq!(applied(&table, 4..12, &[1; 12]).unwrap()[..4], 2000u32.to_le_bytes());
    }

    #[test]
    fn rel_adds_to_what_stands_there() {
        // r_offset 2, r_info: symbol 3, R_386_32
        let table = table(&[2, 0, 0, 0, 1, 3, 0, 0], REL32, LE, elf::EM_386);
        assert_eq!(applied(&table, 2..6, &[0, 0, 7, 0, 0, 0]).unwrap(), 3007u32.to_le_bytes());
    }

    #[test]
    fn big_endian() {
        // r_offset 1, r_info: symbol 2, R_PPC_ADDR32, r_addend -1
        let bytes = &[0, 0, 0, 1, 0, 0, 2, 1, 0xff, 0xff, 0xff, 0xff];
        let table = table(bytes, RELA32, Endianness::Big, elf::EM_PPC);
        assert_eq!(applied(&table, 0..6, &[5; 6]).unwrap(), [5, 0, 0, 0x07, 0xcf, 5]);
    }

    #[test]
    fn mips64_has_an_r_info_of_its_own() {
        // r_offset 0, symbol 1, r_ssym, r_type3, r_type2, r_type: R_MIPS_32
        let bytes = &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2];
        let table = table(bytes, REL64, LE, elf::EM_MIPS);
        assert_eq!(applied(&table, 0..4, &[1, 0, 0, 0]).unwrap(), 1001u32.to_le_bytes());
    }

    #[test]
    fn what_is_not_valid_has_a_place() {
        let error =
            |entry, range| applied(&table(rela64(&[entry]), RELA64, LE, elf::EM_X86_64), range, &[0; 20]).unwrap_err();
        assert_eq!(error((8, 0, 1, 0), 0..12), ".debug_info+0x8: a relocation crosses the end of a unit");
        assert_eq!(error((18, 0, 10, 0), 10..20), ".debug_info+0x12: a relocation lies outside of the section");
        assert_eq!(
            error((1 << 40, 0, 10, 0), 10..20),
            ".debug_info+0x10000000000: a relocation lies outside of the section"
        );
        assert_eq!(error((1, 9, 10, 0), 0..20), ".debug_info+0x1: a relocation names symbol 9, of which there is none");
        assert_eq!(error((1, 0, 77, 0), 0..20), ".debug_info+0x1: relocation type 77 of machine 62 is unknown");
    }

    const LE: Endianness = Endianness::Little;

    #[test]
    fn stores_adds_and_subtracts() {
        let mut bytes = [1, 0, 0, 0, 9];
        assert_eq!(patch(&mut bytes, Action::Store(4), 5, false, LE), Some(()));
        assert_eq!(bytes, [5, 0, 0, 0, 9]);
        patch(&mut bytes, Action::Store(4), 2, true, LE);
        patch(&mut bytes, Action::Add(2), 3, false, LE);
        patch(&mut bytes, Action::Subtract(1), 1, false, LE);
        assert_eq!(bytes, [9, 0, 0, 0, 9]);
        assert_eq!(patch(&mut bytes, Action::Store(8), 5, false, LE), None);
    }

    #[test]
    fn leb128_keeps_its_length() {
        let mut bytes = [0x80, 0x80, 0x01, 0xff];
        patch(&mut bytes, Action::SubtractLeb, 1, false, LE);
        assert_eq!(bytes, [0xff, 0xff, 0x00, 0xff]);
        patch(&mut bytes, Action::StoreLeb, 3, false, LE);
        assert_eq!(bytes, [0x83, 0x80, 0x00, 0xff]);
        let mut six = [0xc5];
        patch(&mut six, Action::Subtract6, 6, false, LE);
        assert_eq!(six, [0xff]);
    }
}
