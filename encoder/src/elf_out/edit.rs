//! Turns updates by name into the section headers and contents of the new file. Offsets come later
//! (`layout.rs`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use object::elf;

use super::headers::{ElfFile, Section};
use super::{ElfOutError, NEW_SECTION_ALIGN, SectionUpdate};

/// The section headers as they shall be, except for offsets, and the contents that differ.
pub(super) struct Edit<'a> {
    pub(super) sections: Vec<Section>,
    /// New contents by section index: replaced and added sections, and the section names.
    pub(super) contents: BTreeMap<usize, Cow<'a, [u8]>>,
    /// Old indices of removed sections.
    pub(super) removed: Vec<usize>,
    /// New indices of added sections; they may begin with those of dropped headers.
    pub(super) added: Range<usize>,
}

impl<'a> Edit<'a> {
    pub(super) fn new(file: &ElfFile<'_>, updates: &[SectionUpdate<'a>]) -> Result<Self, ElfOutError> {
        let mut edit =
            Edit { sections: file.sections.clone(), contents: BTreeMap::new(), removed: Vec::new(), added: 0..0 };
        let mut added = Vec::new();
        for update in updates {
            match (file.find(update.name)?, update.data) {
                (None, None) => {}
                (None, Some(data)) => added.push((update.name, data)),
                (Some(index), None) => edit.remove(file, index, update.name)?,
                (Some(index), Some(data)) => edit.replace(file, index, update.name, data)?,
            }
        }
        edit.drop_last_headers(file);
        edit.add(file, &added)?;
        edit.number_sections();
        Ok(edit)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.contents.is_empty() && self.removed.is_empty()
    }

    /// Makes the section an empty one without a name, which tools drop when they next write the
    /// file. See also [`Edit::drop_last_headers`].
    fn remove(&mut self, file: &ElfFile<'_>, index: usize, name: &'static str) -> Result<(), ElfOutError> {
        if file.is_loaded(&file.sections[index]) {
            return Err(ElfOutError::LoadedSectionRemoved { name });
        }
        if index == file.shstrndx {
            return Err(ElfOutError::NoSectionNames);
        }
        // SHT_NULL would say it better, but `ld -r` fails if a symbol refers to such a header.
        let kind = elf::SHT_PROGBITS;
        self.sections[index] = Section { kind, ..Section::default() };
        self.removed.push(index);
        Ok(())
    }

    fn replace(
        &mut self,
        file: &ElfFile<'_>,
        index: usize,
        name: &'static str,
        data: &'a [u8],
    ) -> Result<(), ElfOutError> {
        let old = &file.sections[index];
        if old.kind == elf::SHT_NOBITS {
            return Err(ElfOutError::NoContents { name });
        }
        if index == file.shstrndx {
            return Err(ElfOutError::NoSectionNames);
        }
        // Symbols, relocations, ...: they would be read as such.
        if !matches!(old.kind, elf::SHT_PROGBITS | elf::SHT_NOTE) {
            return Err(ElfOutError::Malformed { what: format!("section `{name}` has type {:#x}", old.kind) });
        }
        let relocates = |section: &Section| section.relocates() == Some(index);
        if let Some(by) = file.sections.iter().position(relocates) {
            return Err(ElfOutError::Relocated { name, by });
        }
        let mut new = old.clone();
        if file.is_loaded(old) {
            let (needed, room) = (data.len() as u64, old.size);
            if needed > room {
                return Err(ElfOutError::NoRoom { name, needed, room });
            }
        } else {
            new.size = data.len() as u64;
            new.flags &= !u64::from(elf::SHF_COMPRESSED);
            if !old.is_alloc() {
                new.align = old.file_align().max(new_kind(name).1);
            }
        }
        if new != *old || !is_padded(file.contents(old), data) {
            self.sections[index] = new;
            self.contents.insert(index, Cow::Borrowed(data));
        }
        Ok(())
    }

    /// Drops the headers of removed sections that are last, so that removing an added section gives
    /// back the old numbers.
    fn drop_last_headers(&mut self, file: &ElfFile<'_>) {
        while let Some(last) = self.sections.len().checked_sub(1) {
            if !self.removed.contains(&last) || file.refers_to(last) {
                return;
            }
            self.sections.pop();
        }
    }

    fn add(&mut self, file: &ElfFile<'_>, added: &[(&'static str, &'a [u8])]) -> Result<(), ElfOutError> {
        let first = self.sections.len();
        self.added = first..first + added.len();
        let mut names = Cow::Borrowed(file.section_names());
        for &(name, data) in added {
            self.contents.insert(self.sections.len(), Cow::Borrowed(data));
            self.sections.push(Section {
                name: intern_name(&mut names, name)?,
                kind: new_kind(name).0,
                size: data.len() as u64,
                align: new_kind(name).1,
                ..Section::default()
            });
        }
        if let Cow::Owned(names) = names {
            let section = &mut self.sections[file.shstrndx];
            if file.is_loaded(section) {
                return Err(ElfOutError::SectionNamesLoaded);
            }
            section.size = names.len() as u64;
            self.contents.insert(file.shstrndx, Cow::Owned(names));
        }
        Ok(())
    }

    /// `e_shnum` of the new file. From 65,280 sections on it is 0 and section 0 has the number;
    /// gABI "ELF Header".
    pub(super) fn shnum(&self) -> u16 {
        u16::try_from(self.sections.len()).ok().filter(|count| *count < elf::SHN_LORESERVE).unwrap_or(0)
    }

    /// Completes section 0, which goes with [`Edit::shnum`].
    fn number_sections(&mut self) {
        let count = self.sections.len() as u64;
        self.sections[0].size = if self.shnum() == 0 { count } else { 0 };
    }
}

/// Type of a new section, and the least alignment of one that is not loaded. Notes are arrays of words, which readers take to be
/// aligned to 8 if their section is; gABI "Note Section".
fn new_kind(name: &str) -> (u32, u64) {
    if name.starts_with(".note") { (elf::SHT_NOTE, 4) } else { (elf::SHT_PROGBITS, NEW_SECTION_ALIGN) }
}

/// True if `contents` is `data`, followed by zeros if it is longer.
fn is_padded(contents: &[u8], data: &[u8]) -> bool {
    contents.strip_prefix(data).is_some_and(|rest| rest.iter().all(|byte| *byte == 0))
}

/// Offset of `name` in the string table, to which it is added if needed; gABI "String Table".
fn intern_name(names: &mut Cow<'_, [u8]>, name: &str) -> Result<u32, ElfOutError> {
    let with_end = [name.as_bytes(), b"\0"].concat();
    let known = names.windows(with_end.len()).position(|window| window == with_end);
    let offset = known.unwrap_or_else(|| {
        let names = names.to_mut();
        // The table begins with the empty name and ends with the end of one.
        if names.last() != Some(&0) {
            names.push(0);
        }
        let offset = names.len();
        names.extend_from_slice(&with_end);
        offset
    });
    u32::try_from(offset).map_err(|_| ElfOutError::TooLarge)
}
