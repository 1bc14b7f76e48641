//! kfuncs: the functions that `.BTF_ids` offers to BPF programs (btf.rst 4.2).

use btf::map::FixedMap;
use dwarf::elf::ElfFile;
use object::{Endian, Endianness};

use crate::error::{Error, Result};

/// Bit of an entry's flags: the kfunc follows the BPF calling convention for fast calls.
const FASTCALL: u32 = 1 << 12;
/// Bit of a set's flags: it holds kfuncs.
const KFUNC_SET: u32 = 1;

/// A kfunc's tags.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Kfunc {
    /// It is to get the tag `bpf_fastcall`, too.
    pub fastcall: bool,
}

/// The kfuncs of a file, by name.
#[derive(Debug, Default)]
pub struct Kfuncs<'a> {
    by_name: FixedMap<&'a [u8], Kfunc>,
    /// Sets whose entries were sorted by id and differ in flags, so that the flags no longer stand at their symbols.
    pub sorted_sets: Vec<String>,
}

impl<'a> Kfuncs<'a> {
    /// Reads the sets of a file; none if it has no `.BTF_ids` or no symbols.
    pub fn of(file: &ElfFile<'a>) -> Result<Kfuncs<'a>> {
        let mut kfuncs = Kfuncs::default();
        let Some(section) = file.section(b".BTF_ids") else { return Ok(kfuncs) };
        let Ok(bytes) = file.bytes(section) else { return Ok(kfuncs) };
        let start = if file.relocatable { 0 } else { section.address };
        let mut sets: Vec<(u64, u64, &[u8])> = Vec::new();
        let mut functions: Vec<(u64, &'a [u8])> = Vec::new();
        file.each_symbol(|symbol| {
            let Some(offset) = symbol.value.checked_sub(start).filter(|_| symbol.section == section.index) else {
                return Ok(());
            };
            let name = file.symbol_name(&symbol)?;
            if let Some(set) = name.strip_prefix(b"__BTF_ID__set8__") {
                if word(bytes, offset + 4, file.endian).is_some_and(|flags| flags & KFUNC_SET != 0) {
                    sets.push((offset, offset.saturating_add(symbol.size), set));
                }
            } else if let Some(rest) = name.strip_prefix(b"__BTF_ID__func__") {
                // The name ends at the last double underscore; a number that makes the symbol unique follows.
                if let Some(end) = rest.windows(2).rposition(|w| w == b"__") {
                    functions.push((offset, &rest[..end]));
                }
            }
            Ok::<(), Error>(())
        })?;
        functions.sort_unstable();
        for (start, end, name) in sets {
            let first = functions.partition_point(|f| f.0 < start);
            let entries = functions[first..].iter().take_while(|f| f.0 < end);
            let flags = |offset: u64| word(bytes, offset + 4, file.endian).unwrap_or(0) & FASTCALL != 0;
            let resolved = entries.clone().any(|f| word(bytes, f.0, file.endian).is_some_and(|id| id != 0));
            let mixed = entries.clone().any(|f| flags(f.0)) && !entries.clone().all(|f| flags(f.0));
            if resolved && mixed {
                kfuncs.sorted_sets.push(String::from_utf8_lossy(name).into_owned());
            }
            for &(offset, function) in entries {
                kfuncs.by_name.entry(function).or_default().fastcall |= flags(offset);
            }
        }
        kfuncs.sorted_sets.sort_unstable();
        Ok(kfuncs)
    }

    /// The kfunc of a name.
    pub fn get(&self, name: &[u8]) -> Option<Kfunc> {
        self.by_name.get(name).copied()
    }
}

fn word(bytes: &[u8], offset: u64, endian: Endianness) -> Option<u32> {
    let bytes = bytes.get(usize::try_from(offset).ok()?..)?.first_chunk()?;
    Some(endian.read_u32_bytes(*bytes))
}
