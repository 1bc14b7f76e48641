//! Damage to DWARF. The headers of units stay as they are, but for a few of the changes.

use gimli::{DwAt, DwForm};

use crate::image::Headers;
use crate::rng::Rng;
use crate::sites::{Part, RELA, Sites, UnitSite, Value, leb_size, put_leb};

/// Tags that an encoder looks at, and some others.
const TAGS: [u16; 28] = [
    0x01, 0x02, 0x04, 0x05, 0x0b, 0x0d, 0x0f, 0x11, 0x13, 0x15, 0x16, 0x17, 0x18, 0x1d, 0x21, 0x24, 0x26, 0x28, 0x2e,
    0x34, 0x35, 0x37, 0x3b, 0x3c, 0x3d, 0x41, 0x47, 0x6000,
];

/// Attributes that an encoder looks at, and some others.
const ATTRIBUTES: [u16; 31] = [
    0x01, 0x02, 0x03, 0x0b, 0x0c, 0x0d, 0x11, 0x12, 0x13, 0x18, 0x1c, 0x20, 0x22, 0x25, 0x2f, 0x31, 0x34, 0x36, 0x37,
    0x38, 0x3c, 0x3e, 0x3f, 0x47, 0x49, 0x55, 0x69, 0x6b, 0x72, 0x73, 0x2139,
];

/// All forms of DWARF 5, and some that there are not.
const FORMS: std::ops::Range<usize> = 1..0x2f;

/// References to DIEs.
const REFERENCES: [DwForm; 7] = [
    gimli::DW_FORM_ref1,
    gimli::DW_FORM_ref2,
    gimli::DW_FORM_ref4,
    gimli::DW_FORM_ref8,
    gimli::DW_FORM_ref_udata,
    gimli::DW_FORM_ref_addr,
    gimli::DW_FORM_ref_sig8,
];
/// Numbers of any length.
const LEBS: [DwForm; 7] = [
    gimli::DW_FORM_udata,
    gimli::DW_FORM_sdata,
    gimli::DW_FORM_ref_udata,
    gimli::DW_FORM_strx,
    gimli::DW_FORM_addrx,
    gimli::DW_FORM_loclistx,
    gimli::DW_FORM_rnglistx,
];
/// Blocks of bytes.
const BLOCKS: [DwForm; 5] =
    [gimli::DW_FORM_exprloc, gimli::DW_FORM_block, gimli::DW_FORM_block1, gimli::DW_FORM_block2, gimli::DW_FORM_block4];
/// Lists of locations and ranges.
const LISTS: [DwForm; 3] = [gimli::DW_FORM_sec_offset, gimli::DW_FORM_loclistx, gimli::DW_FORM_rnglistx];
/// Sizes, counts, offsets, addresses.
const SIZES: [DwAt; 13] = [
    gimli::DW_AT_byte_size,
    gimli::DW_AT_bit_size,
    gimli::DW_AT_data_bit_offset,
    gimli::DW_AT_bit_offset,
    gimli::DW_AT_data_member_location,
    gimli::DW_AT_count,
    gimli::DW_AT_upper_bound,
    gimli::DW_AT_const_value,
    gimli::DW_AT_encoding,
    gimli::DW_AT_low_pc,
    gimli::DW_AT_high_pc,
    gimli::DW_AT_inline,
    gimli::DW_AT_language,
];

/// Does one thing to the DWARF.
pub fn mutate(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    if sites.values.is_empty() || sites.parts.is_empty() {
        return;
    }
    match rng.below(32) {
        0..5 => reference(file, sites, rng),
        5 => loop_of_references(file, sites, rng),
        6..9 => number(file, sites, rng),
        9..12 => text(file, sites, rng),
        12..14 => block(file, sites, rng),
        14..16 => value(file, sites, rng),
        16..20 => abbreviation(file, sites, rng),
        20..22 => code(file, sites, rng),
        22 => unit_header(file, sites, rng),
        23 => unit_length(file, sites, rng),
        24 => table_of_unit(file, sites, rng),
        25..28 => relocation(file, sites, rng),
        28 => move_bytes(file, sites, rng),
        _ => other_section(file, sites, rng),
    }
}

fn some_value<'s>(sites: &'s Sites, rng: &mut Rng, wanted: impl Fn(&Value) -> bool) -> Option<&'s Value> {
    let start = rng.below(sites.values.len());
    let (before, after) = sites.values.split_at(start);
    after.iter().chain(before).find(|value| wanted(value))
}

