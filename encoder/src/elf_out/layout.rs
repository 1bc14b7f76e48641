//! Decides which parts of the old file stay, where the others go, and writes that down as a plan.
//! The rules are in the documentation of `elf_out`.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::edit::Edit;
use super::headers::{ElfFile, malformed};
use super::{ElfOutError, Piece, Plan};

/// A part of the file that is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A header that always stays.
    Header(&'static str),
    /// A section. An old part has the old index, which is also the new one unless the section is
    /// removed; an added part has the new index.
    Section(usize),
    /// The section header table.
    Table,
}

/// A part and its file range in the old file.
#[derive(Clone, Debug)]
struct Placed {
    part: Part,
    range: Range<u64>,
}

impl Placed {
    fn size(&self) -> u64 {
        self.range.end - self.range.start
    }
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Part::Header(name) => f.write_str(name)?,
            Part::Section(index) => write!(f, "section {index}")?,
            Part::Table => f.write_str("the section header table")?,
        }
        write!(f, " at {:#x} ({} bytes)", self.range.start, self.size())
    }
}

/// Which old parts stay, and what comes behind them.
pub(super) struct Layout<'f, 'e, 'a> {
    file: &'f ElfFile<'e>,
    edit: Edit<'a>,
    /// Old parts in file order; empty ones come before those that begin at the same offset.
    old: Vec<Placed>,
    /// File offset from which parts are packed anew; none if all changes fit where they are.
    cut: Option<u64>,
}

impl<'f, 'e, 'a> Layout<'f, 'e, 'a> {
    pub(super) fn new(file: &'f ElfFile<'e>, edit: Edit<'a>) -> Result<Self, ElfOutError> {
        let mut layout = Layout { file, edit, old: old_parts(file), cut: None };
        layout.cut = layout.find_cut();
        layout.check_overlaps()?;
        layout.check_trailing()?;
        Ok(layout)
    }

    fn is_removed(&self, placed: &Placed) -> bool {
        matches!(placed.part, Part::Section(index) if self.edit.removed.contains(&index))
    }

    fn is_loaded(&self, placed: &Placed) -> bool {
        matches!(placed.part, Part::Section(index) if self.file.is_loaded(&self.file.sections[index]))
    }

    fn is_changed(&self, placed: &Placed) -> bool {
        match placed.part {
            Part::Header(_) => false,
            Part::Section(index) => self.edit.contents.contains_key(&index) || self.is_removed(placed),
            Part::Table => true,
        }
    }

    /// Bytes in the new file of an old part that is not removed, or of an added one.
    fn new_size(&self, placed: &Placed) -> u64 {
        match placed.part {
            Part::Header(_) => placed.size(),
            Part::Section(index) => self.edit.sections[index].file_size(),
            Part::Table => self.edit.sections.len() as u64 * self.file.format.section_header_size(),
        }
    }

    /// Alignment in bytes, at most the larger of the size of the old file and
    /// [`NEW_SECTION_ALIGN`](super::NEW_SECTION_ALIGN).
    fn align(&self, placed: &Placed) -> u64 {
        match placed.part {
            Part::Header(_) => 1,
            Part::Table => self.file.format.word_size() as u64,
            Part::Section(_) if self.new_size(placed) == 0 => 1,
            Part::Section(index) => {
                let new = &self.edit.sections[index];
                let chosen = self.edit.contents.contains_key(&index) && index != self.file.shstrndx && !new.is_alloc();
                // The offset of `new` is still the old one.
                if chosen { new.align } else { new.file_align() }
            }
        }
    }

    /// True if the new bytes of an old part can take the place of the old ones. Below the floor
    /// they may be shorter; above it, that would leave dead bytes.
    fn fits(&self, placed: &Placed) -> bool {
        if self.is_removed(placed) || self.gives_way(placed) {
            return false;
        }
        if !self.is_changed(placed) || self.is_loaded(placed) {
            return true;
        }
        let (old, new) = (placed.size(), self.new_size(placed));
        let below_floor = placed.range.start < self.file.floor;
        let aligned = placed.part == Part::Table || placed.range.start & (self.align(placed) - 1) == 0;
        aligned && (new == old || (below_floor && new < old))
    }

