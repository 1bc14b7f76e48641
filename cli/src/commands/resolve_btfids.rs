//! `resolve_btfids`: fills in `.BTF_ids`, in the place of the kernel's own tool.
//!
//! Linux 7.0 and later call it with `--btf`: the results go to side files, and a second call with `--patch_btfids` puts one of them into
//! the file. Older trees call it without: the ids go into the file at once, and its BTF stays as it is.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use btf::distill::Ambiguous;
use btf::verify::KernelVersion;
use btf::view::BtfView;
use clap::{ArgAction, Parser};
use dwarf::elf::ElfFile;
use encoder::btf_ids::finish::{Finished, Stage, Steps, finish};
use encoder::btf_ids::section::SECTION;
use encoder::btf_ids::{Finding, IdSection, order};
use encoder::elf_out;
use encoder::input::Input;
use encoder::output;
use encoder::replace::{self, Durability, ReplaceError, Staged};

use super::{btf_of, distilled_base_of};
use crate::args::{BaseArg, ChangeArgs};
use crate::colour::{ERROR, WARNING};
use crate::fault;
use crate::messages::fatal_warnings;
use crate::signals;
use crate::texts;

/// Exit codes of the kernel's tool: a failure, and wrong usage. The third is for `--fatal_warnings`.
const FAILED: u8 = 255;
const USAGE: u8 = 129;
const WARNED: u8 = 1;

/// Fills in the BTF ids of a kernel or module.
#[derive(Parser, Debug)]
#[command(
    name = "resolve_btfids",
    disable_version_flag = true,
    after_help = texts::help("resolve_btfids"),
    // The kernel's tool has this letter for it.
    mut_arg("base", |arg| arg.short('b').help("Base BTF, raw or in an ELF file"))
)]
pub struct ResolveArgs {
    /// Say what is done
    #[arg(long, short, action = ArgAction::Count)]
    verbose: u8,
    /// BTF to use, raw or in an ELF file; results go to FILE.BTF and
    /// FILE.BTF_ids instead of into FILE
    #[arg(long, value_name = "BTF")]
    btf: Option<PathBuf>,
    #[command(flatten)]
    base: BaseArg,
    /// Write a distilled base, too
    #[arg(long = "distill_base")]
    distill_base: bool,
    #[command(flatten)]
    change: ChangeArgs,
    /// Warnings never fail, as in Linux 7.3 (also by the environment:
    /// BTFGEN_COMPAT_WARNINGS=1)
    #[arg(long = "compat_warnings")]
    compat_warnings: bool,
    /// Only put these bytes into FILE's .BTF_ids
    #[arg(long = "patch_btfids", value_name = "BLOB")]
    patch: Option<PathBuf>,
    /// Only undo what an earlier run did to FILE's .BTF_ids
    #[arg(long = "link_order", conflicts_with = "patch")]
    link_order: bool,
    /// ELF file
    #[arg(value_name = "FILE", trailing_var_arg = true, allow_hyphen_values = true)]
    files: Vec<PathBuf>,
}

/// Runs the program; returns its exit code.
pub fn run(args: Vec<OsString>) -> u8 {
    let args = match ResolveArgs::try_parse_from(args) {
        Ok(args) => args,
        Err(e) => {
            _ = e.print();
            return if e.use_stderr() { USAGE } else { 0 };
        }
    };
    let [file] = &args.files[..] else {
        eprintln!("resolve_btfids: {ERROR} name exactly one ELF file, after the options; see --help");
        return USAGE;
    };
    signals::before_end(replace::abandon);
    let result = match &args.patch {
        Some(blob) => patch_file(&args, blob, file),
        None => resolve(&args, file),
    };
    match result {
        Ok(code) => code,
        Err(text) => {
            eprintln!("{text}");
            FAILED
        }
    }
}

fn open(path: &Path) -> Result<Input, String> {
    Input::open(path).map_err(|e| format!("FAILED cannot open {}: {e}", path.display()))
}

/// Opens a file that is to be changed. A file that may not be written is left alone, although a new one could take its place.
fn open_to_change(path: &Path) -> Result<Input, String> {
    let changeable = OpenOptions::new().read(true).write(true).open(path);
    changeable.map_err(|e| format!("FAILED cannot open {}: {e}", path.display()))?;
    open(path)
}

fn at(path: &Path) -> impl Fn(encoder::error::Error) -> String {
    move |e| {
        let text = e.to_string();
        if text.starts_with("FAILED") || text.starts_with("ERROR") {
            format!("{text}: {}", path.display())
        } else {
            format!("FAILED: {}: {text}", path.display())
        }
    }
}

fn elf<'i>(input: &'i Input, path: &Path) -> Result<ElfFile<'i>, String> {
    ElfFile::parse(input.bytes()).map_err(|e| format!("FAILED cannot open {}: {e}", path.display()))
}

