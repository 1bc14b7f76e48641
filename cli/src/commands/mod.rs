//! One file per command.

pub mod check;
pub mod diff;
pub mod dump;
pub mod encode;
pub mod generate;
mod in_place;
mod loaded;
pub mod merge;
pub mod report;
pub mod resolve_btfids;
pub mod stats;
pub mod verify;
pub mod why;
pub mod why_not;

use std::path::Path;

use dwarf::elf::ElfFile;
use encoder::input::Input;
use encoder::module_file::Compression;
use encoder::stamp::Identity;

use crate::exit::Exit;
use crate::messages::Failure;

/// Opens a file that a command is about.
pub fn open(path: &Path) -> Result<Input, Failure> {
    Input::open(path).map_err(|e| Failure::new(Exit::Io, path, format!("cannot be read: {e}")))
}

/// Opens a base.
pub fn open_base(path: &Path) -> Result<Input, Failure> {
    Input::open(path).map_err(|e| Failure::new(Exit::Base, path, format!("the base cannot be read: {e}")))
}

/// The BTF in a file: the file itself if it is raw BTF, or its `.BTF` section.
pub fn btf_of<'i>(input: &'i Input, path: &Path) -> Result<&'i [u8], Failure> {
    let bytes = input.bytes();
    if !bytes.starts_with(b"\x7fELF") {
        if bytes.starts_with(&[0x9f, 0xeb]) || bytes.starts_with(&[0xeb, 0x9f]) {
            return Ok(bytes);
        }
        let compressed =
            Compression::of(bytes).map(|c| format!("it is compressed: uncompress it (`{} -d`)", c.program()));
        let text = compressed.unwrap_or_else(|| "neither an ELF file nor raw BTF".into());
        return Err(Failure::new(Exit::Base, path, text));
    }
    let failed = |e: dwarf::error::Error| Failure::new(Exit::Base, path, e.to_string());
    let elf = ElfFile::parse(bytes).map_err(failed)?;
    match elf.section(b".BTF") {
        Some(section) if section.size > 0 => elf.bytes(section).map_err(failed),
        _ => Err(Failure::new(
            Exit::Base,
            path,
            "no BTF in this file (section .BTF): encode it first, or pass another vmlinux or /sys/kernel/btf/vmlinux",
        )),
    }
}

/// To be called when a file was read, before anything comes of it, be it an error: see [`Input::check`].
pub fn unchanged(input: &Input, path: &Path) -> Result<(), Failure> {
    input.check().map_err(|e| Failure::new(Exit::Io, path, e.to_string()))
}

/// What tells a base apart from others: its BTF and, if it is an ELF file, its build id.
pub fn identity(input: &Input, btf: &[u8]) -> Identity {
    Identity::of(btf, ElfFile::parse(input.bytes()).ok().as_ref())
}

/// The distilled base in an ELF file (`.BTF.base`), if it has one.
pub fn distilled_base_of<'i>(input: &'i Input, path: &Path) -> Result<Option<&'i [u8]>, Failure> {
    let failed = |e: dwarf::error::Error| Failure::new(Exit::Base, path, e.to_string());
    if !input.bytes().starts_with(b"\x7fELF") {
        return Ok(None);
    }
    let elf = ElfFile::parse(input.bytes()).map_err(failed)?;
    let section = elf.section(b".BTF.base").filter(|section| section.size > 0);
    section.map(|section| elf.bytes(section).map_err(failed)).transpose()
}
