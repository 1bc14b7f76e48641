//! The BTF header: byte order, and where the type, layout and string parts lie.
//!
//! Layout (btf.rst 3.1), all fields in the byte order of the target: magic u16, version u8, flags u8, then u32 each:
//! hdr_len, type_off, type_len, str_off, str_len and, since 7.x, layout_off, layout_len. Offsets count from the end of
//! the header. A shorter header reads as if the missing fields were 0; a longer one is fine while the bytes nobody
//! knows are 0.
//!
//! A parsed [`Header`] is in bounds: its three ranges index the bytes it was parsed from. Parsing asks for no more than
//! a reader needs; order, gaps and overlap of the parts are left to the `verify` module, because libbpf is laxer here
//! than the kernel and files from either should be readable.

use std::ops::Range;

use crate::error::{Error, ErrorKind, Place, Result};

/// First two bytes of a BTF, read in the byte order of the target.
pub const MAGIC: u16 = 0xeb9f;
/// The only version there is.
pub const VERSION: u8 = 1;
/// Bytes of the header that every reader knows.
pub const HEADER_BYTES: usize = 24;
/// Bytes of the header with the two layout fields of 7.x.
pub const LAYOUT_HEADER_BYTES: usize = 32;

/// Byte order of a BTF.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Endian {
    /// Byte order of the machine this runs on.
    pub const NATIVE: Endian = if cfg!(target_endian = "big") { Endian::Big } else { Endian::Little };

    /// The number in these two bytes.
    #[inline]
    pub fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Endian::Little => u16::from_le_bytes(bytes),
            Endian::Big => u16::from_be_bytes(bytes),
        }
    }

    /// The number in these four bytes.
    #[inline]
    pub fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        }
    }

    /// The 16-bit number at byte `at` of `data`, if it is inside.
    #[inline]
    pub fn read_u16(self, data: &[u8], at: usize) -> Option<u16> {
        Some(self.u16(*data.get(at..)?.first_chunk()?))
    }

    /// The 32-bit number at byte `at` of `data`, if it is inside.
    #[inline]
    pub fn read_u32(self, data: &[u8], at: usize) -> Option<u32> {
        Some(self.u32(*data.get(at..)?.first_chunk()?))
    }

    /// The bytes of a 16-bit number.
    #[inline]
    pub fn u16_bytes(self, value: u16) -> [u8; 2] {
        match self {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        }
    }

    /// The bytes of a 32-bit number.
    #[inline]
    pub fn u32_bytes(self, value: u32) -> [u8; 4] {
        match self {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        }
    }

    /// Appends a 16-bit number.
    #[inline]
    pub fn push_u16(self, out: &mut Vec<u8>, value: u16) {
        out.extend_from_slice(&self.u16_bytes(value));
    }

    /// Appends a 32-bit number.
    #[inline]
    pub fn push_u32(self, out: &mut Vec<u8>, value: u32) {
        out.extend_from_slice(&self.u32_bytes(value));
    }
}

/// A header whose parts lie inside the bytes it was parsed from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    endian: Endian,
    bytes: usize,
    types: Range<usize>,
    strings: Range<usize>,
    layout: Option<Range<usize>>,
}

impl Header {
    /// Parses the header at the start of `data`.
    ///
    /// Fails when the magic, version or flags are unknown, when bytes of the header beyond the known ones are not 0,
    /// and when a part lies outside `data`.
    pub fn parse(data: &[u8]) -> Result<Header> {
        if data.len() < 8 {
            let text = format!("{} bytes are too few for a header", data.len());
            return Err(Error::new(ErrorKind::Truncated, Place::Whole, text).with_rule("H1"));
        }
        let endian = match (data[0], data[1]) {
            (0x9f, 0xeb) => Endian::Little,
            (0xeb, 0x9f) => Endian::Big,
            (a, b) => {
                let text = format!("the magic bytes are {a:02x} {b:02x}, not 9f eb or eb 9f");
                return Err(wrong(0, text).with_rule("H4"));
            }
        };
        let word = |at| endian.read_u32(data, at).unwrap_or(0);
        // In u64 nothing here can overflow, and everything that passes the bounds check fits a usize.
        let (have, bytes) = (data.len() as u64, u64::from(word(4)));
        if bytes < 8 {
            return Err(wrong(4, format!("a header length of {bytes} is less than the fields read")).with_rule("H2"));
        }
        if bytes > have {
            let text = format!("the header has {bytes} bytes, of {have} in all");
            return Err(Error::new(ErrorKind::Truncated, Place::Whole, text).with_rule("H2"));
        }
        let header = &data[..bytes as usize];
        if let Some(n) = header.iter().skip(LAYOUT_HEADER_BYTES).position(|&b| b != 0) {
            return Err(wrong(LAYOUT_HEADER_BYTES + n, "an unknown field of the header is in use").with_rule("H3"));
        }
        if data[2] != VERSION {
            return Err(wrong(2, format!("version is {}, only {VERSION} is known", data[2])).with_rule("H5"));
        }
        if data[3] != 0 {
            return Err(wrong(3, format!("flags are {:#x}, none is known", data[3])).with_rule("H6"));
        }
        let field = |at| u64::from(endian.read_u32(header, at).unwrap_or(0));
        let part = |at: usize, name: &str| {
            let (offset, len) = (field(at), field(at + 4));
            let (start, end) = (bytes + offset, bytes + offset + len);
            if end > have {
                let text = format!("the {name} part is {start:#x}..{end:#x}, past the end at {have:#x}");
                let rule = if start > have { "H8" } else { "H11" };
                return Err(Error::new(ErrorKind::Truncated, place(at), text).with_rule(rule));
            }
            Ok(start as usize..end as usize)
        };
        let types = part(8, "type")?;
        let strings = part(16, "string")?;
        let layout = if field(28) == 0 { None } else { Some(part(24, "layout")?) };
        Ok(Header { endian, bytes: bytes as usize, types, strings, layout })
    }

