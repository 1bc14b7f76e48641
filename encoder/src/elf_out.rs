//! Lays out an ELF file anew after sections were added, replaced or removed.
//!
//! [`plan`] is a pure function from the bytes of an ELF file and a list of [`SectionUpdate`]s to a
//! [`Plan`]: the new file as a list of [`Piece`]s, most of them ranges of the old file. Nothing is
//! copied in memory, so a vmlinux of several hundred megabytes costs its section headers only;
//! [`Plan::write`] has the kernel copy the ranges from file to file. `replace.rs` then puts the
//! result into place.
//!
//! The lay-out follows three rules:
//!
//! 1. *Loaded bytes never move.* Whatever a segment covers, the ELF header, the program headers and,
//!    unless the file is relocatable, every `SHF_ALLOC` section stay at their offsets. The end of the
//!    last such byte is the *floor*. Below it a section is overwritten where it is, or, when it
//!    grows, moves behind the floor and leaves zeros.
//! 2. *Above the floor there are no dead bytes.* Everything up to the first part that changes its
//!    size (the *cut*) stays; what follows is packed again in the old order, each part at its own
//!    alignment, then the new sections, the section names and the section header table.
//! 3. *Numbers stay.* New sections come last in the section header table, a replaced one keeps its
//!    index, so that symbols, relocations and links need no change. The header of a removed section
//!    is dropped if it is the last one and nothing refers to it; otherwise it stays as that of an
//!    empty section without a name.
//!
//! Together they make the result depend on the other sections and the new contents only, not on how
//! often or with which contents the file was encoded before. (What may remain of an earlier run is
//! the name of a removed section.)
//!
//! Bytes between sections that belong to nothing are kept below the cut and dropped behind it, as
//! `objcopy` does. Data behind everything the headers describe is refused: it may be of use to
//! somebody (an appended signature, for one), and it could stay neither valid nor in place.
//!
//! Field names and chapters are those of the System V gABI, "Object Files": ELF Header, Sections,
//! String Table.

mod edit;
mod headers;
mod layout;
mod linkable;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use object::elf;
use rustix::fs::OFlags;
use rustix::io::{Errno, retry_on_intr};

use crate::module_file::SIGNATURE_MARKER;
use crate::replace::retry;

use edit::Edit;
use headers::ElfFile;
use layout::Layout;
pub use linkable::linkable;

/// Alignment in bytes of the sections added here, and the least one of a replaced section that is
/// not loaded. The BTF header and records need 4 (btf.rst 2); 8 lets a reader cast a mapped file to
/// any record, and is what a 64-bit section of structured data has elsewhere. pahole and objcopy
/// leave it at 1.
pub const NEW_SECTION_ALIGN: u64 = 8;

/// Bytes that are copied at once where the kernel does not copy by itself.
const COPY_BUFFER: usize = 256 << 10;

/// What shall become of one section, found by its name.
#[derive(Clone, Copy, Debug)]
pub struct SectionUpdate<'a> {
    /// Section name, `.BTF` for example. Each name may come only once in a list of updates.
    pub name: &'static str,
    /// New contents; `None` removes the section if there is one.
    pub data: Option<&'a [u8]>,
}

/// A part of the new file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of the old file, given by their offsets there.
    Copy(Range<u64>),
    /// New bytes.
    Bytes(Cow<'a, [u8]>),
    /// This many zero bytes.
    Zeros(u64),
}

impl Piece<'_> {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Piece::Copy(range) => range.end - range.start,
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Zeros(count) => *count,
        }
    }

    /// True if there are no bytes in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The new file from its first byte to its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<'a> {
    pieces: Vec<Piece<'a>>,
    /// Bytes of the new file.
    len: u64,
    changed: bool,
}

/// What [`Plan::write_ahead`] has written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeadStart {
    /// Bytes from the beginning of the file.
    bytes: u64,
}

impl<'a> Plan<'a> {
    fn new(changed: bool) -> Self {
        Plan { pieces: Vec::new(), len: 0, changed }
    }

