//! ELF files put together from sections, and the headers of files that are there.

use object::elf;

/// Bytes of numbers in either byte order, at most 8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    /// Most significant byte first.
    pub big: bool,
}

impl Order {
    /// The number in `size` bytes at `at`; 0 where there are none.
    pub fn get(self, bytes: &[u8], at: usize, size: usize) -> u64 {
        let Some(bytes) = at.checked_add(size).and_then(|end| bytes.get(at..end)) else { return 0 };
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if self.big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
    }

    /// Writes the low `size` bytes of a number at `at`, if there is room.
    pub fn put(self, bytes: &mut [u8], at: usize, size: usize, number: u64) {
        let Some(place) = at.checked_add(size).and_then(|end| bytes.get_mut(at..end)) else { return };
        for (i, byte) in place.iter_mut().enumerate() {
            let shift = if self.big { size - 1 - i } else { i };
            *byte = (number >> (8 * shift)) as u8;
        }
    }
}

/// A section header and where it stands.
#[derive(Clone, Debug)]
pub struct Header {
    /// Name.
    pub name: Vec<u8>,
    /// Offset of the header in the file.
    pub at: usize,
    /// sh_type
    pub kind: u32,
    /// Bytes of the file: first, one past the last. Empty if they are not there.
    pub bytes: std::ops::Range<usize>,
    /// sh_info
    pub info: u32,
}

/// The headers of an ELF file, as far as they make sense.
#[derive(Clone, Debug)]
pub struct Headers {
    /// ELFCLASS64
    pub is_64: bool,
    /// Byte order.
    pub order: Order,
    /// Sections by number.
    pub sections: Vec<Header>,
}

/// Fields of a section header by class: (offset, bytes), in the order of the gABI (sh_name, sh_type, ..., sh_entsize).
pub const FIELDS: [[(usize, usize); 10]; 2] = [
    [(0, 4), (4, 4), (8, 4), (12, 4), (16, 4), (20, 4), (24, 4), (28, 4), (32, 4), (36, 4)],
    [(0, 4), (4, 4), (8, 8), (16, 8), (24, 8), (32, 8), (40, 4), (44, 4), (48, 8), (56, 8)],
];

impl Headers {
    /// Reads the headers of a file; None if it is no ELF file.
    pub fn of(file: &[u8]) -> Option<Headers> {
        if !file.starts_with(&elf::ELFMAG) || file.len() < 52 {
            return None;
        }
        let is_64 = file[4] == elf::ELFCLASS64;
        let order = Order { big: file[5] == elf::ELFDATA2MSB };
        let (shoff, count, size) = match is_64 {
            true => (order.get(file, 40, 8), order.get(file, 60, 2), 64),
            false => (order.get(file, 32, 4), order.get(file, 48, 2), 40),
        };
        let names_number = order.get(file, if is_64 { 62 } else { 50 }, 2) as usize;
        let fields = FIELDS[usize::from(is_64)];
        let field = |at: usize, number: usize| order.get(file, at.saturating_add(fields[number].0), fields[number].1);
        let at = |number: usize| (shoff as usize).saturating_add(number * size);
        let names = field(at(names_number), 4) as usize;
        let sections = (0..count as usize).map(|number| {
            let at = at(number);
            let start = names.saturating_add(field(at, 0) as usize);
            let name = file.get(start..).unwrap_or(&[]).split(|&b| b == 0).next().unwrap_or(&[]);
            let (kind, offset) = (field(at, 1) as u32, field(at, 4) as usize);
            let end = offset.saturating_add(field(at, 5) as usize);
            let there = kind != elf::SHT_NOBITS && end <= file.len();
            let bytes = if there { offset..end } else { 0..0 };
            Header { name: name.to_vec(), at, kind, bytes, info: field(at, 7) as u32 }
        });
        Some(Headers { is_64, order, sections: sections.collect() })
    }

    /// The section of a name.
    pub fn section(&self, name: &str) -> Option<&Header> {
        self.sections.iter().find(|s| s.name == name.as_bytes())
    }
}

/// A section of a file to be made.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Name.
    pub name: String,
    /// sh_type
    pub kind: u32,
    /// sh_flags
    pub flags: u64,
    /// sh_addr
    pub address: u64,
    /// sh_link
    pub link: u32,
    /// sh_info
    pub info: u32,
    /// sh_entsize
    pub entry_size: u64,
    /// Contents; for SHT_NOBITS only their number counts.
    pub bytes: Vec<u8>,
}

