//! Mutates BTF: one rule of the kernel's broken on purpose, the border of one just kept, or records changed at random.
//!
//! A blob is taken apart into records and strings, changed, and put together again with a header that fits; only mutations that are
//! about the header leave a wrong one. What has to refer to something finds it in the blob or adds it, so every mutation works on every
//! BTF that can be taken apart. See `docs/verify.md` for the rules.

mod aimed;
mod allowed;
mod random;
pub mod slice;

use crate::rng::Rng;

pub use aimed::AIMED;
pub use allowed::ALLOWED;

/// What became of a blob.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// The new BTF.
    pub bytes: Vec<u8>,
    /// What was done, for people.
    pub what: String,
    /// The rule that was to be broken, if it was a single one.
    pub rule: Option<&'static str>,
}

/// A change of a BTF that has been taken apart.
pub type Change = fn(&mut Doc);

/// Mutates a BTF that stands alone. What is no BTF gets some other bytes.
pub fn mutate(blob: &[u8], seed: u64) -> Mutation {
    mutate_split(blob, 1, 0, seed)
}

/// Mutates a split BTF, whose own types begin with `first_id` and whose own strings with `str_start`.
///
/// One seed in three breaks a rule on purpose, one in three stays within a rule's border, one makes up to three random changes.
pub fn mutate_split(blob: &[u8], first_id: u32, str_start: u32, seed: u64) -> Mutation {
    let number = (seed / 3) as usize;
    match seed % 3 {
        0 => aim(blob, first_id, str_start, AIMED[number % AIMED.len()], seed),
        1 => Mutation { rule: None, ..aim(blob, first_id, str_start, ALLOWED[number % ALLOWED.len()], seed) },
        _ => change(blob, first_id, str_start, seed, |doc| {
            let count = 1 + doc.rng.below(3);
            (0..count).for_each(|_| random::change(doc));
        }),
    }
}

