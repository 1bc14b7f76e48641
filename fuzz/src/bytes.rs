//! Numbers out of bytes: zeros when they are used up, so that all bytes mean something.

/// Bytes not yet used.
#[derive(Clone, Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next one.
    pub fn byte(&mut self) -> u8 {
        self.split(1).first().copied().unwrap_or(0)
    }

    /// The next two.
    pub fn half(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// The next four.
    pub fn word(&mut self) -> u32 {
        u32::from(self.half()) | u32::from(self.half()) << 16
    }

    /// The next ones, so many if there are.
    pub fn split(&mut self, count: usize) -> &'a [u8] {
        let (first, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        first
    }

    /// True if there are none left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Two inputs in one: the length of the first in four bytes, the first, the second.
pub fn pair(data: &[u8]) -> (&[u8], &[u8]) {
    let mut bytes = Bytes(data);
    let length = bytes.word() as usize;
    let first = bytes.split(length);
    (first, bytes.0)
}

/// The reverse of [`pair`].
pub fn joined(first: &[u8], second: &[u8]) -> Vec<u8> {
    [&(first.len() as u32).to_le_bytes()[..], first, second].concat()
}
