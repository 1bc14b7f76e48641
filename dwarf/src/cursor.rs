//! A bounds-checked reading position in a section; the primitive of all DWARF decoding (DWARF5 7.5, 7.6).

use gimli::Endianity;

use crate::form::Layout;

/// Past the end of what is being read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End;

/// A position in some bytes.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a, E> {
    data: &'a [u8],
    /// Bytes from the start of the data.
    pub position: usize,
    endian: E,
}

impl<'a, E: Endianity> Cursor<'a, E> {
    /// A position at the start of `data`.
    pub fn new(data: &'a [u8], endian: E) -> Cursor<'a, E> {
        Cursor { data, position: 0, endian }
    }

    /// The same data at another position; reading there fails if it is past the end.
    pub fn at(mut self, position: usize) -> Cursor<'a, E> {
        self.position = position;
        self
    }

    /// True at or past the end.
    pub fn is_at_end(&self) -> bool {
        self.position >= self.data.len()
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], End> {
        let bytes = self.data.get(self.position..).and_then(|d| d.first_chunk::<N>()).ok_or(End)?;
        self.position += N;
        Ok(*bytes)
    }

    /// One byte.
    #[inline(always)]
    pub fn u8(&mut self) -> Result<u8, End> {
        self.array().map(|[b]| b)
    }

    /// Two bytes in the file's order.
    #[inline(always)]
    pub fn u16(&mut self) -> Result<u16, End> {
        let bytes: [u8; 2] = self.array()?;
        Ok(self.endian.read_u16(&bytes))
    }

    /// Four bytes in the file's order.
    #[inline(always)]
    pub fn u32(&mut self) -> Result<u32, End> {
        let bytes: [u8; 4] = self.array()?;
        Ok(self.endian.read_u32(&bytes))
    }

    /// Eight bytes in the file's order.
    #[inline(always)]
    pub fn u64(&mut self) -> Result<u64, End> {
        let bytes: [u8; 8] = self.array()?;
        Ok(self.endian.read_u64(&bytes))
    }

    /// An unsigned number of 1, 2, 3, 4 or 8 bytes.
    #[inline(always)]
    pub fn unsigned(&mut self, size: u8) -> Result<u64, End> {
        match size {
            1 => self.u8().map(u64::from),
            2 => self.u16().map(u64::from),
            4 => self.u32().map(u64::from),
            8 => self.u64(),
            3 => {
                let [a, b, c] = self.array()?;
                let [a, b, c] = [u64::from(a), u64::from(b), u64::from(c)];
                Ok(if self.endian.is_big_endian() { a << 16 | b << 8 | c } else { c << 16 | b << 8 | a })
            }
            _ => Err(End),
        }
    }

    /// The next bytes to read numbers from without looking at the end each time; None near the end.
    #[inline(always)]
    pub(crate) fn window(&self, bytes: u32) -> Option<Window<'a, E>> {
        let end = self.position.checked_add(bytes as usize + 8)?;
        Some(Window { data: self.data.get(self.position..end)?, endian: self.endian })
    }

    /// A number of 1, 2, 3, 4 or 8 bytes.
    #[inline(always)]
    pub(crate) fn fixed(&mut self, size: u8) -> Result<u64, End> {
        // One load for all sizes: only the last bytes of a unit take the slow way.
        let Some(bytes) = self.data.get(self.position..).and_then(|d| d.first_chunk::<8>()) else {
            return self.last_fixed(size);
        };
        self.position += usize::from(size);
        Ok(first_of(self.endian, bytes, size))
    }

    #[cold]
    fn last_fixed(&mut self, size: u8) -> Result<u64, End> {
        self.unsigned(size)
    }

    /// Passes over bytes without a look whether they are there: what is read next fails if they are not.
    #[inline(always)]
    pub(crate) fn advance(&mut self, bytes: u32) {
        self.position = self.position.saturating_add(bytes as usize);
    }

    /// Passes over a block, and returns its length; the block ends where the position is then.
    pub(crate) fn block(&mut self, layout: Layout) -> Result<u64, End> {
        let length = match layout {
            Layout::Block(0) => self.uleb()?,
            Layout::Block(size) => self.unsigned(size)?,
            _ => 16,
        };
        self.skip(length)?;
        Ok(length)
    }

    /// An unsigned LEB128; bits beyond 64 are dropped (DWARF5 7.6).
    #[inline(always)]
    pub fn uleb(&mut self) -> Result<u64, End> {
        let byte = self.u8()?;
        if byte < 0x80 { Ok(u64::from(byte)) } else { self.uleb_rest(byte) }
    }

    fn uleb_rest(&mut self, first: u8) -> Result<u64, End> {
        let mut value = u64::from(first & 0x7f);
        let mut shift = 7u32;
        loop {
            let byte = self.u8()?;
            if shift < 64 {
                value |= u64::from(byte & 0x7f) << shift;
            }
            shift = shift.saturating_add(7);
            if byte < 0x80 {
                return Ok(value);
            }
        }
    }

    /// A signed LEB128; bits beyond 64 are dropped (DWARF5 7.6).
    pub fn sleb(&mut self) -> Result<i64, End> {
        let mut value = 0i64;
        let mut shift = 0u32;
        loop {
            let byte = self.u8()?;
            if shift < 64 {
                value |= i64::from(byte & 0x7f) << shift;
            }
            shift = shift.saturating_add(7);
            if byte < 0x80 {
                if byte & 0x40 != 0 && shift < 64 {
                    value |= -1i64 << shift;
                }
                return Ok(value);
            }
        }
    }

    /// Passes over a LEB128.
    #[inline(always)]
    pub fn skip_leb(&mut self) -> Result<(), End> {
        while self.u8()? >= 0x80 {}
        Ok(())
    }

    /// Passes over some bytes.
    #[inline(always)]
    pub fn skip(&mut self, bytes: u64) -> Result<(), End> {
        let left = self.data.len().checked_sub(self.position).ok_or(End)?;
        match usize::try_from(bytes) {
            Ok(n) if n <= left => {
                self.position += n;
                Ok(())
            }
            _ => Err(End),
        }
    }

    /// Passes over a string with its NUL.
    #[inline(always)]
    pub fn skip_string(&mut self) -> Result<(), End> {
        let rest = self.data.get(self.position..).ok_or(End)?;
        let nul = memchr::memchr(0, rest).ok_or(End)?;
        self.position += nul + 1;
        Ok(())
    }
}

