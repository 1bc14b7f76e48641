//! The kfuncs of a section: the functions that its sets offer to BPF programs, with their flags.

use btf::edit::kfunc::{Flags, Kfunc};
use btf::map::FixedMap;

use super::finding::Finding;
use super::section::{IdSection, text};
use crate::error::{Error, ErrorKind, Result};

/// The kfuncs of a section in link-time order that a BTF has among its own functions, by ascending id.
///
/// `functions` has the numbers of those among the own types, by name.
///
/// # Errors
/// A kfunc that several sets have with different flags.
pub fn kfuncs(section: &IdSection<'_>, functions: &FixedMap<&[u8], usize>) -> Result<(Vec<Kfunc>, Vec<Finding>)> {
    let mut findings = Vec::new();
    let mut found: FixedMap<usize, Flags> = FixedMap::default();
    let mut sets: Vec<_> = section.sets.iter().filter(|set| section.is_kfunc_set(set)).collect();
    sets.sort_unstable_by_key(|set| set.name);
    for set in sets {
        for entry in 0..set.count {
            let Some(name) = section.function(set, entry) else {
                findings.push(Finding::NoSymbol { set: set.text(), entry });
                continue;
            };
            let flags = Flags(section.word(set.entry(entry) + 4));
            let Some(&function) = functions.get(name) else {
                findings.push(Finding::NoFunction { name: text(name), set: set.text() });
                continue;
            };
            let known = *found.entry(function).or_insert(flags);
            if known != flags {
                let what = format!(
                    "ERROR: resolve_btfids: kfunc {} has inconsistent flags across BTF ID sets: {:#x} != {:#x}",
                    text(name),
                    flags.0,
                    known.0
                );
                return Err(Error::new(ErrorKind::Input, what));
            }
        }
    }
    let mut kfuncs: Vec<Kfunc> = found.into_iter().map(|(function, flags)| Kfunc { function, flags }).collect();
    kfuncs.sort_unstable_by_key(|k| k.function);
    Ok((kfuncs, findings))
}
