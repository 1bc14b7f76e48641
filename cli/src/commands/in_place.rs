//! Changes an ELF file in place. What stays of it, nearly all, can be copied while what is new is still being computed.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use encoder::elf_out::{self, HeadStart, Plan, SectionUpdate};
use encoder::input::Input;
use encoder::replace::{Durability, ReplaceError, Replacement, Staged};
use encoder::stamp;

/// Smaller files are copied in less time than it takes to start a thread.
const WORTH_A_THREAD: usize = 4 << 20;

/// A file that is to be changed.
pub struct InPlace<'i> {
    path: &'i Path,
    input: &'i Input,
    /// What of the input is to be kept.
    elf: &'i [u8],
    begun: Mutex<Option<(Replacement, HeadStart)>>,
}

impl<'i> InPlace<'i> {
    /// Nothing is done yet.
    pub fn new(path: &'i Path, input: &'i Input, elf: &'i [u8]) -> InPlace<'i> {
        InPlace { path, input, elf, begun: Mutex::new(None) }
    }

    /// Whether [`InPlace::begin`] saves time if another thread does it.
    pub fn is_large(&self) -> bool {
        self.elf.len() >= WORTH_A_THREAD
    }

    /// Copies what will stay as it is. What fails here is met again by [`InPlace::stage`], if it comes to that.
    pub fn begin(&self) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.is_none() {
            *begun = self.try_begin();
        }
    }

    fn try_begin(&self) -> Option<(Replacement, HeadStart)> {
        // Whatever the new BTF is like: its size is another.
        let updates = [
            SectionUpdate { name: ".BTF", data: Some(&[]) },
            SectionUpdate { name: ".BTF.base", data: None },
            SectionUpdate { name: stamp::SECTION, data: None },
        ];
        let plan = elf_out::plan(self.elf, &updates).ok()?;
        let mut new = Replacement::begin(self.path, self.input.snapshot()).ok()?;
        let ahead = plan.write_ahead(self.input.file(), new.file()).ok()?;
        Some((new, ahead))
    }

    /// Writes the rest of what shall take the place of the file.
    pub fn stage(self, plan: &Plan<'_>, durability: Durability) -> Result<Staged, ReplaceError> {
        let begun = self.begun.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (new, ahead) = match begun {
            Some(begun) => begun,
            None => (Replacement::begin(self.path, self.input.snapshot())?, HeadStart::default()),
        };
        new.stage(durability, |out| plan.write_after(ahead, self.input.file(), out))
    }
}