/// Another unit's DIE, a unit itself, or a place anywhere; another type's signature, or none's.
fn distant_reference(file: &mut [u8], sites: &Sites, value: &Value, rng: &mut Rng) {
    let unit = &sites.units[rng.below(sites.units.len())];
    let target = match value.form {
        gimli::DW_FORM_ref_sig8 => match some_value(sites, rng, |v| v.form == gimli::DW_FORM_ref_sig8) {
            Some(other) if rng.below(4) > 0 => sites.get(file, other.at as usize, 8),
            _ => rng.next(),
        },
        _ => match rng.below(4) {
            0 => (unit.bytes.start + unit.header) as u64,
            1 => rng.number(unit.bytes.end as u64, sites.info.len() as u64),
            _ => u64::from(sites.dies[rng.below(sites.dies.len())]),
        },
    };
    set_value(file, sites, value, target);
}

fn is_reference(value: &Value) -> bool {
    REFERENCES.contains(&value.form)
}

fn unit_of<'s>(sites: &'s Sites, value: &Value) -> &'s UnitSite {
    let after = sites.units.partition_point(|unit| unit.bytes.start <= value.at as usize);
    &sites.units[after.saturating_sub(1)]
}

fn set_value(file: &mut [u8], sites: &Sites, value: &Value, number: u64) {
    let at = value.at as usize;
    match is_leb(value.form) {
        true => put_leb(&mut file[sites.info.start + at..][..value.size as usize], number),
        false => sites.set(file, at, (value.size as usize).min(8), number),
    }
}

fn is_leb(form: DwForm) -> bool {
    LEBS.contains(&form)
}

/// A reference to a DIE, to the middle of one, into the header, out of the unit, to itself.
fn reference(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let Some(value) = some_value(sites, rng, is_reference) else { return };
    if value.form == gimli::DW_FORM_ref_sig8 || value.form == gimli::DW_FORM_ref_addr && rng.below(2) == 0 {
        return distant_reference(file, sites, value, rng);
    }
    let unit = unit_of(sites, value);
    let size = unit.bytes.len() as u64;
    let die = |rng: &mut Rng| u64::from(sites.dies[unit.dies.start + rng.below(unit.dies.len())]);
    let start = unit.bytes.start as u64;
    let target = match rng.below(8) {
        0..4 => die(rng) - start,
        4 => die(rng) - start + rng.below(8) as u64,
        5 => {
            let own = unit.dies.start + sites.dies[unit.dies.clone()].partition_point(|&die| die <= value.at);
            u64::from(sites.dies[own.saturating_sub(1)]) - start
        }
        6 => rng.number(size, size),
        _ => rng.below(unit.header + 1) as u64,
    };
    let target = if value.form == gimli::DW_FORM_ref_addr { target.wrapping_add(start) } else { target };
    set_value(file, sites, value, target);
}

/// Several references of a unit, each to the DIE of the next one.
fn loop_of_references(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let is_offset = |v: &&Value| is_reference(v) && v.form != gimli::DW_FORM_ref_sig8;
    let Some(value) = some_value(sites, rng, |v| is_offset(&v)) else { return };
    let unit = unit_of(sites, value);
    let values = sites.values[unit.values.clone()].iter();
    let all: Vec<&Value> = values.filter(|v| is_offset(v) && v.attr == gimli::DW_AT_type).collect();
    if all.is_empty() {
        return;
    }
    let members: Vec<&Value> = (0..1 + rng.below(6)).map(|_| *rng.pick(&all)).collect();
    for (i, value) in members.iter().enumerate() {
        let next = members[(i + 1) % members.len()];
        let die = sites.dies[unit.dies.clone()].partition_point(|&die| die <= next.at);
        let die = sites.dies[unit.dies.start + die.saturating_sub(1)] as usize;
        let start = if value.form == gimli::DW_FORM_ref_addr { 0 } else { unit.bytes.start };
        set_value(file, sites, value, (die - start) as u64);
    }
}

/// A size, a count, an offset, an address.
fn number(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let Some(value) = some_value(sites, rng, |v| SIZES.contains(&v.attr) && (1..=8).contains(&v.size)) else { return };
    let old = sites.get(file, value.at as usize, value.size as usize);
    let new = rng.number_of_bits(old, 34);
    set_value(file, sites, value, new);
}