    /// True for the section names if sections are added, which come before them. Names that need
    /// not grow would stay otherwise, and the order would depend on the past.
    fn gives_way(&self, placed: &Placed) -> bool {
        placed.part == Part::Section(self.file.shstrndx)
            && !self.edit.added.is_empty()
            && placed.range.start >= self.file.floor
    }

    fn find_cut(&self) -> Option<u64> {
        let floor = self.file.floor;
        let moving = || self.old.iter().filter(|placed| !self.fits(placed));
        if let Some(first) = moving().find(|placed| placed.range.start >= floor) {
            return Some(first.range.start);
        }
        let something_follows = moving().next().is_some() || !self.edit.added.is_empty();
        something_follows.then(|| self.old_end())
    }

    /// End of the last old part, which is the size of the old file unless data trails.
    fn old_end(&self) -> u64 {
        let full = self.old.iter().filter(|placed| !placed.range.is_empty());
        full.map(|placed| placed.range.end).fold(self.file.floor, u64::max)
    }

    /// True if an old part keeps its offset.
    fn stays(&self, placed: &Placed) -> bool {
        let before_cut = self.cut.is_none_or(|cut| placed.range.start < cut);
        self.is_loaded(placed) || (before_cut && self.fits(placed))
    }

    /// Parts that change or move must not share bytes with any other; of the rest nothing is asked.
    fn check_overlaps(&self) -> Result<(), ElfOutError> {
        // The part that reaches farthest so far: of all, and of those that change or move.
        let (mut any, mut touched): (Option<&Placed>, Option<&Placed>) = (None, None);
        let farther = |old: Option<&Placed>, new: &Placed| old.is_none_or(|old| old.range.end < new.range.end);
        for next in self.old.iter().filter(|placed| !placed.range.is_empty()) {
            let is_touched = self.is_changed(next) || !self.stays(next);
            let other = if is_touched { any } else { touched };
            if let Some(other) = other.filter(|other| other.range.end > next.range.start) {
                return Err(malformed(format!("{other} overlaps {next}")));
            }
            if farther(any, next) {
                any = Some(next);
            }
            if is_touched && farther(touched, next) {
                touched = Some(next);
            }
        }
        Ok(())
    }

    /// Refuses bytes behind the last part unless they keep their place or are zero.
    fn check_trailing(&self) -> Result<(), ElfOutError> {
        let offset = self.old_end();
        let trailing = self.file.bytes.get(offset as usize..).unwrap_or_default();
        if self.cut.is_none() || trailing.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        Err(ElfOutError::TrailingData { offset, size: trailing.len() as u64 })
    }

    /// Length of the beginning of the file that keeps its offsets.
    fn kept(&self) -> u64 {
        if self.cut.is_none() {
            return self.file.bytes.len() as u64;
        }
        let staying = self.old.iter().filter(|placed| !placed.range.is_empty() && self.stays(placed));
        staying.map(|placed| placed.range.end).fold(self.file.floor, u64::max)
    }

    /// What follows [`Layout::kept`]: old parts in their order and added sections, then the section
    /// names and the header table. Linkers and `objcopy` write in this order too, and adding a
    /// section leads to it, so that encoding again does not change it.
    fn tail(&self) -> Vec<Placed> {
        let names = Part::Section(self.file.shstrndx);
        let is_last = |placed: &Placed| placed.part == names || placed.part == Part::Table;
        let moving = self.old.iter().filter(|placed| !self.stays(placed) && !self.is_removed(placed));
        let (mut last, mut tail): (Vec<_>, Vec<_>) = moving.cloned().partition(is_last);
        tail.extend(self.edit.added.clone().map(|index| Placed { part: Part::Section(index), range: 0..0 }));
        last.sort_by_key(|placed| placed.part == Part::Table);
        tail.append(&mut last);
        tail
    }