/// Applies one change of [`AIMED`] or [`ALLOWED`].
pub fn aim(blob: &[u8], first_id: u32, str_start: u32, (rule, aimed): (&'static str, Change), seed: u64) -> Mutation {
    let mut mutation = change(blob, first_id, str_start, seed, aimed);
    mutation.what = format!("{rule} {}", mutation.what);
    mutation.rule = Some(rule);
    mutation
}

fn change(blob: &[u8], first_id: u32, str_start: u32, seed: u64, change: impl FnOnce(&mut Doc)) -> Mutation {
    let mut rng = Rng::new(seed);
    match Doc::take_apart(blob, first_id, str_start, rng.clone()) {
        Some(mut doc) => {
            change(&mut doc);
            Mutation { bytes: doc.bytes(), what: doc.what.join(", "), rule: None }
        }
        None => {
            let mut bytes = blob.to_vec();
            let at = rng.below(bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
            Mutation { bytes, what: format!("bit flipped in byte {at}"), rule: None }
        }
    }
}

/// A record: name, info, size or type, then the trailer.
pub type Record = Vec<u32>;

/// Numbers of the kinds (btf.rst 2.2).
#[allow(missing_docs)]
pub mod kind {
    pub const INT: u32 = 1;
    pub const PTR: u32 = 2;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const FWD: u32 = 7;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const FLOAT: u32 = 16;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
}

/// The words of a record's trailer: fixed ones, and those of each of its elements. None for a kind that does not exist.
pub fn trailer(kind: u32) -> Option<(usize, usize)> {
    Some(match kind {
        kind::INT | kind::VAR | kind::DECL_TAG => (1, 0),
        kind::ARRAY => (3, 0),
        kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => (0, 3),
        kind::ENUM | kind::FUNC_PROTO => (0, 2),
        1..=19 => (0, 0),
        _ => return None,
    })
}

/// Kind of a record.
pub fn kind_of(record: &[u32]) -> u32 {
    record[1] >> 24 & 0x7f
}

/// vlen of a record.
pub fn vlen_of(record: &[u32]) -> u32 {
    record[1] & 0x00ff_ffff
}

/// The info word.
pub fn info(kind: u32, vlen: u32, kflag: bool) -> u32 {
    u32::from(kflag) << 31 | kind << 24 | vlen & 0x00ff_ffff
}

/// A BTF taken apart.
#[derive(Clone, Debug)]
pub struct Doc {
    /// What decides.
    pub rng: Rng,
    /// The types, the first of which has the id `first_id`.
    pub records: Vec<Record>,
    /// The string section.
    pub strings: Vec<u8>,
    /// The layout section, if there is one.
    pub layout: Option<Vec<u8>>,
    /// Id of the first type.
    pub first_id: u32,
    /// Offset of the first string.
    pub str_start: u32,
    /// What was done.
    pub what: Vec<String>,
    /// What is done to the bytes at the end: for damaged headers.
    pub finally: Option<fn(&mut Vec<u8>, &mut Rng)>,
    big: bool,
}

impl Doc {
    /// Takes a BTF apart; None if its header or records cannot be followed.
    pub fn take_apart(blob: &[u8], first_id: u32, str_start: u32, rng: Rng) -> Option<Doc> {
        let big = match blob.get(..2)? {
            [0x9f, 0xeb] => false,
            [0xeb, 0x9f] => true,
            _ => return None,
        };
        let word = |at: usize| {
            let bytes = *blob.get(at..)?.first_chunk()?;
            Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
        };
        let header = word(4)? as usize;
        let part = |at: usize| {
            if at + 8 > header {
                return Some(&[][..]);
            }
            let start = header.checked_add(word(at)? as usize)?;
            blob.get(start..start.checked_add(word(at + 4)? as usize)?)
        };
        let (types, strings, layout) = (part(8)?, part(16)?, part(24)?);
        let words: Vec<u32> = types
            .chunks_exact(4)
            .map(|b| {
                let bytes = [b[0], b[1], b[2], b[3]];
                if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
            })
            .collect();
        let (mut records, mut at) = (Vec::new(), 0);
        while let Some(record) = words.get(at..).filter(|rest| rest.len() >= 3) {
            let (fixed, each) = trailer(kind_of(record))?;
            let len = 3 + fixed + each * vlen_of(record) as usize;
            records.push(record.get(..len)?.to_vec());
            at += len;
        }
        let layout = Some(layout.to_vec()).filter(|layout| !layout.is_empty());
        let strings = strings.to_vec();
        Some(Doc { rng, records, strings, layout, first_id, str_start, what: Vec::new(), finally: None, big })
    }

    /// Nothing, in the same byte order.
    fn empty(&self, rng: Rng) -> Doc {
        Doc {
            rng,
            records: Vec::new(),
            strings: vec![0],
            layout: None,
            first_id: 1,
            str_start: 0,
            what: Vec::new(),
            finally: None,
            big: self.big,
        }
    }

    /// The bytes again.
    pub fn bytes(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let types = 4 * self.records.iter().map(Vec::len).sum::<usize>() as u32;
        let (strings, layout) = (self.strings.len() as u32, self.layout.as_ref().map(|layout| layout.len() as u32));
        out.extend(if self.big { [0xeb, 0x9f, 1, 0] } else { [0x9f, 0xeb, 1, 0] });
        let header = match layout {
            None => vec![24, 0, types, types, strings],
            Some(layout) => vec![32, 0, types, types + layout, strings, types, layout],
        };
        let words = header.iter().chain(self.records.iter().flatten());
        out.extend(words.flat_map(|word| if self.big { word.to_be_bytes() } else { word.to_le_bytes() }));
        out.extend(self.layout.iter().flatten());
        out.extend(&self.strings);
        // Those are written for little-endian BTF.
        if let Some(finally) = self.finally.filter(|_| !self.big) {
            finally(&mut out, &mut self.rng);
        }
        out
    }

    /// One past the id of the last type.
    pub fn end_id(&self) -> u32 {
        self.first_id + self.records.len() as u32
    }

    /// Adds a string; its offset, 0 for the empty one.
    pub fn name(&mut self, name: impl AsRef<[u8]>) -> u32 {
        let name = name.as_ref();
        if name.is_empty() {
            return 0;
        }
        let offset = self.str_start + self.strings.len() as u32;
        self.strings.extend(name);
        self.strings.push(0);
        offset
    }

    /// Adds a record; its id.
    pub fn raw(&mut self, name: u32, kind: u32, vlen: u32, kflag: bool, word: u32, trailer: &[u32]) -> u32 {
        self.records.push([&[name, info(kind, vlen, kflag), word], trailer].concat());
        self.end_id() - 1
    }

    /// Adds a record without flags and elements.
    pub fn plain(&mut self, kind: u32, name: &str, word: u32, trailer: &[u32]) -> u32 {
        let name = self.name(name);
        self.raw(name, kind, 0, false, word, trailer)
    }

    /// Adds a struct, union, enum, prototype or data section with elements of three or two words.
    pub fn list(&mut self, kind: u32, name: &str, kflag: bool, word: u32, elements: &[&[u32]]) -> u32 {
        let name = self.name(name);
        self.raw(name, kind, elements.len() as u32, kflag, word, &elements.concat())
    }

    /// An INT of 32 bits of this blob, added if there is none.
    pub fn int(&mut self) -> u32 {
        let is_int =
            |r: &Record| kind_of(r) == kind::INT && r[1] == info(kind::INT, 0, false) && r[2..] == [4, 0x0100_0020];
        match self.records.iter().position(is_int) {
            Some(at) => self.first_id + at as u32,
            None => self.plain(kind::INT, "int", 4, &[0x0100_0020]),
        }
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        *self.rng.pick(all)
    }

    /// Tells what was done.
    pub fn note(&mut self, what: impl Into<String>) {
        self.what.push(what.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An INT, a STRUCT of it, a pointer to that.
    fn blob() -> Vec<u8> {
        let mut doc = Doc {
            rng: Rng::new(0),
            records: Vec::new(),
            strings: vec![0],
            layout: None,
            first_id: 1,
            str_start: 0,
            what: Vec::new(),
            finally: None,
            big: false,
        };
        let int = doc.int();
        let name = doc.name("a");
        let s = doc.list(kind::STRUCT, "s", false, 4, &[&[name, int, 0]]);
        doc.raw(0, kind::PTR, 0, false, s, &[]);
        doc.bytes()
    }

    #[test]
    fn what_is_taken_apart_goes_together_again() {
        let blob = blob();
        let mut doc = Doc::take_apart(&blob, 1, 0, Rng::new(1)).unwrap();
        assert_eq!((doc.records.len(), doc.end_id()), (3, 4));
        assert_eq!(doc.bytes(), blob);
    }

    #[test]
    fn a_seed_means_the_same_and_changes_something() {
        let blob = blob();
        for seed in 0..3000 {
            let (once, again) = (mutate(&blob, seed), mutate(&blob, seed));
            assert_eq!((&once.bytes, &once.what), (&again.bytes, &again.what));
            assert!(once.bytes != blob || seed % 3 == 2, "{seed}: {}", once.what);
        }
        // What is no BTF does no harm.
        for bytes in [&b""[..], b"\x9f", b"\x9f\xeb\x01\x00\xff\xff\xff\xff", &blob[..30]] {
            (0..30).for_each(|seed| _ = mutate(bytes, seed));
        }
    }
}