/// An ELF file to be made.
#[derive(Clone, Debug)]
pub struct Image {
    /// ELFCLASS64
    pub is_64: bool,
    /// Byte order.
    pub order: Order,
    /// e_machine
    pub machine: u16,
    /// ET_REL, or else ET_EXEC.
    pub relocatable: bool,
    /// Sections from number 1 on; that of their names comes last and is not among them.
    pub sections: Vec<Section>,
}

impl Image {
    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut sections = self.sections.clone();
        let name = ".shstrtab".to_string();
        sections.push(Section { name, kind: elf::SHT_STRTAB, ..Section::default() });
        let mut names = vec![0];
        let mut name_offsets = Vec::new();
        for section in &sections {
            name_offsets.push(names.len() as u64);
            names.extend(section.name.bytes().chain([0]));
        }
        if let Some(last) = sections.last_mut() {
            last.bytes = names;
        }
        let (header, section_header, word) = if self.is_64 { (64, 64, 8) } else { (52, 40, 4) };
        let mut out = vec![0; header];
        let mut offsets = Vec::new();
        for section in &sections {
            out.resize(out.len().next_multiple_of(8), 0);
            offsets.push(out.len() as u64);
            if section.kind != elf::SHT_NOBITS {
                out.extend(&section.bytes);
            }
        }
        out.resize(out.len().next_multiple_of(8), 0);
        let table = out.len();
        out[..4].copy_from_slice(&elf::ELFMAG);
        out[4] = if self.is_64 { elf::ELFCLASS64 } else { elf::ELFCLASS32 };
        out[5] = if self.order.big { elf::ELFDATA2MSB } else { elf::ELFDATA2LSB };
        out[6] = 1;
        let kind = if self.relocatable { elf::ET_REL } else { elf::ET_EXEC };
        let put = |out: &mut [u8], at, size, number| self.order.put(out, at, size, number);
        put(&mut out, 16, 2, kind.into());
        put(&mut out, 18, 2, self.machine.into());
        put(&mut out, 20, 4, 1);
        put(&mut out, 24 + 2 * word, word, table as u64);
        // e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx
        let count = sections.len() as u64;
        let halves = [header as u64, 0, 0, section_header as u64, count + 1, count];
        halves.iter().zip(0..).for_each(|(&half, i)| put(&mut out, 24 + 3 * word + 4 + 2 * i, 2, half));
        out.resize(table + section_header, 0);
        for (i, section) in sections.iter().enumerate() {
            let at = out.len();
            out.resize(at + section_header, 0);
            let values = [
                name_offsets[i],
                section.kind.into(),
                section.flags,
                section.address,
                offsets[i],
                section.bytes.len() as u64,
                section.link.into(),
                section.info.into(),
                1,
                section.entry_size,
            ];
            for ((offset, size), value) in FIELDS[usize::from(self.is_64)].into_iter().zip(values) {
                put(&mut out, at + offset, size, value);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_read_again() {
        for (is_64, big) in [(true, false), (true, true), (false, false), (false, true)] {
            let debug = Section { name: ".debug_info".into(), kind: 1, bytes: vec![1, 2, 3], ..Section::default() };
            let nothing = Section { name: ".bss".into(), kind: elf::SHT_NOBITS, bytes: vec![0; 9], ..debug.clone() };
            let order = Order { big };
            let image = Image { is_64, order, machine: 62, relocatable: true, sections: vec![nothing, debug] };
            let bytes = image.bytes();
            let file = ::dwarf::elf::ElfFile::parse(&bytes).unwrap();
            assert_eq!((file.is_64, file.relocatable, file.machine), (is_64, true, 62));
            let section = file.section(b".debug_info").unwrap();
            assert_eq!((section.index, file.bytes(section).unwrap()), (2, &[1, 2, 3][..]));
            assert_eq!(file.section(b".bss").unwrap().size, 9);
            let headers = Headers::of(&bytes).unwrap();
            let found = headers.section(".debug_info").unwrap();
            assert_eq!(bytes[found.bytes.clone()], [1, 2, 3]);
            assert_eq!(headers.sections.len(), 4);
        }
    }
}
