//! Sets of small numbers, a bit for each.

/// A set of numbers below a bound.
#[derive(Debug)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// An empty set of numbers below `bound`.
    pub fn new(bound: usize) -> Bits {
        Bits { words: vec![0; bound.div_ceil(64)] }
    }

    /// Adds a number below the bound.
    #[inline]
    pub fn insert(&mut self, number: usize) {
        self.words[number / 64] |= 1 << (number % 64);
    }

    /// Whether the number is in the set; false for those beyond the bound.
    #[inline]
    pub fn contains(&self, number: usize) -> bool {
        self.words.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 != 0)
    }

    /// The same set, which also tells the members' ranks.
    pub fn ranked(self) -> Ranked {
        let before = self.words.iter().scan(0, |sum, word| {
            let here = *sum;
            *sum += word.count_ones();
            Some(here)
        });
        Ranked { before: before.collect(), bits: self }
    }
}

/// A set that knows how many members are smaller than a member: its index in whatever is kept per member.
#[derive(Debug)]
pub(crate) struct Ranked {
    bits: Bits,
    /// Per word of the set how many members are in the words before.
    before: Vec<u32>,
}

impl Ranked {
    /// How many members are smaller; None for what is not in the set.
    #[inline]
    pub fn rank(&self, number: usize) -> Option<usize> {
        let word = *self.bits.words.get(number / 64)?;
        let below = (1 << (number % 64)) - 1;
        let found = word >> (number % 64) & 1 != 0;
        found.then(|| self.before[number / 64] as usize + (word & below).count_ones() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_the_members_below() {
        let members = [0, 1, 63, 64, 65, 127, 191, 299];
        let mut bits = Bits::new(300);
        members.iter().for_each(|&m| bits.insert(m));
        for number in 0..400 {
            assert_eq!(bits.contains(number), members.contains(&number));
        }
        let ranked = bits.ranked();
        for number in 0..400 {
            assert_eq!(ranked.rank(number), members.iter().position(|&m| m == number), "{number}");
        }
        assert_eq!(Bits::new(0).ranked().rank(0), None);
    }
}