/// Some bytes, and at least 8 more.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a, E> {
    data: &'a [u8],
    endian: E,
}

impl<E: Endianity> Window<'_, E> {
    /// The number of 1, 2, 3, 4 or 8 bytes at a place.
    #[inline(always)]
    pub fn number(&self, at: u32, size: u8) -> Result<u64, End> {
        let bytes = self.data.get(at as usize..).and_then(|d| d.first_chunk::<8>()).ok_or(End)?;
        Ok(first_of(self.endian, bytes, size))
    }
}

/// The number in the first 1, 2, 3, 4 or 8 of eight bytes: one load for all sizes.
#[inline(always)]
fn first_of<E: Endianity>(endian: E, bytes: &[u8; 8], size: u8) -> u64 {
    const MASKS: [u64; 16] = {
        let mut masks = [u64::MAX; 16];
        let mut size = 0;
        while size < 8 {
            masks[size] = (1 << (8 * size)) - 1;
            size += 1;
        }
        masks
    };
    let word = endian.read_u64(bytes);
    if endian.is_big_endian() {
        word.wrapping_shr(64u32.wrapping_sub(8 * u32::from(size)))
    } else {
        word & MASKS[usize::from(size & 15)]
    }
}

/// The NUL-terminated string at an offset, without its NUL.
pub fn string_at(data: &[u8], offset: u64) -> Option<&[u8]> {
    let rest = data.get(usize::try_from(offset).ok()?..)?;
    memchr::memchr(0, rest).map(|end| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use gimli::{BigEndian, LittleEndian};

    #[test]
    fn leb128_of_the_standard() {
        let u = |bytes: &[u8]| Cursor::new(bytes, LittleEndian).uleb();
        assert_eq!(u(&[2]), Ok(2));
        assert_eq!(u(&[0x80, 1]), Ok(128));
        assert_eq!(u(&[0xb9, 0x64]), Ok(12857));
        assert_eq!(u(&[0x80]), Err(End));
        let s = |bytes: &[u8]| Cursor::new(bytes, LittleEndian).sleb();
        assert_eq!(s(&[0x7e]), Ok(-2));
        assert_eq!(s(&[0xff, 0]), Ok(127));
        assert_eq!(s(&[0x80, 0x7f]), Ok(-128));
        assert_eq!(s(&[0xff; 20]), Err(End));
    }

    #[test]
    fn byte_orders_and_ends() {
        let bytes = [1, 2, 3];
        assert_eq!(Cursor::new(&bytes, LittleEndian).unsigned(3), Ok(0x030201));
        assert_eq!(Cursor::new(&bytes, BigEndian).unsigned(3), Ok(0x010203));
        assert_eq!(Cursor::new(&bytes, LittleEndian).unsigned(4), Err(End));
        assert_eq!(Cursor::new(&bytes, LittleEndian).at(9).u8(), Err(End));
        assert_eq!(Cursor::new(&bytes, LittleEndian).at(9).skip(0), Err(End));
        assert_eq!(string_at(b"ab\0c", 0), Some(&b"ab"[..]));
        assert_eq!(string_at(b"ab\0c", 3), None);
        assert_eq!(string_at(b"ab\0c", 9), None);
    }
}
