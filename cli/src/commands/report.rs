//! `btfgen report`: a page about the BTF of a kernel and its modules. What is in the files is counted as by `btfgen stats`; what is left out, and
//! what btfgen would write, is found by encoding them in memory.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use btf::base::Base;
use btf::kind::Kind;
use btf::stats::stats;
use btf::view::BtfView;
use dwarf::elf::ElfFile;
use encoder::batch::Batch;
use encoder::debug_files::DebugFiles;
use encoder::error::{Error, ErrorKind};
use encoder::input::Input;
use encoder::module_file;
use encoder::one_shot::{Distill, Ids, Task, one_shot};
use encoder::options::{Options, UnitChoice};
use encoder::replace::{self, Durability};
use encoder::report::Summary;
use encoder::{BaseBtf, Caller};
use rayon::prelude::*;

use super::encode::{replace_failure, same_file};
use super::loaded::{base_of, damaged, with_base, with_view};
use super::{btf_of, open, unchanged};
use crate::args::ReportArgs;
use crate::base_search;
use crate::exit::Exit;
use crate::files;
use crate::messages::{Failure, print_failure};
use crate::progress::{Progress, Unit};
use crate::report::{Again, FileReport, Report, page};
use crate::signals;

/// Runs the command. The exit code is that of the first file that cannot be read; the page says which ones those are.
pub fn run(args: &ReportArgs) -> Exit {
    match report(args) {
        Ok(exit) => exit,
        Err(failure) => print_failure(&failure),
    }
}

fn report(args: &ReportArgs) -> Result<Exit, Failure> {
    let modules = files::named(&[], std::slice::from_ref(&args.folder))?;
    let own = args.folder.join("vmlinux");
    let base = match &args.base.path {
        None if is_kernel(&own) => Some(own),
        named => base_of(named.as_deref(), &modules)?,
    };
    if let Some(input) = modules.iter().chain(&base).find(|input| same_file(input, &args.output)) {
        return Err(Failure::new(Exit::Usage, input, "it is an input, and the page would be written over it"));
    }
    signals::before_end(replace::abandon);
    let paths: Vec<PathBuf> = base.iter().cloned().chain(modules).collect();
    let has_base = base.is_some();
    let results = with_base(base.as_deref(), |view| Ok(look_at_all(&paths, view)))?;
    let names = names(&args.folder, &paths, has_base);
    let (mut report, mut releases) = (Report::default(), Vec::new());
    let mut exit = Exit::Done;
    for (result, name) in results.into_iter().zip(names) {
        match result {
            Ok(found) => {
                releases.extend(found.release);
                report.files.push(FileReport { path: name, ..found.report });
            }
            Err(failure) => {
                let code = print_failure(&failure);
                report.failures.push((name, failure.text));
                if exit == Exit::Done {
                    exit = code;
                }
            }
        }
    }
    releases.dedup();
    report.release = if releases.len() == 1 { releases.pop() } else { None };
    let page = page(&report);
    replace::write_new_file(&args.output, Durability::Memory, |file| {
        let mut out = BufWriter::new(file);
        out.write_all(page.as_bytes())?;
        out.flush()
    })
    .map_err(|e| replace_failure(&args.output, e))?;
    Ok(exit)
}

/// Whether there is a kernel with BTF: the folder is a build tree.
fn is_kernel(path: &Path) -> bool {
    Input::open(path).is_ok_and(|input| btf_of(&input, path).is_ok())
}

/// Paths below the last folder that all modules are in, whatever that is called; the base goes by its file's name.
fn names(folder: &Path, paths: &[PathBuf], has_base: bool) -> Vec<String> {
    let below = |path: &PathBuf| path.strip_prefix(folder).unwrap_or(path).to_owned();
    let modules: Vec<PathBuf> = paths[usize::from(has_base)..].iter().map(below).collect();
    let mut common = modules.first().and_then(|path| path.parent()).unwrap_or(Path::new("")).to_owned();
    while !modules.iter().all(|path| path.starts_with(&common)) {
        common.pop();
    }
    let base = has_base.then(|| paths[0].file_name().map(PathBuf::from).unwrap_or_default());
    let module = |path: PathBuf| path.strip_prefix(&common).map(Path::to_owned).unwrap_or(path);
    let names = base.into_iter().chain(modules.into_iter().map(module));
    names.map(|name| name.display().to_string()).collect()
}

/// What was found in a file.
struct Found {
    report: FileReport,
    /// The kernel that a module is for.
    release: Option<String>,
}

