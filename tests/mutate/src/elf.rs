//! Damage to ELF: headers, symbols, ids, and the file as a whole.

use object::elf;

use crate::image::{FIELDS, Header};
use crate::rng::Rng;
use crate::sites::Sites;

/// Names that matter, to be given to other sections.
const NAMES: [&str; 10] = [
    ".debug_info",
    ".debug_abbrev",
    ".debug_str",
    ".debug_loclists",
    ".debug_str_offsets",
    ".BTF",
    ".BTF_ids",
    ".BTF.base",
    ".data..percpu",
    ".symtab",
];

/// Does one thing to the file.
pub fn mutate(file: &mut Vec<u8>, sites: &Sites, rng: &mut Rng) {
    match rng.below(20) {
        0..7 => section_header(file, sites, rng),
        7 => name_of_section(file, sites, rng),
        8 => swap_headers(file, sites, rng),
        9..14 => symbol(file, sites, rng),
        14..16 => name_of_symbol(file, sites, rng),
        16..18 => ids(file, sites, rng),
        18 => file_header(file, sites, rng),
        _ => whole(file, sites, rng),
    }
}

/// The sections that btfgen reads are three times in four the ones that are hit.
fn some_section<'s>(sites: &'s Sites, rng: &mut Rng) -> &'s Header {
    let all = &sites.headers.sections;
    let is_read = |s: &Header| {
        [&b".debug_"[..], b".rela.debug_", b".BTF", b".symtab", b".strtab", b".data..percpu", b".modinfo", b".note"]
            .iter()
            .any(|prefix| s.name.starts_with(prefix))
    };
    for _ in 0..20 {
        let section = rng.pick(all);
        if is_read(section) || rng.one_in(16) {
            return section;
        }
    }
    rng.pick(all)
}

/// A field of a section header.
fn section_header(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let section = some_section(sites, rng);
    let field = rng.below(10);
    let (offset, size) = FIELDS[usize::from(sites.headers.is_64)][field];
    let order = sites.order();
    let old = order.get(file, section.at + offset, size);
    let new = match field {
        1 => rng.below(20) as u64,
        // SHF_COMPRESSED, SHF_ALLOC and the others.
        2 => old ^ 1 << rng.below(13),
        6 | 7 => rng.number(old, sites.headers.sections.len() as u64),
        8 => 1 << rng.below(64),
        _ if rng.one_in(3) => old.wrapping_add(rng.next() % 64).wrapping_sub(32),
        _ => rng.number(old, file.len() as u64),
    };
    order.put(file, section.at + offset, size, new);
    if field == 2 && new & u64::from(elf::SHF_COMPRESSED) != 0 && section.bytes.len() > 24 && rng.one_in(2) {
        // A header for the compressed bytes: type, size, alignment (gABI, Elf64_Chdr).
        let at = section.bytes.start;
        order.put(file, at, 4, 1 + rng.below(2) as u64);
        order.put(file, at + 8, 8, rng.number(section.bytes.len() as u64, 1 << 40));
    }
}

/// A section with the name of another.
fn name_of_section(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let all = &sites.headers.sections;
    let name: &&str = rng.pick(&NAMES);
    let from = match sites.headers.section(name) {
        Some(found) => found,
        None => rng.pick(all),
    };
    let to = some_section(sites, rng);
    let offset = sites.order().get(file, from.at, 4);
    sites.order().put(file, to.at, 4, offset);
}

/// Two sections that change places, or one that is another one.
fn swap_headers(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let size = if sites.headers.is_64 { 64 } else { 40 };
    let (a, b) = (some_section(sites, rng).at, some_section(sites, rng).at);
    if a.max(b) + size > file.len() {
        return;
    }
    let old = file[a..a + size].to_vec();
    file.copy_within(b..b + size, a);
    if rng.one_in(2) {
        file[b..b + size].copy_from_slice(&old);
    }
}

/// Fields of a symbol by class: (offset, bytes): name, info, other, section, value, size (gABI, symbol table).
const SYMBOL: [[(usize, usize); 6]; 2] =
    [[(0, 4), (12, 1), (13, 1), (14, 2), (4, 4), (8, 4)], [(0, 4), (4, 1), (5, 1), (6, 2), (8, 8), (16, 8)]];

