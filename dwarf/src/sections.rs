//! The debug sections that readers borrow: whole, or in parts that are relocated when they are read.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::error::{Error, ErrorKind, Result};
use crate::relocate::Table;

/// Told which bytes of the file will not be read again: (first, one past the last).
#[derive(Clone, Copy)]
pub struct Release<'a>(pub &'a (dyn Fn(Range<usize>) + Sync));

impl fmt::Debug for Release<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Release")
    }
}

/// A debug section, decompressed, and its relocations, which are applied to what is read of it.
#[derive(Debug, Default)]
pub struct DebugSection<'a> {
    name: &'static str,
    bytes: Cow<'a, [u8]>,
    tables: Vec<Table<'a>>,
    /// Offset in the file, if the bytes stand there.
    file_offset: Option<usize>,
    release: Option<Release<'a>>,
    /// All of it, relocated, once somebody asked for that.
    whole: OnceLock<Vec<u8>>,
    /// Of the errors of [`DebugSection::list`] and [`DebugSection::whole`] the first in the section.
    error: Mutex<Option<Error>>,
    /// Entries of long lists that were read.
    entries: AtomicU64,
}

/// Lists with more entries than this count as long.
const LONG: usize = 64;
/// How many times the entries that a section has room for may be read from it, in long lists.
const TIMES: u64 = 16;

/// First guess at the bytes of a list.
const LIST: usize = 256;

/// Longest relocated value, with room to spare.
const VALUE: usize = 16;

impl<'a> DebugSection<'a> {
    pub(crate) fn new(
        name: &'static str,
        bytes: Cow<'a, [u8]>,
        tables: Vec<Table<'a>>,
        file_offset: Option<usize>,
        release: Option<Release<'a>>,
    ) -> DebugSection<'a> {
        DebugSection { name, bytes, tables, file_offset, release, ..DebugSection::default() }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Bytes of the section.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True if the file does not have the section, or nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Sorts relocations that are out of order. True if that was necessary for the first time: then what was read until
    /// now is worth nothing, be it an error.
    pub fn put_in_order(&self) -> bool {
        self.tables.iter().fold(false, |changed, table| table.put_in_order() | changed)
    }

    /// A part of the section; `buffer` is for the copy if it has to be relocated. Whoever reads all of the section in such
    /// parts gets an error for relocations that are out of order; see [`DebugSection::put_in_order`].
    ///
    /// # Errors
    /// A relocation that is not valid, or crosses the end of the part; a part that lies outside of the section.
    pub fn part<'b>(&'b self, range: Range<usize>, buffer: &'b mut Vec<u8>) -> Result<&'b [u8]> {
        self.relocated(range, 0, buffer)
    }