    /// Byte order of every number in the BTF.
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// Bytes of the header (hdr_len).
    pub fn byte_size(&self) -> usize {
        self.bytes
    }

    /// Where the type part lies, in bytes from the start of the BTF.
    pub fn types(&self) -> Range<usize> {
        self.types.clone()
    }

    /// Where the string part lies, in bytes from the start of the BTF.
    pub fn strings(&self) -> Range<usize> {
        self.strings.clone()
    }

    /// Where the layout part (record sizes per kind; 7.x) lies, in bytes from the start of the BTF; None without one.
    pub fn layout(&self) -> Option<Range<usize>> {
        self.layout.clone()
    }
}

fn place(offset: usize) -> Place {
    Place::Part { part: "header", offset: offset as u64 }
}

fn wrong(offset: usize, text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Header, place(offset), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of `words` u32 fields after the first four bytes, and `body` zero bytes.
    fn blob(endian: Endian, words: &[u32], body: usize) -> Vec<u8> {
        let mut out = Vec::new();
        endian.push_u16(&mut out, MAGIC);
        out.extend_from_slice(&[VERSION, 0]);
        for &w in words {
            endian.push_u32(&mut out, w);
        }
        out.resize(out.len() + body, 0);
        out
    }

    fn rule(data: &[u8]) -> &'static str {
        Header::parse(data).unwrap_err().rule().unwrap()
    }

    #[test]
    fn both_byte_orders_and_all_lengths() {
        for endian in [Endian::Little, Endian::Big] {
            let h = Header::parse(&blob(endian, &[24, 0, 12, 12, 3], 15)).unwrap();
            assert_eq!((h.endian(), h.byte_size()), (endian, 24));
            assert_eq!((h.types(), h.strings(), h.layout()), (24..36, 36..39, None));
            let h = Header::parse(&blob(endian, &[32, 0, 12, 16, 3, 12, 4], 19)).unwrap();
            assert_eq!((h.types(), h.strings(), h.layout()), (32..44, 48..51, Some(44..48)));
            let h = Header::parse(&blob(endian, &[40, 0, 0, 0, 1, 0, 0, 0, 0], 1)).unwrap();
            assert_eq!((h.types(), h.strings(), h.layout()), (40..40, 40..41, None));
            // Cut after type_len: the string part reads as 0, 0.
            let h = Header::parse(&blob(endian, &[16, 0, 12], 12)).unwrap();
            assert_eq!((h.types(), h.strings()), (16..28, 16..16));
        }
    }

    #[test]
    fn damage_is_named() {
        let good = blob(Endian::Little, &[24, 0, 12, 12, 3], 15);
        let with = |at: usize, byte: u8| {
            let mut data = good.clone();
            data[at] = byte;
            data
        };
        assert_eq!(rule(&good[..7]), "H1");
        assert_eq!(rule(&good[..23]), "H2");
        assert_eq!(rule(&with(4, 7)), "H2");
        assert_eq!(rule(&with(0, 0)), "H4");
        assert_eq!(rule(&with(2, 2)), "H5");
        assert_eq!(rule(&with(3, 1)), "H6");
        assert_eq!(rule(&with(8, 15)), "H11");
        assert_eq!(rule(&with(8, 16)), "H8");
        assert_eq!(rule(&with(20, 4)), "H11");
        let mut long = blob(Endian::Little, &[36, 0, 0, 0, 1, 0, 0, 0], 1);
        long[35] = 1;
        let e = Header::parse(&long).unwrap_err();
        assert_eq!(
            (e.rule(), e.to_string().as_str()),
            (Some("H3"), "BTF header+0x23: an unknown field of the header is in use")
        );
    }

    #[test]
    fn numbers_at_the_limits_do_not_overflow() {
        let data = blob(Endian::Big, &[24, u32::MAX, u32::MAX, u32::MAX, u32::MAX], 4);
        assert_eq!(rule(&data), "H8");
        let data = blob(Endian::Big, &[u32::MAX, 0, 0, 0, 0], 4);
        assert_eq!(rule(&data), "H2");
    }
}