/// A name: the offset of another, of the middle of one, of none; or its bytes.
fn text(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let is_offset = |v: &Value| matches!(v.form, gimli::DW_FORM_strp | gimli::DW_FORM_line_strp | gimli::DW_FORM_strx);
    let strings = sites.headers.section(".debug_str").map_or(0..0, |s| s.bytes.clone());
    if strings.is_empty() || rng.one_in(3) {
        let inline = some_value(sites, rng, |v| v.form == gimli::DW_FORM_string && v.size > 1);
        let bytes = match inline {
            Some(value) if rng.one_in(2) => {
                let start = sites.info.start + value.at as usize;
                // Its NUL goes only now and then: then the rest of the unit means something else.
                start..start + value.size as usize - usize::from(!rng.one_in(4))
            }
            _ => strings,
        };
        if let Some(byte) = file.get_mut(bytes.start + rng.below(bytes.len())) {
            *byte = *rng.pick(&[0, b'a', b'0', b'.', b' ', b'$', 0x7f, 0x80, 0xc3, 0xff]);
        }
        return;
    }
    let Some(value) = some_value(sites, rng, is_offset) else { return };
    let old = sites.get(file, value.at as usize, value.size as usize);
    let other = some_value(sites, rng, is_offset).map_or(0, |v| sites.get(file, v.at as usize, v.size as usize));
    let new = match rng.below(4) {
        0 | 1 => other,
        2 => old.wrapping_add(rng.below(20) as u64),
        _ => rng.number(old, strings.len() as u64),
    };
    set_value(file, sites, value, new);
}

/// An expression: its length, or what is in it. Offsets of lists of locations and ranges.
fn block(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let wanted = |v: &Value| v.size > 0 && (BLOCKS.contains(&v.form) || LISTS.contains(&v.form));
    let Some(value) = some_value(sites, rng, wanted) else { return };
    let old = sites.get(file, value.at as usize, (value.size as usize).min(8));
    if LISTS.contains(&value.form) {
        let new = rng.number(old, old.max(64));
        return set_value(file, sites, value, new);
    }
    let at = sites.info.start + value.at as usize + if rng.one_in(2) { 0 } else { rng.below(value.size as usize) };
    if let Some(byte) = file.get_mut(at) {
        *byte = rng.number((*byte).into(), 0x100) as u8;
    }
}

/// Any value: any bytes.
fn value(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let Some(value) = some_value(sites, rng, |v| v.size > 0) else { return };
    let bytes = &mut file[sites.info.start + value.at as usize..][..value.size as usize];
    if is_leb(value.form) && rng.one_in(2) {
        // Longer than it was: the bits that say where it ends.
        bytes.iter_mut().for_each(|byte| *byte |= 0x80);
    } else {
        bytes.iter_mut().for_each(|byte| *byte = rng.next() as u8);
    }
}

/// A part of an abbreviation.
fn abbreviation(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let &(at, size, part) = rng.pick(&sites.parts);
    let place = &mut file[sites.abbrev.start + at as usize..][..size as usize];
    let new = match part {
        Part::Code => rng.below(1 << (7 * size.min(3))) as u64,
        Part::Tag => u64::from(*rng.pick(&TAGS)),
        Part::Children => rng.below(2) as u64,
        Part::Attribute => u64::from(*rng.pick(&ATTRIBUTES)),
        Part::Form => (FORMS.start + rng.below(FORMS.len())) as u64,
        Part::Constant => rng.number(0, 1 << 32),
        Part::End => rng.below(0x4000) as u64,
    };
    match rng.below(16) {
        0 => place.fill(0xff),
        _ => put_leb(place, new),
    }
}

/// The abbreviation of a DIE: another one, none.
fn code(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let place = |die: u32| sites.info.start + die as usize;
    let (at, other) = (place(*rng.pick(&sites.dies)), place(*rng.pick(&sites.dies)));
    let (size, other_size) = (leb_size(&file[at..]), leb_size(&file[other..]));
    if rng.one_in(6) {
        file[at..at + size].fill(0);
    } else if size == other_size {
        file.copy_within(other..other + size, at);
    } else {
        put_leb(&mut file[at..at + size], rng.next());
    }
}

/// A field of a unit's header.
fn unit_header(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let unit = rng.pick(&sites.units);
    let at = unit.bytes.start + rng.below(unit.header);
    let byte = &mut file[sites.info.start + at];
    *byte = match rng.below(3) {
        0 => rng.next() as u8,
        1 => byte.wrapping_add(1),
        _ => *rng.pick(&[0, 1, 2, 3, 4, 5, 6, 8, 0xff]),
    };
}

