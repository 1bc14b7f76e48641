//! From records to the bytes of a BTF.
//!
//! Types are written in name order, anonymous ones first, as kernels from 7.0 on expect of vmlinux (they search it by
//! name) and as no other reader minds; types of one name keep their order. The string table is made from what is written,
//! in order of first use, without what the base has. Sizes come first, then one exact allocation, then filling.

use crate::base::Base;
use crate::dedup::resolve::Target;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::graph::{FIXED_WORDS, Head, Records, map_names, map_refs, names, vlen};
use crate::header::{Endian, LAYOUT_HEADER_BYTES};
use crate::ids::{StrOff, TypeId};
use crate::kind::{Info, Kind, MAX_PORTABLE_VLEN, MAX_VLEN, RECORD_BYTES};
use crate::strings::{StrId, Strings};
use crate::view::BtfView;

/// Bytes of the header that is written without a layout: the classic one, which every kernel knows (btf.rst 4.1).
pub const HEADER_BYTES: usize = 24;

/// Bytes of a kind's entry in the layout section.
const LAYOUT_BYTES: usize = 4;

/// What newer kernels alone can read (Linux 7.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Extensions {
    /// The layout section, which tells how large the records of each kind are. Only a BTF without a base has one.
    pub layout: bool,
    /// More than 65,535 members or values.
    pub wide_vlen: bool,
}

impl Extensions {
    /// Those that a BTF makes use of, or may: its readers know all of the format.
    pub fn of(view: &BtfView<'_>) -> Extensions {
        Extensions { layout: view.header().layout().is_some(), wide_vlen: true }
    }
}

/// The types of a file, ready to be written.
#[derive(Debug)]
pub struct Types<'a> {
    /// The types; references are [`Target`] words whose own numbers index this. A FUNC has its linkage as a fourth word.
    pub records: &'a Records,
    /// Where the names are.
    pub strings: &'a Strings<'a>,
    /// The base, for a split BTF.
    pub base: Option<&'a Base<'a>>,
    /// Byte order of the target.
    pub endian: Endian,
    /// What its readers know.
    pub extensions: Extensions,
}

/// What was written, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sizes {
    /// Own types.
    pub types: usize,
    /// Bytes of the type section.
    pub type_bytes: usize,
    /// Bytes of the string section.
    pub string_bytes: usize,
}