/// The BTF of a file, or why not.
fn load<'v>(what: &str, input: &'v Input, path: &Path, base: Option<&'v BtfView<'v>>) -> Result<BtfView<'v>, String> {
    let failed = |why: String| format!("FAILED: load {what} from {}: {why}", path.display());
    let bytes = btf_of(input, path).map_err(|failure| failed(failure.text))?;
    BtfView::parse_on(bytes, base).map_err(|e| failed(e.to_string()))
}

/// Files that are complete, but not in their places yet, in the order in which they come there.
type Files = Vec<(PathBuf, Staged)>;

/// The files that are read: these only when they are needed.
struct Inputs {
    file: Input,
    base: OnceCell<Input>,
    btf: OnceCell<Input>,
}

impl Inputs {
    /// That none was changed since it was opened.
    fn unchanged(&self, args: &ResolveArgs, path: &Path) -> Result<(), String> {
        let others = [(self.base.get(), args.base.path.as_deref()), (self.btf.get(), args.btf.as_deref())];
        let others = others.into_iter().filter_map(|(input, path)| input.zip(path));
        [(&self.file, path)].into_iter().chain(others).try_for_each(|(input, path)| unchanged(input, path))
    }
}

fn unchanged(input: &Input, path: &Path) -> Result<(), String> {
    input.check().map_err(|e| format!("FAILED: {}: {e}", path.display()))
}

fn resolve(args: &ResolveArgs, path: &Path) -> Result<u8, String> {
    let in_place = args.btf.is_none() || args.link_order;
    let file = if in_place { open_to_change(path)? } else { open(path)? };
    let inputs = Inputs { file, base: OnceCell::new(), btf: OnceCell::new() };
    let staged = stage(args, path, in_place, &inputs);
    // If another wrote to what was read, an error that came of it is not the reason.
    inputs.unchanged(args, path)?;
    let (code, files) = staged?;
    commit(files)?;
    Ok(code)
}

/// Does all but to put the results into their places; returns the exit code as well.
fn stage(args: &ResolveArgs, path: &Path, in_place: bool, inputs: &Inputs) -> Result<(u8, Files), String> {
    let input = &inputs.file;
    let elf = elf(input, path)?;
    let section = IdSection::of(&elf).map_err(at(path))?;
    if in_place && section.is_none() {
        return Ok((0, Vec::new()));
    }
    // A file in which ids are filled in has to be told its own ids: those on its distilled base, if it has one.
    let own_base = distilled_base_of(input, path).map_err(|failure| failure.text);
    let own_base = own_base.and_then(|bytes| bytes.map(BtfView::parse).transpose().map_err(|e| e.to_string()));
    let own_base = match own_base {
        // With other BTF it only helps to understand an earlier run.
        Err(_) if args.btf.is_some() => None,
        own_base => own_base.map_err(|why| format!("FAILED: load base BTF from {}: {why}", path.display()))?,
    };
    let in_file = args.btf.is_none() && own_base.is_some();
    let open_as = |cell: &'_ OnceCell<Input>, what: &str, path: &Path| {
        let input = Input::open(path).map_err(|e| cannot_load(what, path, &e))?;
        cell.set(input).map_err(|_| cannot_load(what, path, &"it was opened before"))
    };
    if let Some(base) = args.base.path.as_ref().filter(|_| !in_file) {
        open_as(&inputs.base, "base BTF", base)?;
    }
    let base = inputs.base.get().zip(args.base.path.as_ref());
    let base = base.map(|(input, path)| load("base BTF", input, path, None)).transpose()?;
    let base = if in_file { own_base.clone() } else { base };
    if let Some(btf) = &args.btf {
        open_as(&inputs.btf, "BTF", btf)?;
    }
    let btf_path = args.btf.as_deref().unwrap_or(path);
    let view = load("BTF", inputs.btf.get().unwrap_or(input), btf_path, base.as_ref())?;

    let section = section.map(|s| order::restore_by(s, &elf, base.as_ref())).transpose().map_err(at(path))?;
    if let (Some(section), true) = (&section, args.link_order) {
        return Ok((0, vec![stage_ids(args, input, path, &section.bytes)?]));
    }
    let stage = if in_place { Stage::Final } else { Stage::Foreign };
    let distill = (args.distill_base && !in_place).then_some(Ambiguous::IntoSplit);
    let finished = finish(&view, section, Steps { stage, distill, fill: true, kernel: KernelVersion::NEWEST })
        .map_err(at(btf_path))?;
    inputs.unchanged(args, path)?;
    finished.warnings.iter().for_each(|text| eprintln!("resolve_btfids: {WARNING} {}: {text}", path.display()));
    if !in_place {
        check_result(&finished, &view, path)?;
    }
    if report(args, path, &finished.findings) {
        return Ok((WARNED, Vec::new()));
    }
    let files = match finished.ids {
        Some(ids) if in_place => vec![stage_ids(args, input, path, &ids)?],
        ids => {
            let distilled = finished.distilled.as_ref().map(|distilled| ("BTF.base", &distilled.base[..]));
            let ids = ids.as_ref().map(|ids| ("BTF_ids", &ids[..]));
            let all = distilled.into_iter().chain(ids).chain([("BTF", &finished.btf[..])]);
            all.map(|(extension, bytes)| stage_side_file(path, extension, bytes)).collect::<Result<_, _>>()?
        }
    };
    Ok((0, files))
}