/// A unit's length: the end of another DIE, of another unit, outside of the section.
fn unit_length(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let unit = rng.pick(&sites.units);
    let (start, length_size) = (unit.bytes.start, if unit.offset_size == 8 { 12 } else { 4 });
    let end = match rng.below(4) {
        0 => sites.dies[unit.dies.start + rng.below(unit.dies.len())] as usize,
        1 => rng.pick(&sites.units).bytes.end,
        2 => unit.bytes.end - rng.below(16),
        _ => rng.number(unit.bytes.end as u64, sites.info.len() as u64) as usize,
    };
    let length = end.wrapping_sub(start + length_size) as u64;
    sites.set(file, start + length_size - unit.offset_size, unit.offset_size, length);
}

/// A unit with the abbreviations of another one, or of the middle of a table.
fn table_of_unit(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let (unit, other) = (rng.pick(&sites.units), rng.pick(&sites.units));
    let table = match rng.below(3) {
        0 => other.abbrev,
        1 => rng.pick(&sites.parts).0 as usize,
        _ => rng.number(unit.abbrev as u64, sites.abbrev.len() as u64) as usize,
    };
    // Last in the header of DWARF 5, before the size of addresses in the others.
    let after = usize::from(sites.order().get(file, sites.info.start + unit.bytes.start + unit.offset_size, 2) < 5);
    let at = unit.bytes.start + unit.header - after - unit.offset_size;
    sites.set(file, at, unit.offset_size, table as u64);
}

/// A relocation: a field of it, two that change places, the last ones gone.
fn relocation(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let debug = |number: usize| sites.headers.sections.get(number).is_some_and(|s| s.name.starts_with(b".debug_"));
    let tables: Vec<_> = sites.relocations.iter().filter(|r| debug(r.target) || rng.one_in(8)).collect();
    let Some(table) = (!tables.is_empty()).then(|| *rng.pick(&tables)) else { return };
    let count = table.bytes.len() / RELA;
    let (a, b) = (table.bytes.start + RELA * rng.below(count), table.bytes.start + RELA * rng.below(count));
    let order = sites.order();
    match rng.below(8) {
        0 => {
            let entry = file[a..a + RELA].to_vec();
            file.copy_within(b..b + RELA, a);
            file[b..b + RELA].copy_from_slice(&entry);
        }
        1 => file.copy_within(b..b + RELA, a),
        2 => file[a..a + RELA].fill(0),
        3 | 4 => {
            let old = order.get(file, a, 8);
            order.put(file, a, 8, rng.number(old, sites.info.len() as u64));
        }
        5 => {
            // The type is in the lower half, the symbol in the upper one.
            let (at, limit) = if rng.one_in(2) { (a + 8, 40) } else { (a + 12, 200) };
            let at = if order.big { a + 20 - (at - a) } else { at };
            let old = order.get(file, at, 4);
            order.put(file, at, 4, rng.number(old, limit));
        }
        _ => {
            let old = order.get(file, a + 16, 8);
            order.put(file, a + 16, 8, rng.number_of_bits(old, 34));
        }
    }
}

/// Bytes of the units over others: whole DIEs, in the middle of others or from the start of one.
fn move_bytes(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let place = |rng: &mut Rng| match rng.below(4) {
        0 => rng.below(sites.info.len()),
        1 => rng.pick(&sites.values).at as usize,
        _ => *rng.pick(&sites.dies) as usize,
    };
    let (from, to) = (place(rng), place(rng));
    let most = sites.info.len() - from.max(to);
    let size = if rng.one_in(4) { rng.below(2000) } else { rng.below(40) };
    let size = (1 + size).min(most);
    file.copy_within(sites.info.start + from..sites.info.start + from + size, sites.info.start + to);
}

/// Bytes of another debug section.
fn other_section(file: &mut [u8], sites: &Sites, rng: &mut Rng) {
    let all = |headers: &Headers| {
        let is_read = |name: &[u8]| {
            [&b".debug_str"[..], b".debug_abbrev", b".debug_info"].contains(&name)
                || [&b".debug_loc"[..], b".debug_r", b".debug_addr"].iter().any(|p| name.starts_with(p))
        };
        headers.sections.iter().filter(|s| is_read(&s.name) && !s.bytes.is_empty()).map(|s| s.bytes.clone()).collect()
    };
    let sections: Vec<std::ops::Range<usize>> = all(&sites.headers);
    if sections.is_empty() {
        return;
    }
    let section = rng.pick(&sections);
    for _ in 0..1 + rng.below(4) {
        let at = section.start + rng.below(section.len());
        file[at] = match rng.below(3) {
            0 => file[at] ^ 1 << rng.below(8),
            1 => *rng.pick(&[0, 1, 0x7f, 0x80, 0xff]),
            _ => rng.next() as u8,
        };
    }
}