impl Types<'_> {
    /// Writes the BTF: a stand-alone one, or a split one if there is a base.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] if there are more types, strings or members than every kernel accepts.
    pub fn write(&self) -> Result<(Vec<u8>, Sizes)> {
        let order = self.name_order();
        let first_id = self.base.map_or(1, |b| b.view().end_id().0);
        let last = u64::from(first_id) + order.len() as u64;
        if last > u64::from(TypeId::MAX.0) + 1 {
            return Err(limit(format!(
                "{} types with those of the base; the kernel accepts {}",
                last - 1,
                TypeId::MAX.0
            )));
        }
        let mut id_of = vec![0; order.len()];
        for (rank, &own) in order.iter().enumerate() {
            id_of[own as usize] = first_id + rank as u32;
        }
        let strings = self.string_table(&order)?;
        let type_bytes = self.records.iter().map(byte_size).sum::<usize>();

        let endian = self.endian;
        let layout = if self.extensions.layout && self.base.is_none() { layout() } else { Vec::new() };
        let header_bytes = if layout.is_empty() { HEADER_BYTES } else { LAYOUT_HEADER_BYTES };
        let mut out = Vec::with_capacity(header_bytes + type_bytes + layout.len() * LAYOUT_BYTES + strings.bytes.len());
        endian.push_u16(&mut out, 0xeb9f);
        out.extend_from_slice(&[1, 0]);
        let layout_bytes = layout.len() * LAYOUT_BYTES;
        let (type_len, string_off) = (type_bytes as u32, (type_bytes + layout_bytes) as u32);
        for word in [header_bytes as u32, 0, type_len, string_off, strings.bytes.len() as u32] {
            endian.push_u32(&mut out, word);
        }
        if !layout.is_empty() {
            [type_len, layout_bytes as u32].iter().for_each(|&word| endian.push_u32(&mut out, word));
        }
        let mut words = Vec::new();
        for &own in &order {
            words.clear();
            words.extend_from_slice(self.records.get(own as usize));
            let head = Head::of(&words);
            let vlen = self.check_vlen(&words, TypeId(id_of[own as usize]))?;
            map_refs(&mut words, |w| match Target::of(w) {
                Target::Base(id) => id.0,
                Target::Own(index) => id_of[index as usize],
            });
            map_names(&mut words, |name| StrId(strings.offsets[name.0 as usize].0));
            words.swap(0, 1); // BTF has the name first
            words[1] = Info::to_word(head.kind, vlen, head.kflag);
            if head.kind == Kind::Func {
                words.truncate(FIXED_WORDS);
            }
            words.iter().for_each(|&word| endian.push_u32(&mut out, word));
        }
        for [trailer, element] in layout {
            out.extend_from_slice(&[trailer, element]);
            endian.push_u16(&mut out, 0);
        }
        out.extend_from_slice(&strings.bytes);
        let sizes = Sizes { types: order.len(), type_bytes, string_bytes: strings.bytes.len() };
        Ok((out, sizes))
    }

    /// The own types sorted by name, those of one name as they come.
    fn name_order(&self) -> Vec<u32> {
        // Most comparisons end within the first eight bytes.
        let prefix = |name: &[u8]| {
            let mut bytes = [0; 8];
            let n = name.len().min(8);
            bytes[..n].copy_from_slice(&name[..n]);
            u64::from_be_bytes(bytes)
        };
        let keyed =
            self.records.iter().zip(0..).map(|(record, own)| (prefix(self.name(record)), self.name(record), own));
        // The anonymous ones, about half, are in order.
        let (anonymous, mut named): (Vec<_>, Vec<_>) = keyed.partition(|(_, name, _)| name.is_empty());
        named.sort_unstable();
        anonymous.into_iter().chain(named).map(|(.., own)| own).collect()
    }

    /// The vlen field of a record: its elements, or a function's linkage.
    fn check_vlen(&self, record: &[u32], id: TypeId) -> Result<u32> {
        if Head::of(record).kind == Kind::Func {
            return Ok(record.get(FIXED_WORDS).copied().unwrap_or(0));
        }
        let vlen = vlen(record);
        let most = if self.extensions.wide_vlen { MAX_VLEN } else { MAX_PORTABLE_VLEN };
        if vlen > most as usize {
            let text = format!("{vlen} members or values; those who read it know at most {most}");
            return Err(Error::new(ErrorKind::Limit, Place::Type(id), text));
        }
        Ok(vlen as u32)
    }

    fn name(&self, record: &[u32]) -> &[u8] {
        self.strings.get(StrId(record[1]))
    }

    fn string_table(&self, order: &[u32]) -> Result<StringTable> {
        // Every name once, in the order of first use.
        let mut used: Vec<StrId> = Vec::new();
        let mut seen = vec![false; self.strings.len() as usize];
        for &own in order {
            for name in names(self.records.get(own as usize)).filter(|&n| n != StrId::EMPTY) {
                if !std::mem::replace(&mut seen[name.0 as usize], true) {
                    used.push(name);
                }
            }
        }
        let start = self.base.map_or(0, |b| b.view().str_end().0);
        let mut table = StringTable { bytes: Vec::new(), offsets: vec![StrOff::EMPTY; seen.len()] };
        if let Some(base) = self.base {
            let mut found = base.find_offsets(self.strings, &used).into_iter();
            used.retain(|name| match found.next().flatten() {
                Some(offset) => {
                    table.offsets[name.0 as usize] = offset;
                    false
                }
                None => true,
            });
        } else {
            table.bytes.push(0);
        }
        for name in used {
            let end = u64::from(start) + table.bytes.len() as u64;
            if end > u64::from(StrOff::MAX.0) {
                return Err(limit(format!("more than {} bytes of names with those of the base", StrOff::MAX.0)));
            }
            table.offsets[name.0 as usize] = StrOff(end as u32);
            table.bytes.extend_from_slice(self.strings.get(name));
            table.bytes.push(0);
        }
        if table.bytes.is_empty() {
            table.bytes.push(0); // bpftool does not read a split BTF without strings
        }
        Ok(table)
    }
}

struct StringTable {
    bytes: Vec<u8>,
    /// Per name its offset.
    offsets: Vec<StrOff>,
}

fn limit(text: String) -> Error {
    Error::new(ErrorKind::Limit, Place::Whole, text)
}

fn byte_size(record: &[u32]) -> usize {
    if Head::of(record).kind == Kind::Func { RECORD_BYTES } else { record.len() * 4 }
}

/// The layout section (Linux 7.3): per kind, from number 0 on, the bytes of what follows its record, once and per element.
fn layout() -> Vec<[u8; 2]> {
    let sizes = |kind: Kind| [kind.trailer().0 as u8, kind.trailer().1 as u8];
    [[0, 0]].into_iter().chain(Kind::ALL.map(sizes)).collect()
}

/// A split BTF without types, for any base. It has one (empty) string, since bpftool does not read one without strings.
pub fn empty_split(endian: Endian) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + 1);
    endian.push_u16(&mut out, 0xeb9f);
    out.extend_from_slice(&[1, 0]);
    [HEADER_BYTES as u32, 0, 0, 0, 1].iter().for_each(|&word| endian.push_u32(&mut out, word));
    out.push(0);
    out
}

/// Fills up a BTF to `room` bytes, as more (unused) bytes of its strings; as it is if it is larger or not one of ours.
pub fn pad(mut btf: Vec<u8>, room: u64) -> Vec<u8> {
    let Ok(header) = crate::header::Header::parse(&btf) else { return btf };
    let (Ok(room), end) = (usize::try_from(room), btf.len()) else { return btf };
    if room > end && header.strings().end == end {
        let endian = header.endian();
        let string_len = (header.strings().len() + room - end) as u32;
        btf[20..24].copy_from_slice(&endian.u32_bytes(string_len));
        btf.resize(room, 0);
    }
    btf
}