    /// Pieces in file order. No piece is empty and no two neighbours could be one `Copy`.
    pub fn pieces(&self) -> &[Piece<'a>] {
        &self.pieces
    }

    /// Size of the new file in bytes.
    pub fn size(&self) -> u64 {
        self.len
    }

    /// False if the new file would be the old one, byte for byte.
    pub fn changes_file(&self) -> bool {
        self.changed
    }

    /// The new file, made from the bytes of the old one.
    pub fn apply(&self, old: &[u8]) -> Vec<u8> {
        let mut new = Vec::with_capacity(self.len as usize);
        for piece in &self.pieces {
            match piece {
                Piece::Copy(range) => new.extend_from_slice(&old[range.start as usize..range.end as usize]),
                Piece::Bytes(bytes) => new.extend_from_slice(bytes),
                Piece::Zeros(count) => new.resize(new.len() + *count as usize, 0),
            }
        }
        new
    }

    /// Writes the new file to `output`, from its current position on, and takes the old bytes from
    /// `input`.
    ///
    /// Ranges go from file to file inside the kernel (`copy_file_range`) where it can do that. The
    /// output may be a pipe. An input that has become shorter gives `UnexpectedEof`.
    pub fn write(&self, input: &File, output: &mut File) -> io::Result<()> {
        self.write_after(HeadStart::default(), input, output)
    }

    /// Writes only old bytes that keep their offset, which many plans for one file have in common:
    /// before it is known what is new, they can be copied by a plan for anything. `output` is empty.
    pub fn write_ahead(&self, input: &File, output: &mut File) -> io::Result<HeadStart> {
        let bytes = if is_new_file(output)? { self.unmoved() } else { 0 };
        copy_range(input, &(0..bytes), output)?;
        Ok(HeadStart { bytes })
    }

    /// [`Plan::write`] where another plan for the same input has a head start.
    pub fn write_after(&self, ahead: HeadStart, input: &File, output: &mut File) -> io::Result<()> {
        // btrfs and XFS share blocks instead of copying them, but whole ones only. So what keeps its
        // offset goes first, from the first byte to the last, and what is new on top of it.
        let unmoved = match ahead.bytes {
            0 if is_new_file(output)? => self.unmoved(),
            0 => 0,
            there if there <= self.unmoved() => self.unmoved(),
            _ => {
                output.set_len(0)?;
                output.rewind()?;
                return self.write(input, output);
            }
        };
        copy_range(input, &(ahead.bytes..unmoved), output)?;
        let mut at = 0;
        for piece in &self.pieces {
            let start = at;
            at += piece.len();
            if unmoved > 0 {
                output.seek(SeekFrom::Start(start))?;
            }
            match piece {
                Piece::Copy(range) if range.start == start && at <= unmoved => {}
                Piece::Copy(range) => copy_range(input, range, output)?,
                Piece::Bytes(bytes) => output.write_all(bytes)?,
                Piece::Zeros(count) => write_zeros(*count, output)?,
            }
        }
        Ok(())
    }

    /// End of the last old bytes that keep their offset.
    fn unmoved(&self) -> u64 {
        let mut at = 0;
        let ends = self.pieces.iter().map(|piece| {
            at += piece.len();
            matches!(piece, Piece::Copy(range) if range.end == at).then_some(at)
        });
        ends.flatten().last().unwrap_or(0)
    }

    fn push(&mut self, piece: Piece<'a>) {
        if piece.is_empty() {
            return;
        }
        self.len += piece.len();
        if let (Some(Piece::Copy(last)), Piece::Copy(next)) = (self.pieces.last_mut(), &piece) {
            if last.end == next.start {
                last.end = next.end;
                return;
            }
        }
        self.pieces.push(piece);
    }

    /// Fills with zeros up to `offset` of the new file.
    fn pad_to(&mut self, offset: u64) {
        self.push(Piece::Zeros(offset.saturating_sub(self.len)));
    }
}

