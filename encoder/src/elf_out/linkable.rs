//! An object file with nothing but `.BTF`, for the linker: how a kernel's build puts BTF into the image (`gen-btf.sh`, Linux 7.0).

use object::elf;

use super::headers::{ElfFile, Format, Section};
use super::{ElfOutError, NEW_SECTION_ALIGN};

/// The names of the sections: none, BTF, that the stack needs no code, the names.
const NAMES: &[u8] = b"\0.BTF\0.note.GNU-stack\0.shstrtab\0";
/// Number of the last section, which has the names.
const NAMES_INDEX: u64 = 3;

/// An object for the machine that `like` is for (class, byte order, ABI, flags), with the section `.BTF`, read-only and loaded.
///
/// # Errors
/// Bytes that are not an ELF file; BTF that does not fit into one of 32 bits.
pub fn linkable(like: &[u8], btf: &[u8]) -> Result<Vec<u8>, ElfOutError> {
    let format = ElfFile::parse(like)?.format;
    let (flags_at, ident_and_type) = (if format.wide { 0x30 } else { 0x24 }, 16);
    let header_size = format.file_header_size();
    let names_at = header_size.next_multiple_of(NEW_SECTION_ALIGN) + btf.len() as u64;
    let table_at = (names_at + NAMES.len() as u64).next_multiple_of(NEW_SECTION_ALIGN);
    if !format.wide && u32::try_from(table_at + (NAMES_INDEX + 1) * format.section_header_size()).is_err() {
        return Err(ElfOutError::TooLarge);
    }
    let mut out = like[..ident_and_type].to_vec();
    format.put(&mut out, elf::ET_REL.into(), 2);
    out.extend_from_slice(&like[18..20]); // e_machine
    format.put(&mut out, elf::EV_CURRENT.into(), 4);
    for word in [0, 0, table_at] {
        format.put(&mut out, word, format.word_size()); // e_entry, e_phoff, e_shoff
    }
    out.extend_from_slice(&like[flags_at..flags_at + 4]);
    for half in [header_size, 0, 0, format.section_header_size(), NAMES_INDEX + 1, NAMES_INDEX] {
        format.put(&mut out, half, 2);
    }
    out.resize(out.len().next_multiple_of(NEW_SECTION_ALIGN as usize), 0);
    let btf_at = out.len() as u64;
    out.extend_from_slice(btf);
    out.extend_from_slice(NAMES);
    out.resize(table_at as usize, 0);
    emit_sections(format, btf_at, btf.len() as u64, names_at, &mut out);
    Ok(out)
}

fn emit_sections(format: Format, btf_at: u64, btf_size: u64, names_at: u64, out: &mut Vec<u8>) {
    let progbits = Section { kind: elf::SHT_PROGBITS, align: 1, ..Section::default() };
    let size = NAMES.len() as u64;
    let sections = [
        Section::default(),
        Section {
            name: 1,
            flags: elf::SHF_ALLOC.into(),
            offset: btf_at,
            size: btf_size,
            align: NEW_SECTION_ALIGN,
            ..progbits.clone()
        },
        Section { name: 6, offset: names_at, ..progbits.clone() },
        Section { name: 22, kind: elf::SHT_STRTAB, offset: names_at, size, ..progbits },
    ];
    sections.iter().for_each(|section| section.emit(format, out));
}
