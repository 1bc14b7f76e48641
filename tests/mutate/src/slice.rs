//! Some units of a linked kernel as a file of their own: small enough to be run on a hundred thousand times.

use std::collections::BTreeMap;
use std::ops::Range;

use dwarf::elf::ElfFile;
use encoder::btf_ids::order::link_order;
use object::elf;

use crate::image::{Image, Section};
use crate::sites::{Sites, leb_size};

/// Room for a loaded `.BTF`, as a kernel has it.
const ROOM: usize = 1 << 19;
/// Bytes that are taken along after the last list of a unit.
const TAIL: usize = 512;

/// Cuts out units (see [`Sites::of_units`]): their abbreviations, names, lists of locations and ranges, and the symbols of the file that
/// lie in their code or are no functions. None if the file is not linked, is not of 64 bits, or its DWARF is not in order.
///
/// Of sections that are loaded only the headers are kept, but for `.BTF_ids`.
pub fn slice(file: &[u8], sites: &Sites) -> Option<Vec<u8>> {
    let parsed = ElfFile::parse(file).ok().filter(|parsed| !parsed.relocatable && parsed.is_64)?;
    let section = |name: &str| sites.headers.section(name).map_or(&[][..], |s| &file[s.bytes.clone()]);
    let order = sites.order();
    let (info, abbrev) = (section(".debug_info"), section(".debug_abbrev"));
    let mut strings = Strings::default();
    let mut line_strings = Strings::default();
    let (mut new_info, mut new_abbrev, mut code) = (Vec::new(), Vec::new(), Vec::new());
    let (mut locations, mut ranges) = (Vec::new(), Vec::new());
    for unit in &sites.units {
        let start = new_info.len();
        new_info.extend(&info[unit.bytes.clone()]);
        let number = new_abbrev.len() as u64;
        new_abbrev.extend(&abbrev[unit.abbrev..table_end(abbrev, unit.abbrev)]);
        let after = usize::from(order.get(info, unit.bytes.start + unit.offset_size, 2) < 5);
        order.put(&mut new_info, start + unit.header - after - unit.offset_size, unit.offset_size, number);
        let lists = |attrs: &[gimli::DwAt], from: &[u8]| {
            let all = sites.values[unit.values.clone()].iter();
            let all = all.filter(|v| v.form == gimli::DW_FORM_sec_offset && attrs.contains(&v.attr));
            let offset = |v: &crate::sites::Value| order.get(info, v.at as usize, v.size as usize) as usize;
            let (first, last) = all.clone().map(offset).fold((usize::MAX, 0), |(a, b), o| (a.min(o), b.max(o)));
            first.min(from.len())..last.saturating_add(TAIL).min(from.len()).max(first.min(from.len()))
        };
        let of_locations = [gimli::DW_AT_location, gimli::DW_AT_GNU_locviews, gimli::DW_AT_frame_base];
        let own_locations = lists(&of_locations, section(".debug_loclists"));
        let own_ranges = lists(&[gimli::DW_AT_ranges], section(".debug_rnglists"));
        let (mut low, mut high) = (0, 0);
        for value in &sites.values[unit.values.clone()] {
            let (at, size) = (value.at as usize, value.size as usize);
            let old = order.get(info, at, size.min(8));
            let moved = |own: &Range<usize>, new: &[u8]| (old as usize).wrapping_sub(own.start).wrapping_add(new.len());
            let new = match (value.form, value.attr) {
                (gimli::DW_FORM_strp, _) => strings.place(section(".debug_str"), old as usize),
                (gimli::DW_FORM_line_strp, _) => line_strings.place(section(".debug_line_str"), old as usize),
                (gimli::DW_FORM_sec_offset, gimli::DW_AT_ranges) => moved(&own_ranges, &ranges),
                (gimli::DW_FORM_sec_offset, attr) if of_locations.contains(&attr) => moved(&own_locations, &locations),
                (form, attr) => {
                    match (form, attr) {
                        (gimli::DW_FORM_addr, gimli::DW_AT_low_pc) => low = old,
                        (_, gimli::DW_AT_high_pc) if low != 0 => {
                            high = if form == gimli::DW_FORM_addr { old } else { low.wrapping_add(old) };
                        }
                        _ => {}
                    }
                    if high != 0 {
                        code.push(low..high);
                        (low, high) = (0, 0);
                    }
                    continue;
                }
            };
            order.put(&mut new_info, start + at - unit.bytes.start, size, new as u64);
        }
        locations.extend(&section(".debug_loclists")[own_locations]);
        ranges.extend(&section(".debug_rnglists")[own_ranges]);
    }
    let debug = |name: &str, bytes| Section { name: name.into(), kind: elf::SHT_PROGBITS, bytes, ..Section::default() };
    // Loaded sections first, with the numbers that they have, so that symbols need no change.
    let mut sections: Vec<Section> = Vec::new();
    for s in parsed.sections.iter().skip(1).take_while(|s| s.flags & u64::from(elf::SHF_ALLOC) != 0) {
        let name = String::from_utf8_lossy(s.name).into_owned();
        let (kind, bytes) = match s.name {
            // As linked: what was filled in is of another BTF.
            b".BTF_ids" => (s.kind, link_order(&parsed, None, 0).ok()??.bytes),
            b".BTF" => (s.kind, vec![0; ROOM]),
            _ => (elf::SHT_NOBITS, vec![0; usize::try_from(s.size).ok()?.min(1 << 26)]),
        };
        sections.push(Section { name, kind, flags: s.flags, address: s.address, bytes, ..Section::default() });
    }
    let (symbols, names) = symbols(file, sites, &code, sections.len());
    sections.extend([
        debug(".debug_info", new_info),
        debug(".debug_abbrev", new_abbrev),
        debug(".debug_str", strings.bytes),
        debug(".debug_line_str", line_strings.bytes),
        debug(".debug_loclists", locations),
        debug(".debug_rnglists", ranges),
    ]);
    let link = sections.len() as u32 + 2;
    let info = (symbols.len() / SYMBOL) as u32;
    let table = Section { kind: elf::SHT_SYMTAB, link, info, entry_size: SYMBOL as u64, ..debug(".symtab", symbols) };
    sections.push(table);
    sections.push(Section { kind: elf::SHT_STRTAB, ..debug(".strtab", names) });
    Some(Image { is_64: true, order, machine: parsed.machine, relocatable: false, sections }.bytes())
}

