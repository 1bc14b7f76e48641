//! `btfgen merge`: one BTF of several finished ones.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use btf::merge::{self, Places};
use btf::verify::{self, Level, verify_bytes};
use btf::view::BtfView;
use dwarf::elf::ElfFile;
use encoder::replace::{self, Durability};

use super::encode::replace_failure;
use super::loaded::{Loaded, base_of, print, with_base, with_views};
use crate::args::MergeArgs;
use crate::exit::Exit;
use crate::messages::{Failure, print_failure, print_warning};
use crate::signals;

/// Runs the command.
pub fn run(args: &MergeArgs) -> Exit {
    signals::before_end(replace::abandon);
    match merge_all(args) {
        Ok(()) => Exit::Done,
        Err(failure) => print_failure(&failure),
    }
}

fn merge_all(args: &MergeArgs) -> Result<(), Failure> {
    if args.output.is_none() && io::stdout().is_terminal() {
        let text = "is a terminal, and BTF is no text: pass -o OUT";
        return Err(Failure::new(Exit::Usage, Path::new("standard output"), text));
    }
    let base = base_of(args.base.path.as_deref(), &args.files)?;
    if args.flatten && base.is_none() {
        return Err(Failure::new(Exit::NoBase, &args.files[0], "there is no base to flatten: pass --btf_base"));
    }
    let files = args.files.iter().map(|path| Loaded::open(path)).collect::<Result<Vec<Loaded>, Failure>>()?;
    let bytes = with_base(base.as_deref(), |base| with_views(&files, base, |views| merged(args, &files, views, base)))?;
    match &args.output {
        None => print(&bytes),
        Some(out) => replace::write_new_file(out, Durability::Memory, |file| file.write_all(&bytes))
            .map_err(|e| replace_failure(out, e)),
    }
}

fn merged(
    args: &MergeArgs,
    files: &[Loaded],
    views: &[BtfView<'_>],
    base: Option<&BtfView<'_>>,
) -> Result<Vec<u8>, Failure> {
    let known: Vec<Option<Sections>> = files.iter().map(Sections::of).collect();
    let places = |at: usize| known[at].as_ref().map(|sections| sections as &dyn Places);
    let mut inputs: Vec<merge::Input<'_, '_>> = Vec::new();
    let flattened = base.filter(|_| args.flatten);
    inputs.extend(flattened.map(|view| merge::Input { view, places: None }));
    inputs.extend(views.iter().enumerate().map(|(at, view)| merge::Input { view, places: places(at) }));
    // What stands alone does not become split BTF because another file does.
    let on = base.filter(|_| !args.flatten);
    let name = &args.files[0];
    let bytes =
        merge::merge(&inputs, on).map_err(|e| Failure::new(Exit::Input, name, format!("cannot be merged: {e}")))?;
    let is_64 = files.iter().filter_map(Loaded::elf).all(|elf| elf.is_64);
    let options = verify::Options {
        level: Level::Kernel,
        pointer_bytes: if is_64 { 8 } else { 4 },
        max_findings: usize::MAX,
        ..verify::Options::default()
    };
    let findings = verify_bytes(&bytes, on, &options);
    if findings.is_empty() {
        return Ok(bytes);
    }
    // Compilers write what kernels do not take, and so may what comes of it.
    let mut known: BTreeMap<&str, &Path> = BTreeMap::new();
    for (path, view) in args.files.iter().zip(views) {
        let of_input = verify_bytes(view.bytes(), view.base(), &options);
        of_input.iter().for_each(|finding| _ = known.entry(finding.rule).or_insert(path));
    }
    match findings.iter().find(|finding| !known.contains_key(finding.rule)) {
        None => {
            let (first, more) = (&findings[0], findings.len() - 1);
            let more = if more == 0 { String::new() } else { format!(", and {more} more") };
            let text = format!("a kernel would refuse its BTF, and does so with the result: {first}{more}");
            print_warning(known[first.rule], &text);
            Ok(bytes)
        }
        Some(finding) => {
            let text = format!("the result breaks a rule that no input breaks: {finding}; please report this as a bug");
            Err(Failure::new(Exit::Verify, name, text))
        }
    }
}

/// The sections of an object file, and the variables in them.
#[derive(Debug, Default)]
struct Sections {
    /// By name, size and alignment in bytes.
    sizes: BTreeMap<Vec<u8>, (u32, u32)>,
    /// By names of section and variable, the offset in bytes.
    offsets: BTreeMap<(Vec<u8>, Vec<u8>), u32>,
}

impl Sections {
    /// Of an object file that is yet to be linked; None for others.
    fn of(file: &Loaded) -> Option<Sections> {
        let elf: ElfFile<'_> = file.elf().filter(|elf| elf.relocatable)?;
        let mut sections = Sections::default();
        let mut names: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for section in &elf.sections {
            let (size, alignment) = (u32::try_from(section.size).ok(), u32::try_from(section.alignment).ok());
            if let (Some(size), Some(alignment)) = (size, alignment) {
                sections.sizes.entry(section.name.to_vec()).or_insert((size, alignment));
                names.insert(section.index, section.name.to_vec());
            }
        }
        let noted = elf.each_symbol(|symbol| {
            let name = elf.symbol_name(&symbol)?;
            if let (Some(section), Ok(offset)) = (names.get(&symbol.section), u32::try_from(symbol.value)) {
                if symbol.section != 0 && !name.is_empty() {
                    sections.offsets.entry((section.clone(), name.to_vec())).or_insert(offset);
                }
            }
            Ok::<(), dwarf::error::Error>(())
        });
        // A damaged symbol table tells nothing.
        noted.ok().map(|()| sections)
    }
}

impl Places for Sections {
    fn section(&self, name: &[u8]) -> Option<(u32, u32)> {
        self.sizes.get(name).copied()
    }

    fn variable(&self, section: &[u8], name: &[u8]) -> Option<u32> {
        self.offsets.get(&(section.to_vec(), name.to_vec())).copied()
    }
}
