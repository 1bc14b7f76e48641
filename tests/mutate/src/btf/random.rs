//! Changes at random that keep the records' shapes, so that what comes after a changed one is still read.

use super::{Doc, info, kind_of, trailer, vlen_of};

/// Changes one thing.
pub(super) fn change(d: &mut Doc) {
    const CHANGES: [fn(&mut Doc, usize) -> String; 12] =
        [reference, reference, word, word, bit, kind, vlen, name, string, remove, repeat, swap];
    if d.records.is_empty() {
        let id = d.raw(0, super::kind::PTR, 0, false, 0, &[]);
        return d.note(format!("[{id}] added"));
    }
    let at = d.rng.below(d.records.len());
    let how = d.pick(&CHANGES);
    let what = how(d, at);
    let id = d.first_id + at as u32;
    d.note(format!("[{id}] {what}"));
}

/// A number of the kind that borders have.
fn odd_number(d: &mut Doc) -> u32 {
    let numbers = [
        0, 1, 2, 3, 4, 7, 8, 16, 31, 32, 33, 64, 127, 128, 255, 0xffff, 0x1_0000, 0xf_ffff, 0x10_0000, 0xff_ffff,
        0x100_0000,
    ];
    match d.rng.below(4) {
        0 => d.rng.next() as u32,
        1 => u32::MAX - d.rng.below(4) as u32,
        _ => d.pick(&numbers),
    }
}

/// Where a record refers to others.
pub(super) fn references(record: &[u32]) -> Vec<usize> {
    use super::kind::*;
    let each = |start: usize, step: usize| (0..vlen_of(record) as usize).map(|n| start + n * step).collect::<Vec<_>>();
    match kind_of(record) {
        PTR | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | VAR | DECL_TAG | TYPE_TAG => vec![2],
        ARRAY => vec![3, 4],
        STRUCT | UNION => each(4, 3),
        DATASEC => each(3, 3),
        FUNC_PROTO => [vec![2], each(4, 2)].concat(),
        _ => Vec::new(),
    }
}

/// One reference leads to another type, own or of the base, near or far, or to none.
fn reference(d: &mut Doc, at: usize) -> String {
    let places = references(&d.records[at]);
    if places.is_empty() {
        return word(d, at);
    }
    let (place, end) = (d.pick(&places), d.end_id());
    let target = match d.rng.below(8) {
        0 => 0,
        1 => end + d.rng.below(3) as u32,
        2 => d.first_id + at as u32,
        3 => d.rng.below(end as usize) as u32,
        _ => d.first_id + d.rng.below(d.records.len()) as u32,
    };
    d.records[at][place] = target;
    format!("word {place} refers to {target}")
}

/// Any word but the info word.
fn word(d: &mut Doc, at: usize) -> String {
    let place = d.rng.below(d.records[at].len() - 1);
    let place = if place == 0 { 0 } else { place + 1 };
    let number = odd_number(d);
    d.records[at][place] = number;
    format!("word {place} is {number}")
}

fn bit(d: &mut Doc, at: usize) -> String {
    let place = d.rng.below(d.records[at].len() - 1);
    let place = if place == 0 { 0 } else { place + 1 };
    let bit = d.rng.below(32);
    d.records[at][place] ^= 1 << bit;
    format!("word {place} bit {bit} flipped")
}

/// Another kind, with as many elements and a trailer that fits, made of what was there.
fn kind(d: &mut Doc, at: usize) -> String {
    let to = 1 + d.rng.below(19) as u32;
    let kflag = d.rng.below(8) == 0;
    let record = &mut d.records[at];
    let (fixed, each) = trailer(to).unwrap_or_default();
    let vlen = if each == 0 { 0 } else { vlen_of(record).min(50) };
    record[1] = info(to, vlen, kflag);
    record.resize(3 + fixed + each * vlen as usize, 1);
    format!("is of kind {to}")
}

/// More or fewer elements, or a vlen or kflag where none belongs.
fn vlen(d: &mut Doc, at: usize) -> String {
    let (vlen, kflag) = (d.rng.below(5) as u32, d.rng.below(3) == 0);
    let record = &mut d.records[at];
    let kind = kind_of(record);
    let (fixed, each) = trailer(kind).unwrap_or_default();
    let kflag = (record[1] >> 31 != 0) != kflag;
    record[1] = info(kind, vlen, kflag);
    record.resize(3 + fixed + each * vlen as usize, 1);
    format!("has vlen {vlen}, kflag {kflag}")
}

/// Another name: of the blob's, from the middle of one, or out of reach.
fn name(d: &mut Doc, at: usize) -> String {
    let end = d.str_start as usize + d.strings.len();
    let offset = match d.rng.below(4) {
        0 => 0,
        1 => (end + d.rng.below(2)) as u32,
        _ => d.rng.below(end) as u32,
    };
    d.records[at][0] = offset;
    format!("has its name at {offset}")
}

/// A byte of the strings.
fn string(d: &mut Doc, _: usize) -> String {
    if d.strings.len() < 3 {
        return "nothing".into();
    }
    // Not the first and the last one, which are looked at before all else.
    let at = 1 + d.rng.below(d.strings.len() - 2);
    let byte = d.pick(b"\0 .-0aZ_\x7f\x80\xd7\xe9\xff");
    d.strings[at] = byte;
    format!("and string byte {at} is {byte:#x}")
}

/// All that follow have other ids.
fn remove(d: &mut Doc, at: usize) -> String {
    d.records.remove(at);
    "removed".into()
}

fn repeat(d: &mut Doc, at: usize) -> String {
    let (record, to) = (d.records[at].clone(), d.rng.below(d.records.len()));
    d.records.insert(to, record);
    format!("repeated at {to}")
}

fn swap(d: &mut Doc, at: usize) -> String {
    let other = d.rng.below(d.records.len());
    d.records.swap(at, other);
    format!("swapped with {}", d.first_id + other as u32)
}