/// True if bytes can be written to the file in any order: it is an empty one, and not opened to append.
fn is_new_file(mut output: &File) -> io::Result<bool> {
    let metadata = retry(|| output.metadata())?;
    let new = metadata.is_file() && metadata.len() == 0 && output.stream_position()? == 0;
    Ok(new && !rustix::fs::fcntl_getfl(output)?.contains(OFlags::APPEND))
}

/// Not by `io::copy`, which gives up when a signal interrupts the kernel's copying.
fn copy_range(input: &File, range: &Range<u64>, output: &mut File) -> io::Result<()> {
    let mut at = range.start;
    while at < range.end {
        let len = usize::try_from(range.end - at).unwrap_or(usize::MAX);
        match retry_on_intr(|| rustix::fs::copy_file_range(input, Some(&mut at), &*output, None, len)) {
            // The file ends here, or the kernel cannot say what it has.
            Ok(0) => break,
            Ok(_) => {}
            // Not to a pipe, not from one file system to another, not here.
            Err(Errno::INVAL | Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::BADF) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let mut buffer = vec![0; COPY_BUFFER.min(usize::try_from(range.end - at).unwrap_or(usize::MAX))];
    while at < range.end {
        let part = buffer.len().min(usize::try_from(range.end - at).unwrap_or(usize::MAX));
        input.read_exact_at(&mut buffer[..part], at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), "the input became shorter while it was copied")
            }
            _ => error,
        })?;
        output.write_all(&buffer[..part])?;
        at += part as u64;
    }
    Ok(())
}

fn write_zeros(count: u64, output: &mut File) -> io::Result<()> {
    io::copy(&mut io::repeat(0).take(count), output).map(drop)
}

/// Why a file cannot be laid out anew.
///
/// The texts say what happened, where and what to do; the caller puts the file name in front.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElfOutError {
    /// Not an ELF file of class 32 or 64 and a known byte order; gABI "ELF Identification".
    NotElf,
    /// The headers contradict each other or the size of the file. `what` names the part.
    Malformed {
        /// The part and what is wrong with it.
        what: String,
    },
    /// The file has no section headers or no section names to add to.
    NoSectionNames,
    /// A module signature follows the ELF data.
    Signed,
    /// More bytes follow than the headers describe, and they would not keep their place.
    TrailingData {
        /// File offset of the first of them.
        offset: u64,
        /// How many bytes there are.
        size: u64,
    },
    /// The section is loaded at run time, and the new contents are longer than the old.
    NoRoom {
        /// Section name.
        name: &'static str,
        /// Bytes of the new contents.
        needed: u64,
        /// Bytes of the section.
        room: u64,
    },
    /// The section to be removed is loaded at run time, so its addresses cannot be given up.
    LoadedSectionRemoved {
        /// Section name.
        name: &'static str,
    },
    /// The section has a header only (`SHT_NOBITS`), as in a file split off for debugging.
    NoContents {
        /// Section name.
        name: &'static str,
    },
    /// A relocation section would change the new contents when the file is linked.
    Relocated {
        /// Section name.
        name: &'static str,
        /// Index of the relocation section.
        by: usize,
    },
    /// The section names are part of a segment and the file cannot hold a second copy of them.
    SectionNamesLoaded,
    /// Offsets of the new file would not fit the 32-bit fields of this file.
    TooLarge,
}

impl fmt::Display for ElfOutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => write!(f, "not an ELF file: pass a vmlinux, a .ko or an object file"),
            Self::Malformed { what } => write!(f, "{what}: the file is damaged or cut short; build it again"),
            Self::NoSectionNames => {
                write!(f, "no section headers or section names: the file was stripped of them; pass the file as linked")
            }
            Self::Signed => write!(
                f,
                "a module signature follows the ELF data and would no longer match: \
                 encode before signing, or remove it first (`objcopy` writes the module without it)"
            ),
            Self::TrailingData { offset, size } => write!(
                f,
                "{size} bytes at offset {offset:#x} follow the last section and belong to none: \
                 remove them first (`objcopy` writes the file without them)"
            ),
            Self::NoRoom { name, needed, room } => write!(
                f,
                "`{name}` needs {needed} bytes, and the section has {room} and is loaded at run time, so it cannot \
                 grow or move: write the data to a file of its own (--btf_encode_detached) and link it in"
            ),
            Self::LoadedSectionRemoved { name } => {
                write!(f, "`{name}` is loaded at run time and cannot be removed: link the file again without it")
            }
            Self::NoContents { name } => write!(
                f,
                "`{name}` has a header but no contents (SHT_NOBITS), as in a split debug file: pass the unsplit file"
            ),
            Self::Relocated { name, by } => {
                write!(f, "section {by} holds relocations for `{name}`, which would spoil new contents: link first")
            }
            Self::SectionNamesLoaded => {
                write!(f, "the section names are loaded at run time and cannot grow: link with a separate .shstrtab")
            }
            Self::TooLarge => write!(f, "the file would grow past 4 GiB, the limit of a 32-bit ELF file"),
        }
    }
}

