//! A file to be damaged again and again.

use crate::rng::Rng;
use crate::sites::Sites;
use crate::{dwarf, elf};

/// A file, and what its bytes mean.
#[derive(Clone, Debug)]
pub struct Original {
    bytes: Vec<u8>,
    sites: Sites,
}

impl Original {
    /// Takes a file apart; None if it has no DWARF, or compressed or damaged DWARF.
    pub fn new(bytes: Vec<u8>) -> Option<Original> {
        let sites = Sites::of(&bytes)?;
        Some(Original { bytes, sites })
    }

    /// The file as it is.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The file with one to eight changes, mostly few: the same for the same seed.
    pub fn mutated(&self, seed: u64) -> Vec<u8> {
        let mut rng = Rng::new(seed);
        let mut file = self.bytes.clone();
        for _ in 0..=rng.below(8).min(rng.below(8)) {
            // A file that was cut short has not the bytes that the others would change.
            if file.len() < self.bytes.len() {
                break;
            }
            match rng.below(4) {
                0 => elf::mutate(&mut file, &self.sites, &mut rng),
                _ => dwarf::mutate(&mut file, &self.sites, &mut rng),
            }
        }
        file
    }
}
