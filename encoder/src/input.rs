//! Input files, mapped into memory. The only unsafe code of this crate.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use memmap2::{Mmap, UncheckedAdvice};

use crate::replace::Snapshot;

/// A file's contents, as they were when it was opened.
#[derive(Debug)]
pub struct Input {
    file: File,
    map: Option<Mmap>,
    snapshot: Snapshot,
    /// Contents of what cannot be mapped: pipes, files of /sys.
    bytes: Vec<u8>,
}

impl Input {
    /// Opens and maps a file. Files without a size (`/sys/kernel/btf/vmlinux` on some kernels, pipes) are read.
    pub fn open(path: &Path) -> io::Result<Input> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let snapshot = Snapshot::from(&metadata);
        if metadata.is_file() && metadata.len() > 0 && !path.starts_with("/sys") {
            // SAFETY: the map is read only. If another program truncates the file meanwhile, reading beyond its new end
            // raises SIGBUS and ends the process; nothing was written by then, since outputs are renamed into place last.
            // If the contents change, what is read is any bytes, which every parser here is made for, and the snapshot
            // tells before anything is replaced.
            let map = unsafe { Mmap::map(&file)? };
            return Ok(Input { file, map: Some(map), snapshot, bytes: Vec::new() });
        }
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut &file, &mut bytes)?;
        Ok(Input { file, map: None, snapshot, bytes })
    }

    /// The contents.
    pub fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or(&self.bytes)
    }

    /// Gives back the memory of a part of the contents that is not needed for now. It stays readable: what is read again
    /// comes from the file again.
    pub fn release(&self, range: Range<usize>) {
        if let Some(map) = &self.map {
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
