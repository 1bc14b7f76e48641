//! From a distilled base back to a full one: what a kernel does with a module that has a `.BTF.base`.

use super::matches::{Found, Matches};
use super::{Embedded, has_name, text, wrong_base};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::graph::{FIXED_WORDS, map_names, map_refs};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::strings::StrId;
use crate::view::BtfView;
use crate::writer::HEADER_BYTES;

/// The split BTF `split`, which is on a distilled base, as one on `base`, with its types in the same order.
///
/// # Errors
/// Whatever a kernel would refuse the module for: a distilled base with types that do not belong there, a type in it that the base
/// lacks, or that the base has more than once.
pub fn relocate(split: &BtfView<'_>, base: &BtfView<'_>) -> Result<Vec<u8>> {
    relocate_by(split, base, &Matches::new(base))
}

/// Which type of `base` a kernel takes for each type of the distilled base of `split`.
///
/// # Errors
/// As for [`relocate`], as far as that is about the types of the distilled base.
pub fn targets(split: &BtfView<'_>, base: &BtfView<'_>) -> Result<Vec<(TypeId, TypeId)>> {
    targets_by(split, base, &Matches::new(base))
}

fn targets_by(split: &BtfView<'_>, base: &BtfView<'_>, matches: &Matches<'_>) -> Result<Vec<(TypeId, TypeId)>> {
    let distilled = split.base().filter(|distilled| distilled.base().is_none());
    let Some(distilled) = distilled else { return Err(wrong_base("this BTF has no distilled base")) };
    if base.endian() != split.endian() {
        return Err(wrong_base("the byte orders of BTF and base differ"));
    }
    let mut embedded = Embedded::new(split);
    split.types().for_each(|(_, t)| embedded.members(t));
    let mut targets = Vec::with_capacity(distilled.type_count());
    for (id, t) in distilled.types() {
        let fails = |why: String| Err(Error::new(ErrorKind::Base, Place::Type(id), why));
        let name = distilled.string(t.name_off()).unwrap_or(b"");
        let belongs = super::matches::KINDS & t.kind().bit() != 0 && t.kind() != Kind::Enum64;
        if !belongs || !has_name(distilled, t) {
            return fails(format!("{} `{}` cannot be in a distilled base", t.kind().name(), text(name)));
        }
        match matches.of(name, t, embedded.has(id)) {
            Found::One(there) => targets.push((id, there)),
            Found::Nothing => {
                let (kind, name) = (t.kind().name(), text(name));
                let size = t.byte_size().map_or_else(String::new, |bytes| format!(" of {bytes} bytes"));
                return fails(format!("the base has no {kind} `{name}`{size}"));
            }
            Found::Several(a, b) => {
                let (kind, name) = (t.kind().name(), text(name));
                return fails(format!("the base has several types for {kind} `{name}`: {a} and {b}"));
            }
        }
    }
    Ok(targets)
}

/// The same as [`relocate`] with the index of the base.
pub(super) fn relocate_by(split: &BtfView<'_>, base: &BtfView<'_>, matches: &Matches<'_>) -> Result<Vec<u8>> {
    // Where each distilled type, and each name of one, is in the base.
    let targets = targets_by(split, base, matches)?;
    let mut types = vec![TypeId::VOID; split.first_id().index()];
    let mut names: FixedMap<StrOff, StrOff> = FixedMap::default();
    names.insert(StrOff::EMPTY, StrOff::EMPTY);
    for (id, there) in targets {
        types[id.index()] = there;
        if let (Some(old), Some(new)) = (split.get(id), base.get(there)) {
            names.insert(old.name_off(), new.name_off());
        }
    }

    let limit =
        |what: &str| Error::new(ErrorKind::Limit, Place::Whole, format!("too many {what} with those of the base"));
    let (first, str_start) = (split.first_id().0, split.str_start().0);
    let end = u64::from(base.end_id().0) + split.type_count() as u64;
    let str_end = u64::from(base.str_end().0) + split.strings().len() as u64;
    if end > u64::from(TypeId::MAX.0) + 1 {
        return Err(limit("types"));
    }
    if str_end > u64::from(StrOff::MAX.0) + 1 {
        return Err(limit("names"));
    }
    let mut out = Vec::with_capacity(HEADER_BYTES + split.header().byte_size());
    let endian = split.endian();
    let mut type_bytes = Vec::with_capacity(split.header().byte_size());
    let mut words = Vec::new();
    for (id, t) in split.types() {
        t.read_record(&mut words);
        let mut lost = None;
        map_refs(&mut words, |target| match target.checked_sub(first) {
            Some(own) if own < split.type_count() as u32 => base.end_id().0 + own,
            None => types.get(target as usize).map_or(0, |id| id.0),
            Some(_) => {
                lost = Some(format!("it refers to type {target}, which is not there"));
                0
            }
        });
        map_names(&mut words, |name| match name.0.checked_sub(str_start) {
            Some(own) => StrId(base.str_end().0.saturating_add(own)),
            None => StrId(names.get(&StrOff(name.0)).map_or_else(
                || {
                    lost = Some(format!("its name at {:#x} is no name of a type of the distilled base", name.0));
                    0
                },
                |offset| offset.0,
            )),
        });
        if let Some(why) = lost {
            return Err(Error::new(ErrorKind::Record, Place::Type(id), why));
        }
        words[0] = words[1];
        words[1] = t.info_word();
        debug_assert!(words.len() >= FIXED_WORDS);
        words.iter().for_each(|&word| endian.push_u32(&mut type_bytes, word));
    }
    endian.push_u16(&mut out, 0xeb9f);
    out.extend_from_slice(&[1, 0]);
    let (type_len, string_len) = (type_bytes.len() as u32, split.strings().len() as u32);
    for word in [HEADER_BYTES as u32, 0, type_len, type_len, string_len] {
        endian.push_u32(&mut out, word);
    }
    out.extend_from_slice(&type_bytes);
    out.extend_from_slice(split.strings());
    Ok(out)
}
