//! Relocations of a relocatable file's debug sections, applied once to a copy (the psABI of each machine).
//!
//! Only what compilers put into debug sections is known: absolute values, and the differences that linker relaxation
//! needs (RISC-V, LoongArch). Values of symbols in allocated sections are the sections' made-up addresses.

use object::elf;
use object::{Endian, Endianness};

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

/// Applies a relocation table to a copy of the section that it belongs to.
///
/// # Errors
/// A relocation outside of the section, for a symbol that does not exist, or of an unknown type.
pub(crate) fn apply(file: &ElfFile<'_>, table: &Section<'_>, target: &mut [u8], name: &'static str) -> Result<()> {
    let bytes = file.bytes(table)?;
    let values = symbol_values(file);
    let with_addend = table.kind == elf::SHT_RELA;
    let size = match (file.is_64, with_addend) {
        (true, true) => 24,
        (true, false) => 16,
        (false, true) => 12,
        (false, false) => 8,
    };
    let mips64 = file.machine == elf::EM_MIPS && file.is_64;
    for entry in bytes.chunks_exact(size) {
        let (offset, symbol, kind, addend) = match file.is_64 {
            true => {
                let info = word64(entry, 8, file.endian);
                let (symbol, kind) = match mips64 {
                    // r_info is a 32-bit symbol and four bytes, of which the last is the type (MIPS64 ABI 2.9.1).
                    true => (word32(entry, 8, file.endian), u32::from(entry[15])),
                    false => ((info >> 32) as u32, info as u32),
                };
                let addend = if with_addend { word64(entry, 16, file.endian) } else { 0 };
                (word64(entry, 0, file.endian), symbol, kind, addend)
            }
            false => {
                let info = word32(entry, 4, file.endian);
                let addend = if with_addend { word32(entry, 8, file.endian) as i32 as u64 } else { 0 };
                (u64::from(word32(entry, 0, file.endian)), info >> 8, info & 0xff, addend)
            }
        };
        let error = |kind, text: String| Error::at(kind, name, offset, text);
        let Some(action) = action(file.machine, kind) else {
            let text = format!("relocation type {kind} of machine {} is unknown", file.machine);
            return Err(error(ErrorKind::Unsupported, text));
        };
        let value = *values.get(symbol as usize).ok_or_else(|| {
            error(ErrorKind::Elf, format!("a relocation names symbol {symbol}, of which there is none"))
        })?;
        let place = usize::try_from(offset).ok().and_then(|o| target.get_mut(o..)).unwrap_or(&mut []);
        patch(place, action, value.wrapping_add(addend), !with_addend, file.endian)
            .ok_or_else(|| error(ErrorKind::Elf, "a relocation lies outside of the section".into()))?;
    }
    Ok(())
}

/// Per symbol the value that relocations use: its address.
fn symbol_values(file: &ElfFile<'_>) -> Vec<u64> {
    file.symbols().iter().map(|s| file.address(s).unwrap_or(s.value)).collect()
}

fn word32(bytes: &[u8], at: usize, endian: Endianness) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| endian.read_u32_bytes(*b))
}

fn word64(bytes: &[u8], at: usize, endian: Endianness) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| endian.read_u64_bytes(*b))
}

/// Changes the bytes at a place; None if there are too few.
fn patch(place: &mut [u8], action: Action, value: u64, in_place: bool, endian: Endianness) -> Option<()> {
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

fn load(place: &[u8], size: u8, endian: Endianness) -> Option<u64> {
    Some(match size {
        1 => u64::from(*place.first()?),
        2 => u64::from(endian.read_u16_bytes(*place.first_chunk()?)),
        4 => u64::from(endian.read_u32_bytes(*place.first_chunk()?)),
        _ => endian.read_u64_bytes(*place.first_chunk()?),
    })
}

fn store(place: &mut [u8], size: u8, value: u64, endian: Endianness) -> Option<()> {
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
mod tests {
    use super::*;

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
