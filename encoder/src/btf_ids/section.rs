//! Reads the section and its symbols.

use dwarf::elf::ElfFile;
use object::{Endian, Endianness};

use crate::error::{Error, ErrorKind, Result};

/// Name of the section.
pub const SECTION: &str = ".BTF_ids";
/// Bit of a set's flags: it holds kfuncs (BTF_SET8_KFUNCS, Linux 6.9).
const KFUNC_SET: u32 = 1;

/// What an id is of: the kinds that `resolve_btfids` knows. In the order of its messages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs)]
pub enum IdKind {
    Struct,
    Union,
    Typedef,
    Func,
}

/// How many of them there are.
pub(super) const KINDS: usize = IdKind::Func as usize + 1;

/// A word that is to hold an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// Byte offset in the section.
    pub offset: usize,
    /// Kind of the type.
    pub kind: IdKind,
    /// Its name.
    pub name: &'a [u8],
}

/// A set: a range that is to be sorted by id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Set<'a> {
    /// Name.
    pub name: &'a [u8],
    /// Byte offset of its count in the section.
    pub offset: usize,
    /// Ids, or pairs of id and flags.
    pub count: usize,
    /// True for pairs.
    pub pairs: bool,
}

impl Set<'_> {
    /// Bytes of the head, and of each entry.
    pub fn stride(&self) -> usize {
        if self.pairs { 8 } else { 4 }
    }

    /// Byte offset of an entry in the section.
    pub fn entry(&self, number: usize) -> usize {
        self.offset + self.stride() * (number + 1)
    }

    /// The name as text.
    pub fn text(&self) -> String {
        text(self.name)
    }
}

/// The section of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdSection<'a> {
    /// Its bytes: at first those of the file.
    pub bytes: Vec<u8>,
    /// Byte order.
    pub endian: Endianness,
    /// The ids, by offset.
    pub entries: Vec<Entry<'a>>,
    /// The sets, by offset.
    pub sets: Vec<Set<'a>>,
}