/// The gate before the side files. BTF that a kernel would not have taken before is another encoder's fault, which is told and passed on, as
/// the kernel's tool does; any other is ours.
fn check_result(finished: &Finished<'_>, view: &BtfView<'_>, path: &Path) -> Result<(), String> {
    let word_size = view.levels().iter().find_map(|level| level.word_size()).unwrap_or(8);
    let own_base = finished.distilled.as_ref().map(|distilled| &distilled.base[..]);
    let Err(e) = output::check(&fault::damage(&finished.btf), own_base, view.base(), word_size, KernelVersion::NEWEST)
    else {
        return Ok(());
    };
    match output::violation(view.bytes(), view.base(), word_size, KernelVersion::NEWEST) {
        None => Err(format!("FAILED: {}: {e}", path.display())),
        Some(text) => {
            eprintln!("resolve_btfids: {WARNING} {}: a kernel would refuse this BTF: {text}", path.display());
            Ok(())
        }
    }
}

fn cannot_load(what: &str, path: &Path, e: &dyn std::fmt::Display) -> String {
    format!("FAILED: load {what} from {}: {e}", path.display())
}

/// Prints the warnings; returns whether they are fatal.
fn report(args: &ResolveArgs, path: &Path, findings: &[Finding]) -> bool {
    findings.iter().for_each(|finding| eprintln!("{finding}"));
    let compat = args.compat_warnings || std::env::var_os("BTFGEN_COMPAT_WARNINGS").is_some_and(|v| v == "1");
    let fatal = args.change.fatal_warnings && !compat && !findings.is_empty();
    if fatal {
        let (text, path) = (fatal_warnings(findings.len()), path.display());
        eprintln!("resolve_btfids: {ERROR} {path}: {text} (BTFGEN_COMPAT_WARNINGS=1 goes on)");
    }
    fatal
}

fn failed(path: &Path) -> impl Fn(ReplaceError) -> String {
    move |e| format!("FAILED: {}", super::encode::replace_failure(path, e).text)
}

fn commit(files: Files) -> Result<(), String> {
    files.into_iter().try_for_each(|(path, file)| file.commit().map_err(failed(&path)))
}

fn stage_side_file(path: &Path, extension: &str, bytes: &[u8]) -> Result<(PathBuf, Staged), String> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{extension}"));
    let name = PathBuf::from(name);
    let staged = replace::new_file(&name, Durability::Memory, |f| f.write_all(bytes)).map_err(failed(&name))?;
    Ok((name, staged))
}

fn stage_ids(args: &ResolveArgs, input: &Input, path: &Path, ids: &[u8]) -> Result<(PathBuf, Staged), String> {
    let plan =
        elf_out::overwrite(input.bytes(), SECTION, ids).map_err(|e| format!("FAILED: {}: {e}", path.display()))?;
    let write = |out: &mut File| plan.write(input.file(), out);
    let staged =
        replace::replacement(path, input.snapshot(), args.change.fsync.durability(), write).map_err(failed(path))?;
    Ok((path.to_owned(), staged))
}

fn patch_file(args: &ResolveArgs, blob: &Path, path: &Path) -> Result<u8, String> {
    let input = open_to_change(path)?;
    let data = open(blob)?;
    let staged = stage_patch(args, &data, blob, &input, path);
    unchanged(&input, path)?;
    unchanged(&data, blob)?;
    commit(vec![staged?])?;
    Ok(0)
}

fn stage_patch(
    args: &ResolveArgs,
    data: &Input,
    blob: &Path,
    input: &Input,
    path: &Path,
) -> Result<(PathBuf, Staged), String> {
    let file = elf(input, path)?;
    let Some(section) = file.section(SECTION.as_bytes()) else {
        return Err(format!("FAILED: section {SECTION} not found in {}", path.display()));
    };
    let (here, new) = (section.size, data.bytes().len());
    if here != new as u64 {
        let (path, blob) = (path.display(), blob.display());
        return Err(format!(
            "FAILED: size mismatch - {SECTION} in {path} has {here} bytes, {blob} has {new}: \
             it was made for another link of the file"
        ));
    }
    stage_ids(args, input, path, data.bytes())
}