    /// As above, with room for values that cross the end of the range.
    pub(crate) fn relocated<'b>(
        &'b self,
        range: Range<usize>,
        room: usize,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8]> {
        let outside = || Error::at(ErrorKind::Dwarf, self.name, range.start as u64, "the section ends before this");
        let bytes = self.bytes.get(range.clone()).ok_or_else(outside)?;
        if self.tables.is_empty() {
            return Ok(bytes);
        }
        let end = range.end.saturating_add(room).min(self.len());
        buffer.clear();
        buffer.extend_from_slice(&self.bytes[range.start..end]);
        for table in &self.tables {
            table.apply(&range, self.len(), buffer)?;
        }
        Ok(&buffer[..range.len()])
    }

    /// The header of a unit, and whatever follows, with its length relocated, if that is done on the machine. The rest of
    /// it may not be: to find the entries in the table means to read pages all over it.
    pub(crate) fn unit_header<'b>(&'b self, offset: usize, bytes: usize, buffer: &'b mut Vec<u8>) -> Result<&'b [u8]> {
        match self.tables.iter().any(Table::has_differences) {
            true => self.glance(offset, bytes, buffer),
            false => Ok(&self.bytes[offset..offset.saturating_add(bytes).min(self.len())]),
        }
    }

    /// A few bytes at an offset, as many as there are.
    fn glance<'b>(&'b self, offset: usize, bytes: usize, buffer: &'b mut Vec<u8>) -> Result<&'b [u8]> {
        self.relocated(offset..offset.saturating_add(bytes).min(self.len()), VALUE, buffer)
    }

    /// Reads a list whose end only its reader can tell. The reader gets bytes from the list's start on, and returns what it
    /// read, and whether that was all; if not, it is called again with more, as long as there is more.
    pub fn list<T: Default>(&self, offset: u64, mut read: impl FnMut(&[u8]) -> (T, bool)) -> T {
        let Some(start) = usize::try_from(offset).ok().filter(|&o| o <= self.len()) else { return T::default() };
        if self.tables.is_empty() {
            return read(&self.bytes[start..]).0;
        }
        self.put_in_order();
        let mut buffer = Vec::new();
        let mut size = LIST;
        loop {
            match self.glance(start, size, &mut buffer) {
                Ok(bytes) => {
                    let (found, is_all) = read(bytes);
                    if is_all || size >= self.len() - start {
                        return found;
                    }
                }
                Err(error) => {
                    self.keep(error);
                    return T::default();
                }
            }
            size *= 2;
        }
    }

    /// Counts the entries of a list that was read. False, and an error is kept, when all together are many times what there is: DIEs
    /// share long lists, or lists overlap, so that reading them would take time without end.
    pub(crate) fn count(&self, entries: usize) -> bool {
        let most = TIMES * self.len() as u64;
        let add = if entries > LONG { entries as u64 } else { 0 };
        // What has nothing to add costs a look.
        let before = if add == 0 {
            self.entries.load(Ordering::Relaxed)
        } else {
            self.entries.fetch_add(add, Ordering::Relaxed)
        };
        if before + add > most {
            self.keep(Error::section(
                ErrorKind::Dwarf,
                self.name,
                "its lists overlap, or the same long one is referred to again and again",
            ));
        }
        before + add <= most
    }

    /// All of the section; nothing if a relocation is not valid.
    pub fn whole(&self) -> &[u8] {
        if self.tables.is_empty() {
            return &self.bytes;
        }
        self.whole.get_or_init(|| {
            self.put_in_order();
            let mut whole = Vec::new();
            if let Err(error) = self.part(0..self.len(), &mut whole) {
                self.keep(error);
                whole = Vec::new();
            }
            whole
        })
    }

    /// Keeps the first error in the section, so that it does not depend on who read what when.
    fn keep(&self, error: Error) {
        let mut kept = self.error.lock().unwrap_or_else(|e| e.into_inner());
        if kept.as_ref().is_none_or(|first| error.offset() < first.offset()) {
            *kept = Some(error);
        }
    }

    /// The error that [`DebugSection::list`] or [`DebugSection::whole`] met.
    fn take_error(&self) -> Result<()> {
        self.error.lock().unwrap_or_else(|e| e.into_inner()).take().map_or(Ok(()), Err)
    }

    /// A part of the section will not be read again.
    pub fn release(&self, range: &Range<usize>) {
        let Some(Release(release)) = self.release else { return };
        if let Some(offset) = self.file_offset {
            release(offset + range.start..offset + range.end);
        }
        self.tables.iter().for_each(|table| release(table.in_file(range)));
    }
}

/// The debug sections of a file; one that it does not have is empty.
#[derive(Debug, Default)]
pub struct DebugData<'a> {
    /// `.debug_info` (DWARF5 7.5.1)
    pub info: DebugSection<'a>,
    /// `.debug_types` (DWARF4 7.5.1.2); and further sections of units, which relocatable files have one per type unit
    pub types: Vec<DebugSection<'a>>,
    /// `.debug_abbrev` (DWARF5 7.5.3)
    pub abbrev: DebugSection<'a>,
    /// `.debug_str`
    pub str: DebugSection<'a>,
    /// `.debug_line_str`
    pub line_str: DebugSection<'a>,
    /// `.debug_str_offsets` (DWARF5 7.26)
    pub str_offsets: DebugSection<'a>,
    /// `.debug_addr` (DWARF5 7.27)
    pub addr: DebugSection<'a>,
    /// `.debug_loclists` (DWARF5 7.29)
    pub loclists: DebugSection<'a>,
    /// `.debug_rnglists` (DWARF5 7.28)
    pub rnglists: DebugSection<'a>,
    /// `.debug_loc` (DWARF4 7.7.3)
    pub loc: DebugSection<'a>,
    /// `.debug_ranges` (DWARF4 7.23)
    pub ranges: DebugSection<'a>,
    /// `.debug_cu_index` (DWARF5 7.3.5.3), of packages only
    pub cu_index: DebugSection<'a>,
    /// `.debug_tu_index`
    pub tu_index: DebugSection<'a>,
    /// Those of the alternate file (dwz), and its path.
    pub alternate: Option<(Box<DebugData<'a>>, &'a str)>,
}