/// A field of a symbol; the symbols of `.BTF_ids` are the last ones that matter, so any is as good.
fn symbol(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let Some(table) = sites.headers.section(".symtab").filter(|s| !s.bytes.is_empty()) else { return };
    let size = if sites.headers.is_64 { 24 } else { 16 };
    let count = table.bytes.len() / size;
    let at = table.bytes.start + size * rng.below(count);
    let field = rng.below(6);
    let (offset, bytes) = SYMBOL[usize::from(sites.headers.is_64)][field];
    let order = sites.order();
    let old = order.get(file, at + offset, bytes);
    let new = match field {
        0 => order.get(file, table.bytes.start + size * rng.below(count), 4),
        1 => [0, 1, 2, 3, 0x10, 0x11, 0x12, 0x20, 0x22][rng.below(9)],
        3 => match rng.below(3) {
            0 => *rng.pick(&[0, 0xff00, 0xfff1, 0xfff2, 0xffff]),
            _ => rng.below(sites.headers.sections.len() + 1) as u64,
        },
        4 if rng.one_in(2) => order.get(file, table.bytes.start + size * rng.below(count) + offset, bytes),
        _ => rng.number_of_bits(old, 34),
    };
    order.put(file, at + offset, bytes, new);
    if field == 0 && rng.one_in(4) {
        order.put(file, at, 4, rng.number(old, file.len() as u64));
    }
}

/// A byte of a symbol's name.
fn name_of_symbol(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let Some(names) = sites.headers.section(".strtab").filter(|s| !s.bytes.is_empty()) else { return };
    let mut at = names.bytes.start + rng.below(names.bytes.len());
    // Half of the time one of those that say what an id is of.
    let marks: &[&[u8]] = &[b"__BTF_ID__", b"__set8__", b"__func__", b".isra", b".constprop", b".part", b"bpf_"];
    let mark = *rng.pick(marks);
    if rng.one_in(2) {
        let rest = &file[at..names.bytes.end];
        if let Some(found) = rest.windows(mark.len()).position(|window| window == mark) {
            at += found + rng.below(mark.len() + 6);
        }
    }
    if let Some(byte) = file.get_mut(at) {
        *byte = *rng.pick(&[0, b'_', b'.', b'a', b'f', b's', b'8', 0x80, 0xff]);
    }
}

/// A word of `.BTF_ids`, or any byte of `.BTF`.
fn ids(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let name: &&str = rng.pick(&[".BTF_ids", ".BTF_ids", ".BTF", ".BTF.base"]);
    let Some(section) = sites.headers.section(name) else {
        return;
    };
    if section.bytes.is_empty() {
        return;
    }
    let order = sites.order();
    for _ in 0..1 + rng.below(3) {
        let at = section.bytes.start + rng.below(section.bytes.len()) / 4 * 4;
        let old = order.get(file, at, 4);
        order.put(file, at, 4, rng.number_of_bits(old, 20));
    }
}

/// A field of the ELF header.
fn file_header(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let all: &[(usize, usize)] = match sites.headers.is_64 {
        true => {
            &[(4, 1), (5, 1), (16, 2), (18, 2), (32, 8), (40, 8), (52, 2), (54, 2), (56, 2), (58, 2), (60, 2), (62, 2)]
        }
        false => {
            &[(4, 1), (5, 1), (16, 2), (18, 2), (28, 4), (32, 4), (40, 2), (42, 2), (44, 2), (46, 2), (48, 2), (50, 2)]
        }
    };
    let &(at, size) = rng.pick(all);
    let old = sites.order().get(file, at, size);
    let limit = if size > 2 { file.len() as u64 } else { 64 };
    sites.order().put(file, at, size, rng.number(old, limit));
}

/// The file cut short, or with something after its end.
fn whole(file: &mut Vec<u8>, sites: &Sites, rng: &mut Rng) {
    let section = some_section(sites, rng).bytes.clone();
    match rng.below(5) {
        0 => file.truncate(rng.below(file.len())),
        1 => file.truncate(section.start + rng.below(section.len())),
        2 => file.extend([0; 12]),
        3 => file.extend(b"~Module signature appended~\n"),
        _ => {
            file.extend([0, 0, 2, 0, 0, 0, 0, 0]);
            file.extend((rng.number(0, 2 * file.len() as u64) as u32).to_be_bytes());
            file.extend(b"~Module signature appended~\n");
        }
    }
}
