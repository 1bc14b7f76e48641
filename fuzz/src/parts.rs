//! Debug sections as bytes, and as an ELF file.

use mutate::image::{Image, Order, Section};
use object::elf;

use crate::bytes::Bytes;

/// The sections: their bytes follow each other, each after its length in two bytes.
pub const NAMES: [&str; 11] = [
    ".debug_info",
    ".debug_abbrev",
    ".debug_str",
    ".debug_line_str",
    ".debug_str_offsets",
    ".debug_addr",
    ".debug_loclists",
    ".debug_rnglists",
    ".debug_loc",
    ".debug_ranges",
    ".symtab",
];

/// Bits of the first byte.
pub const BIG: u8 = 1;
/// ELFCLASS32
pub const CLASS32: u8 = 2;
/// ET_REL
pub const RELOCATABLE: u8 = 4;

/// Names of the symbols, by what the tests and fixtures call theirs: any others would do.
const SYMBOL_NAMES: &[u8] = b"\0f\0g\0main\0per_cpu_x\0f.isra.0\0f.constprop.0\0f.cold\0__pfx_f\0bpf_f\0";

/// Machines with relocations of their own kinds.
const MACHINES: [u16; 8] = [
    elf::EM_X86_64,
    elf::EM_AARCH64,
    elf::EM_S390,
    elf::EM_RISCV,
    elf::EM_LOONGARCH,
    elf::EM_PPC64,
    elf::EM_MIPS,
    elf::EM_386,
];

/// The ELF file that the bytes stand for: bits, machine, sections. Relocations of `.debug_info` are what is left over.
pub fn image(data: &[u8]) -> Vec<u8> {
    let mut bytes = Bytes(data);
    let (bits, machine) = (bytes.byte(), MACHINES[usize::from(bytes.byte()) % MACHINES.len()]);
    let is_64 = bits & CLASS32 == 0;
    let text = |name: &str, kind, address, size| {
        let flags = u64::from(elf::SHF_ALLOC);
        Section { name: name.into(), kind, flags, address, bytes: vec![0; size], ..Section::default() }
    };
    // Sections 1 and 2: code at 0x1000, per-CPU variables at 0.
    let mut sections = vec![text(".text", elf::SHT_NOBITS, 0x1000, 0x1000)];
    sections.push(text(".data..percpu", elf::SHT_NOBITS, 0, 0x1000));
    for name in NAMES {
        let length = bytes.half().into();
        let contents = bytes.split(length).to_vec();
        let is_table = name == ".symtab";
        sections.push(Section {
            name: name.into(),
            kind: if is_table { elf::SHT_SYMTAB } else { elf::SHT_PROGBITS },
            link: if is_table { 3 + NAMES.len() as u32 } else { 0 },
            entry_size: if is_table { 24 - 8 * u64::from(!is_64) } else { 0 },
            bytes: contents,
            ..Section::default()
        });
    }
    let strings = SYMBOL_NAMES.to_vec();
    sections.push(Section { name: ".strtab".into(), kind: elf::SHT_STRTAB, bytes: strings, ..Section::default() });
    if bits & RELOCATABLE != 0 {
        let name = ".rela.debug_info".into();
        let (kind, link, entry_size) = (elf::SHT_RELA, 2 + NAMES.len() as u32, if is_64 { 24 } else { 12 });
        let bytes = bytes.0[..bytes.0.len() / entry_size * entry_size].to_vec();
        sections.push(Section {
            name,
            kind,
            link,
            info: 3,
            entry_size: entry_size as u64,
            bytes,
            ..Section::default()
        });
    }
    let order = Order { big: bits & BIG != 0 };
    Image { is_64, order, machine, relocatable: bits & RELOCATABLE != 0, sections }.bytes()
}

/// Bytes that stand for sections.
pub fn joined(bits: u8, machine: u16, section: impl Fn(&str) -> Vec<u8>, relocations: &[u8]) -> Option<Vec<u8>> {
    let machine = MACHINES.iter().position(|&m| m == machine)?;
    let mut out = vec![bits, machine as u8];
    for name in NAMES {
        let bytes = section(name);
        out.extend(u16::try_from(bytes.len()).ok()?.to_le_bytes());
        out.extend(bytes);
    }
    out.extend(relocations);
    Some(out)
}