impl<'a> DebugData<'a> {
    /// What readers of units borrow.
    pub fn sections(&self) -> Sections<'_> {
        let (abbrev, str, line_str) = (self.abbrev.whole(), self.str.whole(), self.line_str.whole());
        let alternate_str = self.alternate.as_ref().map_or(&[][..], |(alternate, _)| alternate.str.whole());
        Sections { abbrev, str, line_str, alternate_str, data: self }
    }

    /// To be asked after everything was read.
    ///
    /// # Errors
    /// A relocation that is not valid, in what was read other than by [`DebugSection::part`].
    pub fn check(&self) -> Result<()> {
        let DebugData {
            info,
            types,
            abbrev,
            str,
            line_str,
            str_offsets,
            addr,
            loclists,
            rnglists,
            loc,
            ranges,
            cu_index,
            tu_index,
            alternate,
        } = self;
        let all = [info, abbrev, str, line_str, str_offsets, addr, loclists, rnglists, loc, ranges, cu_index, tu_index];
        all.into_iter().chain(types).try_for_each(|section| section.take_error())?;
        alternate.as_ref().map_or(Ok(()), |(alternate, _)| alternate.check())
    }
}

/// What readers of units borrow: the sections that they read all the time, and the others.
#[derive(Clone, Copy, Debug)]
pub struct Sections<'a> {
    /// `.debug_abbrev`
    pub abbrev: &'a [u8],
    /// `.debug_str`
    pub str: &'a [u8],
    /// `.debug_line_str`
    pub line_str: &'a [u8],
    /// `.debug_str` of the alternate file.
    pub alternate_str: &'a [u8],
    /// All of them.
    pub data: &'a DebugData<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relocate::tests::{rela64, table};
    use object::{Endianness, elf};

    fn section(bytes: &'static [u8], entries: &[(u64, u32, u32, u64)]) -> DebugSection<'static> {
        let table = table(rela64(entries), 24, Endianness::Little, elf::EM_X86_64);
        DebugSection::new(".debug_info", Cow::Borrowed(bytes), vec![table], Some(100), None)
    }

    #[test]
    fn a_list_is_read_to_its_end() {
        // Out of order, and one value begins in what is read first and ends behind it.
        let s = section(&[1; 2000], &[(1990, 0, 1, 0), (LIST as u64 - 1, 0, 10, 0x0403_0201)]);
        let mut reads = Vec::new();
        let found = s.list(3, |bytes| {
            reads.push(bytes.len());
            (bytes.iter().filter(|&&b| b == 0).count(), bytes.contains(&0))
        });
        assert_eq!((found, reads), (7 + 1, vec![256, 512, 1024, 1997]));
        assert_eq!(s.list(0, |bytes| (bytes[LIST - 1], true)), 1);
        assert_eq!(s.list(0, |bytes| (bytes.get(LIST + 2).copied(), bytes.len() > LIST)), Some(4));
        assert_eq!(s.list(2001, |_| (1, true)), 0);
        assert!(s.take_error().is_ok());
    }

    #[test]
    fn the_first_error_of_the_section_is_kept() {
        let s = section(&[1; 2000], &[(10, 0, 77, 0), (500, 0, 78, 0)]);
        for offset in [400, 0, 450] {
            assert_eq!(s.list(offset, |_| (1, true)), 0);
        }
        assert!(s.whole().is_empty());
        let error = s.take_error().unwrap_err().to_string();
        assert_eq!(error, ".debug_info+0xa: relocation type 77 of machine 62 is unknown");
    }

    #[test]
    fn what_was_read_is_released() {
        let seen = Mutex::new(Vec::new());
        let release = |range: Range<usize>| seen.lock().unwrap().push(range);
        let table = table(rela64(&[(0, 0, 10, 0), (4, 0, 10, 0)]), 24, Endianness::Little, elf::EM_X86_64);
        let s =
            DebugSection::new(".debug_info", Cow::Borrowed(&[0; 8]), vec![table], Some(100), Some(Release(&release)));
        s.release(&(4..8));
        drop(s);
        assert_eq!(seen.into_inner().unwrap(), [104..108, 1024..1048]);
    }
}
