//! The stamp of a module: which base it was encoded on.
//!
//! A section `.note.btfgen` that no kernel loads, with one ELF note (gABI "Note Section"): name `btfgen`, type 0x100, and as its
//! description the SHA-256 of the base's BTF, which is what `sha256sum /sys/kernel/btf/vmlinux` prints, and the build id of the base,
//! if it has one.

use std::fmt;

use dwarf::elf::ElfFile;
use object::{Endian, Endianness};
use sha2::{Digest, Sha256};

/// Name of the section.
pub const SECTION: &str = ".note.btfgen";
/// Name of the note, with its end.
const OWNER: &[u8] = b"btfgen\0";
/// Type of the note: a base. Small numbers would be shown as the types of well-known notes.
const BASE: u32 = 0x100;
/// Bytes of the hash.
const HASH_BYTES: usize = 32;
/// The note with the build id: `NT_GNU_BUILD_ID`, and the longest one that is taken over.
const BUILD_ID: (&[u8], u32, usize) = (b"GNU\0", 3, 256);

/// A base, told apart from others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// SHA-256 of its BTF.
    pub hash: [u8; HASH_BYTES],
    /// Build id; empty if it is not known (raw BTF).
    pub build_id: Vec<u8>,
}

impl Identity {
    /// Of BTF, and the ELF file that it is from.
    pub fn of(btf: &[u8], file: Option<&ElfFile<'_>>) -> Identity {
        let build_id = file.and_then(build_id).unwrap_or_default().to_vec();
        Identity { hash: Sha256::digest(btf).into(), build_id }
    }

    /// The one that a file is stamped with.
    pub fn stamped(file: &ElfFile<'_>) -> Option<Identity> {
        let notes = file.bytes(file.section(SECTION.as_bytes())?).ok()?;
        let (hash, build_id) = description(notes, file.endian, OWNER, BASE)?.split_first_chunk()?;
        Some(Identity { hash: *hash, build_id: build_id.to_vec() })
    }

    /// The bytes of the section.
    pub fn note(&self, endian: Endianness) -> Vec<u8> {
        let mut note = Vec::new();
        let description = [&self.hash[..], &self.build_id].concat();
        for word in [OWNER.len() as u32, description.len() as u32, BASE] {
            note.extend(endian.write_u32_bytes(word));
        }
        for part in [OWNER, &description] {
            note.extend_from_slice(part);
            note.resize(note.len().next_multiple_of(4), 0);
        }
        note
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        if !self.build_id.is_empty() {
            write!(f, "build id {}, ", hex(&self.build_id))?;
        }
        write!(f, "SHA-256 of BTF {}", hex(&self.hash))
    }
}

/// The build id of a file.
pub fn build_id<'a>(file: &ElfFile<'a>) -> Option<&'a [u8]> {
    let (owner, kind, longest) = BUILD_ID;
    // A kernel has it in `.notes`, together with others.
    let mut notes = file.sections.iter().filter(|s| s.kind == object::elf::SHT_NOTE);
    let found = notes.find_map(|section| description(file.bytes(section).ok()?, file.endian, owner, kind));
    found.filter(|id| !id.is_empty() && id.len() <= longest)
}

/// The description of the first note with this name and type.
fn description<'n>(mut notes: &'n [u8], endian: Endianness, owner: &[u8], kind: u32) -> Option<&'n [u8]> {
    loop {
        let (header, rest) = notes.split_first_chunk::<12>()?;
        let [name, size, this] = [0, 4, 8].map(|at| {
            let word = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            endian.read_u32_bytes(word)
        });
        let (name, size) = (usize::try_from(name).ok()?, usize::try_from(size).ok()?);
        let start = name.checked_next_multiple_of(4)?;
        let end = start.checked_add(size)?;
        let description = rest.get(start..end)?;
        if this == kind && &rest[..name] == owner {
            return Some(description);
        }
        notes = rest.get(end.checked_next_multiple_of(4)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_found_among_others() {
        let stamp = Identity { hash: [7; 32], build_id: vec![1, 2, 3] };
        for endian in [Endianness::Little, Endianness::Big] {
            let note = stamp.note(endian);
            assert_eq!(note.len(), 12 + 8 + 36);
            let mut notes = Identity { hash: [9; 32], build_id: vec![] }.note(endian);
            notes[12] = b'x';
            notes.extend(&note);
            let found = description(&notes, endian, OWNER, BASE).expect("it is there");
            assert_eq!((&found[..32], &found[32..]), (&[7; 32][..], &[1, 2, 3][..]));
            // The padding may be missing, nothing else.
            for end in 0..notes.len() {
                let found = description(&notes[..end], endian, OWNER, BASE);
                assert_eq!(found.is_some(), end == notes.len() - 1, "{end}");
            }
        }
        let text = Identity::of(b"abc", None).to_string();
        assert_eq!(text, "SHA-256 of BTF ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
