//! kfuncs: the functions that `.BTF_ids` offers to BPF programs (btf.rst 4.2), with the flags that matter to an encoder.

use btf::edit::kfunc::Flags;
use btf::map::FixedMap;

use crate::btf_ids::IdSection;

/// A kfunc's tags.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Kfunc {
    /// It is to get the tag `bpf_fastcall`, too.
    pub fastcall: bool,
}

/// The kfuncs of a file, by name; none if it has no `.BTF_ids`.
#[derive(Debug, Default)]
pub struct Kfuncs<'a> {
    by_name: FixedMap<&'a [u8], Kfunc>,
}

impl<'a> Kfuncs<'a> {
    /// Reads the sets of a section in link-time order.
    pub fn of(section: &IdSection<'a>) -> Kfuncs<'a> {
        let mut kfuncs = Kfuncs::default();
        for set in section.sets.iter().filter(|set| section.is_kfunc_set(set)) {
            for number in 0..set.count {
                if let Some(name) = section.function(set, number) {
                    let flags = Flags(section.word(set.entry(number) + 4));
                    kfuncs.by_name.entry(name).or_default().fastcall |= flags.has(Flags::FASTCALL);
                }
            }
        }
        kfuncs
    }

    /// The kfunc of a name.
    pub fn get(&self, name: &[u8]) -> Option<Kfunc> {
        self.by_name.get(name).copied()
    }
}
