//! BTF made by hand, for bases that no compiler here makes.

/// Builds a raw BTF blob, word by word.
#[derive(Debug)]
pub struct Blob {
    big: bool,
    types: Vec<u32>,
    strings: Vec<u8>,
}

impl Blob {
    /// An empty one, big-endian or not.
    pub fn new(big: bool) -> Blob {
        Blob { big, types: Vec::new(), strings: vec![0] }
    }

    /// Adds a name; returns its offset.
    pub fn name(&mut self, name: &str) -> u32 {
        let at = self.strings.len() as u32;
        self.strings.extend(name.bytes().chain([0]));
        at
    }

    /// Adds words to the types.
    pub fn words(&mut self, words: &[u32]) -> &mut Blob {
        self.types.extend(words);
        self
    }

    /// Adds an INT (btf.rst 2.2.1), signed.
    pub fn int(&mut self, name: &str, bytes: u32) -> &mut Blob {
        let name = self.name(name);
        self.words(&[name, 1 << 24, bytes, (1 << 24) | (bytes * 8)])
    }

    /// The bytes, with a header of 24 bytes (btf.rst 2).
    pub fn bytes(&self) -> Vec<u8> {
        let word = |w: u32| if self.big { w.to_be_bytes() } else { w.to_le_bytes() };
        let magic = if self.big { 0xeb9f_u16.to_be_bytes() } else { 0xeb9f_u16.to_le_bytes() };
        let type_bytes = 4 * self.types.len() as u32;
        let mut out = Vec::from(magic);
        out.extend([1, 0]);
        for w in [24, 0, type_bytes, type_bytes, self.strings.len() as u32] {
            out.extend(word(w));
        }
        self.types.iter().for_each(|&w| out.extend(word(w)));
        out.extend(&self.strings);
        out
    }
}
