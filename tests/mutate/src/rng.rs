//! Random numbers that are the same everywhere.

/// A generator (SplitMix64).
#[derive(Clone, Debug)]
pub struct Rng(u64);

/// Numbers at which readers go wrong.
const CORNERS: [u64; 20] = [
    0,
    1,
    2,
    7,
    0x1f,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x10_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff0,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_fff0,
    0xffff_ffff_ffff_ffff,
];

impl Rng {
    /// A generator for a seed. Neighbouring seeds have nothing in common.
    pub fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    /// Any number.
    #[allow(clippy::should_implement_trait)] // it has no end
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of several.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }

    /// A number that might be in the place of `old`: a neighbour, a corner, one within `limit`, or any.
    pub fn number(&mut self, old: u64, limit: u64) -> u64 {
        match self.below(8) {
            0 => old.wrapping_add(1),
            1 => old.wrapping_sub(1),
            2 => old ^ 1 << self.below(64),
            3 => old.wrapping_mul(2),
            4 => *self.pick(&CORNERS),
            5 => limit.wrapping_add(self.below(3) as u64).wrapping_sub(1),
            6 => self.next(),
            _ => self.next() % limit.max(1),
        }
    }

    /// The same within a power of two of its choice, of up to so many bits.
    pub fn number_of_bits(&mut self, old: u64, bits: usize) -> u64 {
        let limit = 1 << self.below(bits);
        self.number(old, limit)
    }
}