    /// Gives the parts of the tail their offsets in the new file and puts those into the section
    /// headers. Returns the offset of the section header table.
    fn place(&mut self, tail: &[Placed]) -> Result<u64, ElfOutError> {
        let mut shoff = self.file.shoff;
        let mut end = self.kept();
        for placed in tail {
            let start = end.checked_next_multiple_of(self.align(placed)).ok_or(ElfOutError::TooLarge)?;
            end = start.checked_add(self.new_size(placed)).ok_or(ElfOutError::TooLarge)?;
            match placed.part {
                Part::Header(_) => {}
                Part::Section(index) => self.edit.sections[index].offset = start,
                Part::Table => shoff = start,
            }
        }
        let limit = if self.file.format.wide { u64::MAX } else { u64::from(u32::MAX) };
        if end > limit { Err(ElfOutError::TooLarge) } else { Ok(shoff) }
    }

    pub(super) fn into_plan(mut self) -> Result<Plan<'a>, ElfOutError> {
        let tail = self.tail();
        // Before the offsets change, on which the questions about old parts depend.
        let kept = self.kept();
        let rewritten: Vec<_> = self.old.iter().filter(|placed| self.is_rewritten(placed, kept)).cloned().collect();
        let stays: Vec<_> = rewritten.iter().map(|placed| self.stays(placed)).collect();
        let shoff = self.place(&tail)?;

        let mut plan = Plan::new(true);
        plan.push(Piece::Bytes(Cow::Owned(self.file_header(shoff))));
        for (placed, stays) in rewritten.iter().zip(stays) {
            plan.push(Piece::Copy(plan.len..placed.range.start));
            if stays {
                plan.push(self.new_bytes(placed));
            }
            plan.pad_to(placed.range.end.min(kept));
        }
        plan.push(Piece::Copy(plan.len..kept));
        for placed in &tail {
            if let Part::Section(index) = placed.part {
                plan.pad_to(self.edit.sections[index].offset);
            } else {
                plan.pad_to(shoff);
            }
            let piece = self.new_bytes(placed);
            plan.push(piece);
        }
        Ok(plan)
    }

    /// True if an old part lies in the beginning that is kept and its bytes do not.
    fn is_rewritten(&self, placed: &Placed, kept: u64) -> bool {
        let inside = placed.range.start < kept && !placed.range.is_empty();
        inside && (self.is_changed(placed) || !self.stays(placed))
    }

    fn new_bytes(&self, placed: &Placed) -> Piece<'a> {
        match placed.part {
            Part::Header(_) => Piece::Copy(placed.range.clone()),
            Part::Table => Piece::Bytes(Cow::Owned(self.table())),
            Part::Section(index) => match self.edit.contents.get(&index) {
                Some(contents) => Piece::Bytes(contents.clone()),
                None => Piece::Copy(placed.range.clone()),
            },
        }
    }

    fn table(&self) -> Vec<u8> {
        let mut table = Vec::with_capacity(self.edit.sections.len() * self.file.format.section_header_size() as usize);
        for section in &self.edit.sections {
            section.emit(self.file.format, &mut table);
        }
        table
    }

    /// The ELF header with the new `e_shoff` and `e_shnum`. `e_shstrndx` stays: see rule 3.
    fn file_header(&self, shoff: u64) -> Vec<u8> {
        let format = self.file.format;
        let mut header = self.file.bytes[..format.file_header_size() as usize].to_vec();
        let (shoff_at, shnum_at) = format.shoff_and_shnum();
        format.patch(&mut header, shoff_at, shoff, format.word_size());
        format.patch(&mut header, shnum_at, u64::from(self.edit.shnum()), 2);
        header
    }
}

/// All parts of the old file in file order.
fn old_parts(file: &ElfFile<'_>) -> Vec<Placed> {
    let mut parts: Vec<_> = file
        .active_sections()
        .map(|(index, section)| Placed { part: Part::Section(index), range: section.offset..section.file_end() })
        .collect();
    parts.push(Placed { part: Part::Table, range: file.shoff..file.shoff + file.table_size() });
    parts.push(Placed { part: Part::Header("the ELF header"), range: 0..file.format.file_header_size() });
    parts.push(Placed { part: Part::Header("the program header table"), range: file.program_headers.clone() });
    parts.sort_by_key(|placed| (placed.range.start, placed.range.end));
    parts
}
