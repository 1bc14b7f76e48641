//! Whether to wait until a file that is changed is on the disk.
//!
//! A file that a person names may be the only copy of what it took a build to make, so after a power failure it is to be there whole.
//! What `make` builds is made again if need be, and nothing else that it calls waits for the disk: compilers, linkers, objcopy. A
//! build of a thousand modules would wait a thousand times, each time for megabytes that nobody needs on the disk yet.

use std::ffi::OsStr;

use clap::ValueEnum;
use encoder::replace::Durability;

/// When to wait for the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Fsync {
    /// Unless make is the caller
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Fsync {
    /// What this comes to for the files that this process changes.
    pub fn durability(self) -> Durability {
        self.under(std::env::var_os("MAKELEVEL").as_deref())
    }

    /// The same for a value of `MAKELEVEL`, which make sets for its recipes: how many makes there are above.
    fn under(self, makelevel: Option<&OsStr>) -> Durability {
        let by_make = makelevel.is_some_and(|level| !level.is_empty() && level != "0");
        match self {
            Fsync::Always => Durability::Disk,
            Fsync::Auto if !by_make => Durability::Disk,
            Fsync::Auto | Fsync::Never => Durability::Memory,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn make_does_not_wait() {
        let decided =
            |fsync: Fsync| [None, Some(""), Some("0"), Some("1"), Some("3")].map(|l| fsync.under(l.map(OsStr::new)));
        let [disk, memory] = [Durability::Disk, Durability::Memory];
        assert_eq!(decided(Fsync::Auto), [disk, disk, disk, memory, memory]);
        assert_eq!(decided(Fsync::Always), [disk; 5]);
        assert_eq!(decided(Fsync::Never), [memory; 5]);
    }
}
