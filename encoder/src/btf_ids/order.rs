//! Undoes what an earlier run did to a section: ids are zeros again, and each entry's flags stand at its symbol.
//!
//! A set of pairs is sorted by id when it is resolved, while the symbols stay. Whoever then takes the flags from below a symbol takes
//! another function's. The old ids tell which is whose, as long as there is the BTF that they were resolved with.

use btf::ids::TypeId;
use btf::kind::Kind;
use btf::view::BtfView;
use dwarf::elf::ElfFile;

use super::section::{IdSection, Set, text, wrong};
use crate::error::Result;

/// Whether a set was resolved: its count is 0 until then.
fn is_resolved(section: &IdSection<'_>, set: &Set<'_>) -> bool {
    section.word(set.offset) != 0
}

/// The section of a file in link-time order; `None` if it has none, or no symbols.
///
/// Of the flags of sets only those in `flags` are kept: where only others differ, their order does not matter. See [`restore_by`].
///
/// # Errors
/// A damaged section; sets whose order cannot be restored although it matters.
pub fn link_order<'a>(file: &ElfFile<'a>, base: Option<&BtfView<'_>>, flags: u32) -> Result<Option<IdSection<'a>>> {
    let Some(mut section) = IdSection::of(file)? else { return Ok(None) };
    for set in section.sets.clone().iter().filter(|set| set.pairs) {
        for at in (0..set.count).map(|number| set.entry(number) + 4) {
            section.set_word(at, section.word(at) & flags);
        }
    }
    restore_by(section, file, base).map(Some)
}

/// Puts a section into link-time order, with what the file's own BTF tells: on top of its `.BTF.base`, or else of `base`.
///
/// # Errors
/// Sets whose order cannot be restored although it matters.
pub fn restore_by<'a>(section: IdSection<'a>, file: &ElfFile<'_>, base: Option<&BtfView<'_>>) -> Result<IdSection<'a>> {
    if !section.sets.iter().any(|set| is_resolved(&section, set)) {
        return restore(section, None);
    }
    let bytes = |name: &[u8]| file.section(name).and_then(|s| file.bytes(s).ok()).filter(|b| !b.is_empty());
    let distilled = bytes(b".BTF.base").and_then(|bytes| BtfView::parse(bytes).ok());
    let old = bytes(b".BTF").and_then(|bytes| BtfView::parse_on(bytes, distilled.as_ref().or(base)).ok());
    restore(section, old.as_ref())
}

/// Puts a section into link-time order. One that was never resolved stays as it is.
///
/// `old` is the BTF that it was resolved with, if it is known. It is asked only where flags differ within a set.
///
/// # Errors
/// Flags that cannot be given back to their functions.
pub fn restore<'a>(mut section: IdSection<'a>, old: Option<&BtfView<'_>>) -> Result<IdSection<'a>> {
    for set in section.sets.clone() {
        if is_resolved(&section, &set) {
            if set.pairs {
                restore_flags(&mut section, &set, old)?;
            }
            (0..set.count).for_each(|number| section.set_word(set.entry(number), 0));
            section.set_word(set.offset, 0);
        }
    }
    for entry in section.entries.clone() {
        section.set_word(entry.offset, 0);
    }
    Ok(section)
}

fn restore_flags(section: &mut IdSection<'_>, set: &Set<'_>, old: Option<&BtfView<'_>>) -> Result<()> {
    let pair = |number| (section.word(set.entry(number)), section.word(set.entry(number) + 4));
    let pairs: Vec<(u32, u32)> = (0..set.count).map(pair).collect();
    if pairs.windows(2).all(|w| w[0].1 == w[1].1) {
        return Ok(());
    }
    let failed = |why: String| {
        let name = set.text();
        wrong(format!(
            "restoring the order of set '{name}', which was resolved before: {why}; \
             link the file again, so that its flags stand with their functions"
        ))
    };
    let Some(old) = old else { return Err(failed("the BTF of that time is not there".into())) };
    let name_of = |id: u32| {
        let t = old.get(TypeId(id)).filter(|t| t.kind() == Kind::Func);
        t.and_then(|t| old.string(t.name_off()))
    };
    // By name: symbols on one side, flags on the other; what was not resolved then has no name.
    let mut places = Vec::new();
    for number in 0..set.count {
        let name = section.function(set, number);
        places.push((name.ok_or_else(|| failed(format!("entry {number} has no symbol")))?, number));
    }
    let (mut named, mut nameless) = (Vec::new(), Vec::new());
    for &(id, flags) in &pairs {
        match (id, name_of(id)) {
            (0, _) => nameless.push(flags),
            (_, Some(name)) => named.push((name, flags)),
            (_, None) => return Err(failed(format!("id {id} is no function in the file's BTF"))),
        }
    }
    places.sort_unstable();
    named.sort_unstable();
    let (mut flags, mut left) = (Vec::new(), Vec::new());
    let mut rest = named.into_iter().peekable();
    for &(name, number) in &places {
        match rest.next_if(|(n, _)| *n == name) {
            Some((_, f)) => flags.push((name, number, f)),
            None => left.push(number),
        }
    }
    if let Some((name, _)) = rest.next() {
        return Err(failed(format!("its id of `{}` has no symbol: the BTF is another one", text(name))));
    }
    if flags.windows(2).any(|w| w[0].0 == w[1].0 && w[0].2 != w[1].2) {
        return Err(failed("it has one function twice, with different flags".into()));
    }
    if nameless.windows(2).any(|w| w[0] != w[1]) {
        return Err(failed("several functions were not found then, and their flags differ".into()));
    }
    let found = flags.into_iter().map(|(_, number, flags)| (number, flags));
    for (number, flags) in found.chain(left.into_iter().zip(nameless)) {
        section.set_word(set.entry(number) + 4, flags);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use object::Endianness;

    use super::*;
    use crate::btf_ids::section::{Entry, IdKind};

    /// A set of functions `a` and `b` with these words.
    fn section(words: [u32; 6]) -> IdSection<'static> {
        let entry = |offset, name| Entry { offset, kind: IdKind::Func, name };
        IdSection {
            bytes: words.iter().flat_map(|w| w.to_be_bytes()).collect(),
            endian: Endianness::Big,
            entries: vec![entry(8, b"a"), entry(16, b"b")],
            sets: vec![Set { name: b"set", offset: 0, count: 2, pairs: true }],
        }
    }

    #[test]
    fn only_flags_that_differ_need_the_old_btf() {
        let unresolved = section([0, 1, 0, 7, 0, 8]);
        assert_eq!(restore(unresolved.clone(), None), Ok(unresolved));
        assert_eq!(restore(section([2, 1, 5, 7, 6, 7]), None), Ok(section([0, 1, 0, 7, 0, 7])));
        let error = restore(section([2, 1, 5, 7, 6, 8]), None).unwrap_err().to_string();
        assert!(error.contains("order of set 'set'") && error.contains("link the file again"), "{error}");
    }
}
