//! Input files, mapped into memory. The only unsafe code of this crate is here and in `fault`.

mod fault;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use memmap2::{Mmap, MmapOptions, UncheckedAdvice};

use crate::replace::{Snapshot, retry};
use fault::Watched;

/// A file's contents, as they were when it was opened, or so it seems: [`Input::check`] tells.
#[derive(Debug)]
pub struct Input {
    file: File,
    /// What watches over the map, dropped before it, and the map.
    map: Option<(Watched, Mmap)>,
    snapshot: Snapshot,
    /// Contents of what cannot be mapped: pipes, files of /sys.
    bytes: Vec<u8>,
}

impl Input {
    /// Opens and maps a file. Files without a size (`/sys/kernel/btf/vmlinux` on some kernels, pipes) are read.
    pub fn open(path: &Path) -> io::Result<Input> {
        let file = File::open(path)?;
        let metadata = retry(|| file.metadata())?;
        if metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let snapshot = Snapshot::from(&metadata);
        if metadata.is_file() && metadata.len() > 0 && !path.starts_with("/sys") {
            // SAFETY: the map is read only. If another program truncates the file meanwhile, zeros are read beyond its new end
            // (see `fault`). If the contents change, what is read is any bytes, which every parser here is made for. `check`
            // tells of both before anything comes of it.
            // Private, since some file systems (9P) have no shared maps; those that have none at all are read.
            if let Ok(map) = unsafe { MmapOptions::new().map_copy_read_only(&file) } {
                let map = Some((Watched::new(&map), map));
                return Ok(Input { file, map, snapshot, bytes: Vec::new() });
            }
        }
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut &file, &mut bytes)?;
        Ok(Input { file, map: None, snapshot, bytes })
    }

    /// The contents.
    pub fn bytes(&self) -> &[u8] {
        self.map.as_ref().map_or(&self.bytes, |(_, map)| map)
    }

    /// To be called when all that is wanted was read, and before anything comes of it, be it an error.
    ///
    /// # Errors
    /// The file was changed or cut short since it was opened, or could not be read: what was read makes no sense. (A change that keeps
    /// the size, in the same tick of the file system's clock as an earlier one, does not show.)
    pub fn check(&self) -> io::Result<()> {
        // What was read into memory cannot change any more.
        let Some((watched, _)) = &self.map else { return Ok(()) };
        let now = Snapshot::of(&self.file).map_err(|e| io::Error::other(format!("it cannot be examined: {e}")))?;
        let text = if now != self.snapshot {
            "it was changed while it was read: run again when nothing else writes it"
        } else if watched.is_broken() {
            "it cannot be read: input/output error"
        } else {
            return Ok(());
        };
        Err(io::Error::other(text))
    }

    /// Gives back the memory of a part of the contents that is not needed for now. It stays readable: what is read again
    /// comes from the file again.
    pub fn release(&self, range: Range<usize>) {
        if let Some((_, map)) = &self.map {
            // SAFETY: MADV_DONTNEED on a read-only map of a file drops pages that the next access reads again. That is what
            // may happen to any page of such a map when memory is short, so nothing changes but when it does: see above
            // for files that are changed meanwhile.
            // A failure leaves the pages where they are.
            let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
        }
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// What the file was when it was opened.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const PAGE: usize = 4096;

    fn file(bytes: usize) -> (tempfile::NamedTempFile, Input) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![b'x'; bytes]).unwrap();
        let input = Input::open(file.path()).unwrap();
        (file, input)
    }

    #[test]
    fn what_is_cut_off_reads_as_zeros_and_is_told_of() {
        let (file, input) = file(40 * PAGE + 5);
        // Two more, of which nothing may show: one that is whole, one that is gone.
        let (_whole_file, whole) = self::file(3 * PAGE);
        drop(self::file(3 * PAGE));
        input.check().unwrap();
        file.as_file().set_len(10 * PAGE as u64).unwrap();
        std::thread::scope(|scope| {
            for start in [12, 20, 12] {
                let bytes = input.bytes();
                scope.spawn(move || assert!(bytes[start * PAGE + 1..].iter().all(|&b| b == 0)));
            }
        });
        assert!(input.bytes()[..10 * PAGE].iter().all(|&b| b == b'x'));
        // Given back, they are zeros again.
        input.release(0..input.bytes().len());
        assert_eq!((input.bytes()[10 * PAGE - 1], input.bytes()[30 * PAGE]), (b'x', 0));
        let error = input.check().unwrap_err();
        assert_eq!(error.to_string(), "it was changed while it was read: run again when nothing else writes it");
        assert!(whole.bytes().iter().all(|&b| b == b'x'));
        whole.check().unwrap();
        // Its place is free for the next, which has nothing to do with it.
        drop(input);
        let (_file, next) = self::file(2 * PAGE);
        assert!(next.bytes().iter().all(|&b| b == b'x'));
        next.check().unwrap();
    }

    #[test]
    fn a_file_that_is_made_longer_again_was_changed_all_the_same() {
        let (file, input) = file(4 * PAGE);
        file.as_file().set_len(0).unwrap();
        assert_eq!(input.bytes()[2 * PAGE], 0);
        file.as_file().set_len(4 * PAGE as u64).unwrap();
        assert!(input.check().is_err());
    }

    #[test]
    fn pipes_and_empty_files_are_read_once() {
        let (file, input) = file(0);
        file.as_file().set_len(100).unwrap();
        assert!(input.bytes().is_empty());
        input.check().unwrap();
    }
}
