//! The names of a base by their offsets: what one pass over its strings finds out.
//!
//! A kernel's BTF has two megabytes of strings, of which most modules have a few per cent. So strings are not hashed but
//! first looked up in a filter, by their last eight bytes and their length: one load each, where they are.

use memchr::memchr_iter;

use crate::bits::{Bits, Ranked};
use crate::ids::StrOff;
use crate::strings::{StrId, Strings};
use crate::view::BtfView;

/// Which offsets in the strings of a BTF (with its bases) have which of the wanted names.
#[derive(Debug)]
pub(crate) struct NameOffsets {
    /// Where a string starts.
    starts: Bits,
    /// Where one starts that has a number.
    known: Ranked,
    /// These numbers.
    numbers: Vec<StrId>,
    /// Per number the smallest offset at which a string of that name starts; 0 if there is none.
    first: Vec<StrOff>,
}

impl NameOffsets {
    /// Finds the names that are in `names`.
    pub fn of_names(view: &BtfView<'_>, names: &Strings<'_>) -> NameOffsets {
        let filter = Filter::of(names);
        scan(
            view,
            names.len(),
            |bytes, start, end| {
                if filter.may_have(bytes, start, end) { names.find(&bytes[start..end]) } else { None }
            },
        )
    }

    /// Gives every string of the BTF a number, also those that only its functions use: none of them is written again.
    pub fn of_all(view: &BtfView<'_>, names: &mut Strings<'static>) -> NameOffsets {
        let bytes = view.str_end().0 as usize;
        names.reserve(bytes / 16, bytes);
        scan(view, names.len(), |bytes, start, end| Some(names.intern(&bytes[start..end])))
    }

    /// The number of the name at an offset, if one of the names wanted starts there.
    #[inline]
    pub fn get(&self, offset: StrOff) -> Option<StrId> {
        self.known.rank(offset.0 as usize).map(|rank| self.numbers[rank])
    }

    /// Whether a string starts at an offset. One in the middle of a string, which libbpf does not write, is the name's that
    /// the string ends in, and [`NameOffsets::get`] knows nothing about it.
    #[inline]
    pub fn is_start(&self, offset: StrOff) -> bool {
        self.starts.contains(offset.0 as usize)
    }

    /// Per number the smallest offset at which a string of that name starts; 0 if there is none.
    pub fn into_first(self) -> Vec<StrOff> {
        self.first
    }
}

/// Asks `number` about each string: the section, and where in it the string starts and ends.
fn scan(view: &BtfView<'_>, names: u32, mut number: impl FnMut(&[u8], usize, usize) -> Option<StrId>) -> NameOffsets {
    let mut levels: Vec<&BtfView<'_>> = std::iter::successors(Some(view), |v| v.base()).collect();
    levels.reverse();
    let bound = view.str_end().0 as usize;
    let (mut starts, mut known, mut numbers) = (Bits::new(bound), Bits::new(bound), Vec::new());
    let mut first = vec![StrOff::EMPTY; names.max(1) as usize];
    for level in levels {
        let (bytes, from) = (level.strings(), level.str_start().0 as usize);
        let mut start = 0;
        for end in memchr_iter(0, bytes) {
            starts.insert(from + start);
            if let Some(id) = number(bytes, start, end) {
                known.insert(from + start);
                numbers.push(id);
                let index = id.0 as usize;
                if index >= first.len() {
                    first.resize(index + 1, StrOff::EMPTY);
                }
                if first[index] == StrOff::EMPTY {
                    first[index] = StrOff((from + start) as u32);
                }
            }
            start = end + 1;
        }
    }
    first[0] = StrOff::EMPTY;
    NameOffsets { starts, known: known.ranked(), numbers, first }
}

/// A Bloom filter: says of nearly all strings that they are not among the names.
struct Filter {
    bits: Bits,
    /// Bits of a key that count.
    shift: u32,
}

impl Filter {
    fn of(names: &Strings<'_>) -> Filter {
        // So few bits are set that one string in thirty gets through.
        let size = (names.len().max(2) as usize * 32).next_power_of_two();
        let mut filter = Filter { bits: Bits::new(size), shift: u64::BITS - size.trailing_zeros() };
        for id in (0..names.len()).map(StrId) {
            let name = names.get(id);
            filter.bits.insert(filter.place(name, 0, name.len()));
        }
        filter
    }

    #[inline(always)]
    fn may_have(&self, bytes: &[u8], start: usize, end: usize) -> bool {
        self.bits.contains(self.place(bytes, start, end))
    }

    /// The bit for a string, by its last eight bytes and its length.
    #[inline(always)]
    fn place(&self, bytes: &[u8], start: usize, end: usize) -> usize {
        let len = end - start;
        // A short string in the midst of others is cut out of its word.
        let word = match end.checked_sub(8).and_then(|at| bytes.get(at..)?.first_chunk()) {
            Some(last) if len >= 8 => u64::from_le_bytes(*last),
            Some(last) if len > 0 => u64::from_le_bytes(*last) >> (64 - 8 * len),
            _ => bytes[start..end].iter().rev().fold(0, |word, &b| word << 8 | u64::from(b)),
        };
        // Fibonacci hashing: the upper bits of the product depend on all of the word.
        let key = (word ^ (len as u64).rotate_right(8)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (key >> self.shift) as usize
    }
}