impl<'a> IdSection<'a> {
    /// Reads the section of a file; `None` if it has none, or no symbols.
    ///
    /// # Errors
    /// Symbols that are none of the known ones, sets that are not where the section is.
    pub fn of(file: &ElfFile<'a>) -> Result<Option<IdSection<'a>>> {
        let Some(section) = file.section(SECTION.as_bytes()).filter(|_| file.has_symbols()) else { return Ok(None) };
        let bytes = file.bytes(section)?.to_vec();
        let start = if file.relocatable { 0 } else { section.address };
        let mut ids = IdSection { bytes, endian: file.endian, entries: Vec::new(), sets: Vec::new() };
        file.each_symbol(|symbol| {
            if symbol.section != section.index {
                return Ok(());
            }
            let symbol_name = file.symbol_name(&symbol)?;
            let Some(rest) = symbol_name.strip_prefix(b"__BTF_ID__") else { return Ok(()) };
            let offset = symbol.value.checked_sub(start).and_then(|offset| usize::try_from(offset).ok());
            let offset = offset.filter(|&o| o % 4 == 0 && o.saturating_add(4) <= ids.bytes.len());
            let Some(offset) = offset else {
                return Err(wrong(format!("patching index of `{}` is out of bounds", text(symbol_name))));
            };
            ids.add(symbol_name, rest, offset, symbol.size)
        })?;
        ids.entries.sort_unstable_by_key(|e| (e.offset, e.kind, e.name));
        ids.sets.sort_unstable_by_key(|s| (s.offset, s.name));
        ids.check_sets()?;
        Ok(Some(ids))
    }

    fn add(&mut self, symbol: &[u8], rest: &'a [u8], offset: usize, size: u64) -> Result<()> {
        let sets: [(&[u8], bool); 2] = [(b"set8__", true), (b"set__", false)];
        if let Some((name, pairs)) = sets.iter().find_map(|&(p, pairs)| Some((rest.strip_prefix(p)?, pairs))) {
            if name.is_empty() {
                return Err(wrong(format!("parsing set name `{}`", text(symbol))));
            }
            let mut set = Set { name, offset, count: 0, pairs };
            let size = usize::try_from(size).ok().filter(|&size| size >= set.stride() && size % set.stride() == 0);
            let Some(size) = size.filter(|size| offset.saturating_add(*size) <= self.bytes.len()) else {
                return Err(malformed(name));
            };
            set.count = size / set.stride() - 1;
            self.sets.push(set);
            return Ok(());
        }
        let kinds: [(&[u8], IdKind); 4] = [
            (b"struct__", IdKind::Struct),
            (b"union__", IdKind::Union),
            (b"typedef__", IdKind::Typedef),
            (b"func__", IdKind::Func),
        ];
        let Some((rest, kind)) = kinds.iter().find_map(|&(p, kind)| Some((rest.strip_prefix(p)?, kind))) else {
            return Err(wrong(format!("unsupported prefix in `{}`", text(symbol))));
        };
        // A number that makes the symbol unique follows the last double underscore; names may have some themselves.
        match rest.windows(2).rposition(|w| w == b"__") {
            Some(end) if end > 0 => self.entries.push(Entry { offset, kind, name: &rest[..end] }),
            _ => return Err(wrong(format!("parsing symbol name `{}`", text(symbol)))),
        }
        Ok(())
    }

    /// Sets neither share a name nor bytes.
    fn check_sets(&self) -> Result<()> {
        for pair in self.sets.windows(2) {
            if pair[1].offset < pair[0].entry(pair[0].count) {
                return Err(malformed(pair[1].name));
            }
        }
        let mut names: Vec<&[u8]> = self.sets.iter().map(|s| s.name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(twice) => Err(wrong(format!("two sets have the name `{}`", text(twice[0])))),
            None => Ok(()),
        }
    }

    /// The word at a byte offset; 0 outside.
    pub fn word(&self, offset: usize) -> u32 {
        let bytes = self.bytes.get(offset..).and_then(|b| b.first_chunk());
        bytes.map_or(0, |bytes| self.endian.read_u32_bytes(*bytes))
    }

    /// Changes the word at a byte offset; does nothing outside.
    pub fn set_word(&mut self, offset: usize, word: u32) {
        let bytes = self.endian.write_u32_bytes(word);
        if let Some(place) = self.bytes.get_mut(offset..).and_then(|b| b.first_chunk_mut()) {
            *place = bytes;
        }
    }

    /// The symbols at a byte offset.
    pub fn at(&self, offset: usize) -> &[Entry<'a>] {
        let start = self.entries.partition_point(|e| e.offset < offset);
        let count = self.entries[start..].iter().take_while(|e| e.offset == offset).count();
        &self.entries[start..start + count]
    }

    /// The name of the function at an entry of a set.
    pub fn function(&self, set: &Set<'_>, number: usize) -> Option<&'a [u8]> {
        self.at(set.entry(number)).iter().find(|e| e.kind == IdKind::Func).map(|e| e.name)
    }

    /// The names of the ids that a kernel does not translate when it loads a module with a distilled base: all but those in sets of kfuncs.
    /// (It translates tables of destructors, too, but nothing here tells that a list is one.)
    pub fn untranslated(&self) -> Vec<&'a [u8]> {
        let kfuncs: Vec<_> = self.sets.iter().filter(|set| self.is_kfunc_set(set)).collect();
        let in_set =
            |entry: &&Entry<'_>| kfuncs.iter().any(|set| (set.offset..set.entry(set.count)).contains(&entry.offset));
        let mut names: Vec<&[u8]> =
            self.entries.iter().filter(|entry| !in_set(entry)).map(|entry| entry.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether a set holds kfuncs.
    pub fn is_kfunc_set(&self, set: &Set<'_>) -> bool {
        set.pairs && self.word(set.offset + 4) & KFUNC_SET != 0
    }
}

/// A name as text.
pub fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// An error of this section.
pub(super) fn wrong(what: String) -> Error {
    Error::new(ErrorKind::Input, format!("FAILED {what} (section {SECTION})"))
}

fn malformed(set: &[u8]) -> Error {
    wrong(format!("malformed data for set '{}'", text(set)))
}
