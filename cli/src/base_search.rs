//! Finds the base of a module when none is named: its `vermagic` says which kernel it is for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dwarf::elf::ElfFile;
use encoder::input::Input;
use encoder::module_file;

use crate::commands::btf_of;
use crate::exit::Exit;
use crate::messages::{Failure, print_remark};

/// Stands in front of all paths that are looked at; for tests.
const ROOT_VARIABLE: &str = "BTFGEN_ROOT";

/// Where a kernel with BTF may be; `*` is its release. The build tree first, since it is what the module was built with; then what
/// distributions' debug packages install.
const PLACES: [&str; 7] = [
    "lib/modules/*/build/vmlinux",
    "lib/modules/*/vmlinux",
    "usr/lib/modules/*/build/vmlinux",
    "usr/lib/debug/lib/modules/*/vmlinux",
    "usr/lib/debug/usr/lib/modules/*/vmlinux",
    "usr/lib/debug/boot/vmlinux-*",
    "boot/vmlinux-*",
];
/// The base of the kernel that runs, and its release.
const RUNNING: (&str, &str) = ("sys/kernel/btf/vmlinux", "proc/sys/kernel/osrelease");

/// The base for files that come without one: `None` if they are no modules. Says on standard error which one was taken.
pub fn find(files: &[PathBuf]) -> Result<Option<PathBuf>, Failure> {
    let mut releases: BTreeMap<Option<String>, &PathBuf> = BTreeMap::new();
    for file in files {
        match kind_of(file) {
            FileKind::Module(release) => _ = releases.entry(Some(release)).or_insert(file),
            FileKind::Other => _ = releases.entry(None).or_insert(file),
            FileKind::Unreadable => {}
        }
    }
    let mut releases = releases.into_iter();
    // What is no module comes first.
    let Some((first, path)) = releases.next_back() else { return Ok(None) };
    let Some(release) = first else { return Ok(None) };
    if let Some((other, other_path)) = releases.next_back() {
        let other = other.map_or_else(|| "not a module".into(), |other| format!("for Linux {other}"));
        let text = format!(
            "it is for Linux {release} and {} is {other}, so they have no base in common: encode them one after the other, or \
             pass --btf_base",
            other_path.display()
        );
        return Err(Failure::new(Exit::Usage, path, text));
    }
    match look(&root(), &release) {
        Some(base) => {
            print_remark(format_args!("base: {} (Linux {release})", base.display()));
            Ok(Some(base))
        }
        None => {
            let text = format!(
                "it is for Linux {release}, and there is no vmlinux with BTF for that in /lib/modules/{release} or /usr/lib/debug, nor \
                 does that kernel run: pass --btf_base VMLINUX, or install the kernel's headers or debug package (--no-base does without)"
            );
            Err(Failure::new(Exit::NoBase, path, text))
        }
    }
}

/// What stands in front of all paths that are looked at.
pub fn root() -> PathBuf {
    std::env::var_os(ROOT_VARIABLE).map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

/// What a file is, as far as its base is concerned.
enum FileKind {
    /// A module for this release.
    Module(String),
    /// Something that needs no base.
    Other,
    /// What is not there, compressed, or no ELF file: reported when its turn comes.
    Unreadable,
}

fn kind_of(path: &Path) -> FileKind {
    match std::fs::metadata(path) {
        Err(_) => return FileKind::Unreadable,
        // A pipe, which cannot be read twice.
        Ok(metadata) if !metadata.is_file() => return FileKind::Other,
        Ok(_) => {}
    }
    let Ok(input) = Input::open(path) else { return FileKind::Unreadable };
    let Ok(elf) = ElfFile::parse(input.bytes()) else { return FileKind::Unreadable };
    // It becomes part of a path.
    let release = module_file::release(&elf).filter(|release| !release.contains('/') && release != "..");
    release.map_or(FileKind::Other, FileKind::Module)
}

fn look(root: &Path, release: &str) -> Option<PathBuf> {
    let has_btf = |path: &PathBuf| Input::open(path).is_ok_and(|input| btf_of(&input, path).is_ok());
    let mut places = PLACES.iter().map(|place| root.join(place.replace('*', release)));
    if let Some(found) = places.find(has_btf) {
        return Some(found);
    }
    let running = std::fs::read_to_string(root.join(RUNNING.1)).ok()?;
    Some(root.join(RUNNING.0)).filter(|path| running.trim_end() == release && has_btf(path))
}