/// The units of a kernel that are taken: every so many-th one that is neither tiny nor large, up to so many bytes.
pub fn every(step: usize, most: usize) -> impl FnMut(usize, usize) -> bool {
    let mut left = most;
    move |number, size| {
        let taken = number % step == 0 && (2_000..most / 2).contains(&size) && size <= left;
        left -= if taken { size } else { 0 };
        taken
    }
}

/// Bytes of an Elf64_Sym.
const SYMBOL: usize = 24;

/// Symbols in the code, and those of sections that are kept, with their names.
fn symbols(file: &[u8], sites: &Sites, code: &[Range<u64>], sections: usize) -> (Vec<u8>, Vec<u8>) {
    let bytes = |name: &str| sites.headers.section(name).map_or(&[][..], |s| &file[s.bytes.clone()]);
    let (table, names) = (bytes(".symtab"), bytes(".strtab"));
    let order = sites.order();
    let kept = |name: &str| sites.headers.sections.iter().position(|s| s.name == name.as_bytes());
    let kept = [kept(".BTF_ids"), kept(".data..percpu")];
    let (mut out, mut strings) = (vec![0; SYMBOL], Strings::default());
    strings.bytes.push(0);
    for symbol in table.chunks_exact(SYMBOL).skip(1) {
        let (section, value) = (order.get(symbol, 6, 2) as usize, order.get(symbol, 8, 8));
        let is_function = symbol[4] & 0xf == elf::STT_FUNC;
        let wanted = section != 0
            && section <= sections
            && (is_function && code.iter().any(|c| c.contains(&value)) || kept.contains(&Some(section)));
        if wanted {
            let mut new = symbol.to_vec();
            let name = strings.place(names, order.get(symbol, 0, 4) as usize);
            order.put(&mut new, 0, 4, name as u64);
            out.extend(new);
        }
    }
    (out, strings.bytes)
}

/// A section of strings in the making.
#[derive(Default)]
struct Strings {
    bytes: Vec<u8>,
    places: BTreeMap<usize, usize>,
}

impl Strings {
    /// The place of the string that stands at an offset of the old section.
    fn place(&mut self, old: &[u8], offset: usize) -> usize {
        *self.places.entry(offset).or_insert_with(|| {
            let rest = old.get(offset..).unwrap_or(&[]);
            let end = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
            let place = self.bytes.len();
            self.bytes.extend(rest[..end].iter().chain(&[0]));
            place
        })
    }
}

/// Where a table of abbreviations ends.
fn table_end(abbrev: &[u8], mut at: usize) -> usize {
    let mut next = || {
        let size = leb_size(abbrev.get(at..).unwrap_or(&[]));
        let bytes = &abbrev[at.min(abbrev.len())..];
        at += size;
        bytes[..size].iter().rev().fold(0u64, |number, byte| number << 7 | u64::from(byte & 0x7f))
    };
    while next() != 0 {
        next();
        next();
        loop {
            let (attribute, form) = (next(), next());
            if form == u64::from(gimli::DW_FORM_implicit_const.0) {
                next();
            }
            if (attribute, form) == (0, 0) {
                break;
            }
        }
    }
    at
}