fn look_at_all(paths: &[PathBuf], base: Option<&BtfView<'_>>) -> Vec<Result<Found, Failure>> {
    let batch = base.map(|view| Batch::new(Base::new(view)));
    let progress = Progress::new(Unit::Files, paths.len() as u64);
    // Large files first, so that none is left to one thread at the end.
    let mut order: Vec<usize> = (0..paths.len()).collect();
    order.sort_by_cached_key(|&i| (std::cmp::Reverse(std::fs::metadata(&paths[i]).map_or(0, |m| m.len())), i));
    let one = |&i: &usize| {
        let is_base = base.is_some() && i == 0;
        let shared = batch.as_ref().filter(|_| !is_base).map(BaseBtf::Shared);
        let found = look_at(&paths[i], base.filter(|_| !is_base), shared);
        progress.done(Unit::Files, 1);
        (i, found)
    };
    let mut results: Vec<_> = order.par_iter().with_max_len(1).map(one).collect();
    progress.finish();
    results.sort_unstable_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

fn look_at(path: &Path, base: Option<&BtfView<'_>>, shared: Option<BaseBtf<'_>>) -> Result<Found, Failure> {
    let input = open(path)?;
    let found = look_into(path, &input, base, shared);
    unchanged(&input, path)?;
    found
}

fn look_into(
    path: &Path,
    input: &Input,
    base: Option<&BtfView<'_>>,
    shared: Option<BaseBtf<'_>>,
) -> Result<Found, Failure> {
    let release = ElfFile::parse(input.bytes()).ok().and_then(|elf| module_file::release(&elf));
    let encoded = encoded(path, input, shared);
    let report = match (btf_of(input, path), &encoded) {
        (Ok(_), _) => with_view(path, base, |view, _| figures(path, view))?,
        // What was not encoded yet is shown as it will be.
        (Err(_), Ok((btf, _))) => {
            let view = BtfView::parse_on(btf, base).map_err(|e| damaged(path, &e, ""))?;
            figures(path, &view)?
        }
        (Err(failure), Err(why)) => {
            return Err(Failure::new(Exit::Input, path, format!("{}; nor can it be encoded: {why}", failure.text)));
        }
    };
    let written = encoded.as_ref().ok().map(|(btf, _)| btf.len());
    let left_out = encoded.map(|(_, summary)| left_out(&summary));
    Ok(Found { report: FileReport { written, left_out, ..report }, release })
}

/// What is in a file's BTF.
fn figures(path: &Path, view: &BtfView<'_>) -> Result<FileReport, Failure> {
    let stats = stats(view, 0).map_err(|e| damaged(path, &e, ""))?;
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let mut again: Vec<Again> = stats
        .redefined
        .iter()
        .map(|m| Again { kind: m.kind.name(), name: text(&m.name), differs: true, bytes: m.bytes })
        .collect();
    let tagged = |kind| matches!(kind, Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64);
    if view.base().is_some() {
        let redundant = stats.redundant.iter().filter_map(|&id| view.get(id)).filter(|t| tagged(t.kind()));
        again.extend(redundant.filter_map(|t| {
            let name = view.string(t.name_off()).filter(|name| !name.is_empty())?;
            Some(Again { kind: t.kind().name(), name: text(name), differs: false, bytes: t.bytes().len() })
        }));
    }
    again.sort_unstable();
    let used = view.base().map(|_| stats.base_types_used.len());
    let (written, left_out) = (None, Err(String::new()));
    Ok(FileReport { path: String::new(), figures: stats.figures, used, again, written, left_out })
}

/// The BTF that btfgen would write now, and what it says about it; or why there is none.
fn encoded(path: &Path, input: &Input, base: Option<BaseBtf<'_>>) -> Result<(Vec<u8>, Summary), String> {
    let text = |e: Error| match e.kind() {
        ErrorKind::NoDwarf => "it has no DWARF debug information".to_owned(),
        _ => e.to_string(),
    };
    let release = |range| input.release(range);
    let elf = ElfFile::parse(input.bytes()).map_err(|e| e.to_string())?.releasing(&release);
    let debug_files = DebugFiles::find(path, &elf, &base_search::root()).map_err(text)?;
    let elf = debug_files.attach(elf).map_err(text)?;
    let options = Options { report_functions: true, units: UnitChoice::without_rust(), ..Options::default() };
    let task = Task { ids: Ids::Leave, distill: Distill::Off, ..Task::new(base, &options) };
    let encoded = one_shot(&elf, &task, Caller::default());
    debug_files.check().map_err(|(path, e)| format!("{}: {e}", path.display()))?;
    let (sections, summary) = encoded.map_err(text)?;
    Ok((sections.btf, summary))
}

/// Functions that are not described, each with why, by name.
fn left_out(summary: &Summary) -> Vec<(String, String)> {
    let reports = summary.function_reports.iter();
    let mut all: Vec<_> = reports.filter_map(|r| Some((r.name.clone(), r.dropped?.to_string()))).collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_folder_is_left_out() {
        let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
        let names = |list: &[&str], has_base| names(Path::new("/k"), &paths(list), has_base);
        assert_eq!(names(&["/k/vmlinux", "/k/m/net/a.ko", "/k/m/fs/b.ko"], true), ["vmlinux", "net/a.ko", "fs/b.ko"]);
        assert_eq!(names(&["/k/m/net/a.ko"], false), ["a.ko"]);
        assert_eq!(names(&["/boot/vmlinux-7", "/k/a.ko", "/k/b/c.ko"], true), ["vmlinux-7", "a.ko", "b/c.ko"]);
    }
}
