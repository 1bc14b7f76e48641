//! The names of a base by their offsets: what one pass over its strings finds out.
//!
//! A kernel's BTF has two megabytes of strings, of which most modules have a few per cent. So strings are not hashed but
//! first looked up in a filter, by their last eight bytes and their length: one load each, where they are.

use memchr::memchr_iter;

use crate::bits::Bits;
use crate::ids::StrOff;
use crate::strings::{StrId, Strings};
use crate::view::BtfView;

/// Which offsets in the strings of a BTF (with its bases) have which of the wanted names.
#[derive(Debug)]
pub(crate) struct NameOffsets {
    /// A bit per offset, in words of 64.
    words: Vec<Word>,
    /// How many strings that have a number start before each word.
    before: Vec<u32>,
    /// The numbers of the strings that have one, in their order.
    numbers: Vec<StrId>,
    /// Per number the smallest offset at which a string of that name starts; 0 if there is none.
    first: Vec<StrOff>,
}

/// What is known about 64 offsets, together where one look finds it.
#[derive(Clone, Copy, Default, Debug)]
struct Word {
    /// Where a string starts.
    starts: u64,
    /// Where one starts that has a number.
    known: u64,
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

    /// Whether the string at an offset has a number; no answer if none starts there. See [`NameOffsets::get`].
    #[inline]
    pub fn has(&self, offset: StrOff) -> Option<bool> {
        let (word, bit) = (self.words.get(offset.0 as usize / 64)?, offset.0 % 64);
        let known = word.known >> bit & 1 != 0;
        (known || word.starts >> bit & 1 != 0).then_some(known)
    }

    /// The number of the name at an offset: none if a string without a number starts there, and no answer if none starts
    /// there. One in the middle of a string, which libbpf does not write, is the name that the string ends in.
    #[inline]
    pub fn get(&self, offset: StrOff) -> Option<Option<StrId>> {
        let (word, bit) = (self.words.get(offset.0 as usize / 64)?, offset.0 % 64);
        if word.known >> bit & 1 != 0 {
            let below = (word.known & ((1 << bit) - 1)).count_ones();
            return Some(Some(self.numbers[(self.before[offset.0 as usize / 64] + below) as usize]));
        }
        (word.starts >> bit & 1 != 0).then_some(None)
    }

    /// Per number the smallest offset at which a string of that name starts; 0 if there is none.
    pub fn into_first(self) -> Vec<StrOff> {
        self.first
    }
}

/// Asks `number` about each string: the section, and where in it the string starts and ends.
fn scan(view: &BtfView<'_>, names: u32, mut number: impl FnMut(&[u8], usize, usize) -> Option<StrId>) -> NameOffsets {
    let mut words = vec![Word::default(); (view.str_end().0 as usize).div_ceil(64)];
    let mut numbers = Vec::new();
    let mut first = vec![StrOff::EMPTY; names.max(1) as usize];
    for level in view.levels() {
        let (bytes, from) = (level.strings(), level.str_start().0 as usize);
        let mut start = 0;
        for end in memchr_iter(0, bytes) {
            let offset = from + start;
            let word = &mut words[offset / 64];
            word.starts |= 1 << (offset % 64);
            if let Some(id) = number(bytes, start, end) {
                word.known |= 1 << (offset % 64);
                numbers.push(id);
                let index = id.0 as usize;
                if index >= first.len() {
                    first.resize(index + 1, StrOff::EMPTY);
                }
                if first[index] == StrOff::EMPTY {
                    first[index] = StrOff(offset as u32);
                }
            }
            start = end + 1;
        }
    }
    let before = words.iter().scan(0, |sum, word| {
        let here = *sum;
        *sum += word.known.count_ones();
        Some(here)
    });
    let before = before.collect();
    first[0] = StrOff::EMPTY;
    NameOffsets { words, before, numbers, first }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Blob;

    #[test]
    fn names_of_all_lengths_are_found_where_they_first_start() {
        let mut blob = Blob::new();
        let texts: Vec<String> = (1..40).map(|len| "abcdefghijklmnop_".chars().cycle().take(len).collect()).collect();
        let offsets: Vec<u32> = texts.iter().map(|text| blob.name(text)).collect();
        texts.iter().for_each(|text| _ = blob.name(text));
        let data = blob.bytes();
        let view = BtfView::parse(&data).unwrap();
        let mut names = Strings::new();
        let wanted: Vec<StrId> = texts.iter().map(|text| names.intern(text.as_bytes())).collect();
        let missing = names.intern(b"abd");
        let found = NameOffsets::of_names(&view, &names);
        for (&id, &offset) in wanted.iter().zip(&offsets) {
            assert_eq!(found.get(StrOff(offset)), Some(Some(id)));
            assert_eq!(found.first[id.0 as usize], StrOff(offset));
        }
        assert_eq!(found.first[missing.0 as usize], StrOff::EMPTY);
        assert_eq!(found.get(StrOff::EMPTY), Some(Some(StrId::EMPTY)));
        assert_eq!(found.get(view.str_end()), None);
        let mut all = Strings::new();
        let found = NameOffsets::of_all(&view, &mut all);
        assert_eq!(all.len() as usize, texts.len() + 1);
        assert_eq!(found.get(StrOff(offsets[7])), Some(all.find(texts[7].as_bytes())));
    }

    #[test]
    fn what_the_file_does_not_have_and_what_starts_in_the_middle() {
        let mut blob = Blob::new();
        let longer = blob.name("unsigned_int");
        let data = blob.bytes();
        let view = BtfView::parse(&data).unwrap();
        let mut names = Strings::new();
        names.intern(b"int");
        let found = NameOffsets::of_names(&view, &names);
        assert_eq!(found.get(StrOff(longer)), Some(None));
        assert_eq!(found.has(StrOff(longer)), Some(false));
        assert_eq!(found.get(StrOff(longer + 9)), None);
    }

    #[test]
    fn strings_of_all_levels_count() {
        let mut blob = Blob::new();
        let below = blob.name("below");
        let data = blob.bytes();
        let base = BtfView::parse(&data).unwrap();
        let mut blob = Blob::on(&base);
        blob.name("below");
        let above = blob.name("above");
        let data = blob.bytes();
        let view = BtfView::parse_split(&data, &base).unwrap();
        let mut names = Strings::new();
        let ids = [names.intern(b"below"), names.intern(b"above")];
        let first = NameOffsets::of_names(&view, &names).into_first();
        assert_eq!(ids.map(|id| first[id.0 as usize]), [StrOff(below), StrOff(above)]);
    }
}