impl std::error::Error for ElfOutError {}

/// Size in bytes of the section `name` if it cannot change because it is loaded at run time
/// (`SHF_ALLOC` in a linked file); `None` if it can, or if there is no such section.
///
/// New contents must not be longer. Shorter ones are followed by zeros; a `.BTF` wants the padding
/// inside its string section, since the kernel refuses bytes behind it.
pub fn allocated_room(bytes: &[u8], name: &'static str) -> Result<Option<u64>, ElfOutError> {
    let file = ElfFile::parse(bytes)?;
    let Some(index) = file.find(name)? else {
        return Ok(None);
    };
    let section = &file.sections[index];
    if !file.is_loaded(section) {
        return Ok(None);
    }
    if section.kind == elf::SHT_NOBITS {
        return Err(ElfOutError::NoContents { name });
    }
    Ok(Some(section.size))
}

/// Computes the new file. `bytes` is the whole old file; the module documentation has the rules.
///
/// A replaced section keeps its name, type and flags, except that `SHF_COMPRESSED` is cleared, since
/// the contents are plain. Its alignment is raised to [`NEW_SECTION_ALIGN`] if it is not loaded.
/// Updates that ask for what is already there change nothing.
pub fn plan<'a>(bytes: &[u8], updates: &[SectionUpdate<'a>]) -> Result<Plan<'a>, ElfOutError> {
    let file = ElfFile::parse(bytes)?;
    let edit = Edit::new(&file, updates)?;
    if edit.is_empty() {
        let mut plan = Plan::new(false);
        plan.push(Piece::Copy(0..bytes.len() as u64));
        return Ok(plan);
    }
    if bytes.ends_with(SIGNATURE_MARKER) {
        return Err(ElfOutError::Signed);
    }
    Layout::new(&file, edit)?.into_plan()
}

/// The file with other bytes in a section that keeps its place and size; no other byte changes.
///
/// # Errors
/// A file without the section, other sizes, an appended signature.
pub fn overwrite<'a>(bytes: &[u8], name: &'static str, data: &'a [u8]) -> Result<Plan<'a>, ElfOutError> {
    let file = ElfFile::parse(bytes)?;
    let malformed = |what: String| ElfOutError::Malformed { what };
    let Some(index) = file.find(name)? else {
        return Err(malformed(format!("section {name} not found")));
    };
    let section = &file.sections[index];
    if section.kind == elf::SHT_NOBITS {
        return Err(ElfOutError::NoContents { name });
    }
    if section.size != data.len() as u64 {
        return Err(malformed(format!("size mismatch - {name} has {} bytes, the data {}", section.size, data.len())));
    }
    if bytes.ends_with(SIGNATURE_MARKER) {
        return Err(ElfOutError::Signed);
    }
    let end = section.offset.checked_add(section.size).filter(|&end| end <= bytes.len() as u64);
    let Some(end) = end else { return Err(malformed(format!("section {name} lies outside of the file"))) };
    let mut plan = Plan::new(true);
    plan.push(Piece::Copy(0..section.offset));
    plan.push(Piece::Bytes(Cow::Borrowed(data)));
    plan.push(Piece::Copy(end..bytes.len() as u64));
    Ok(plan)
}
