//! Encoding: a base, files, and where the results go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use btf::base::Base;
use btf::view::BtfView;
use dwarf::elf::ElfFile;
use encoder::batch::Batch;
use encoder::debug_files::DebugFiles;
use encoder::elf_out::{self, ElfOutError};
use encoder::error::ErrorKind;
use encoder::input::Input;
use encoder::module_file::{self, Compression};
use encoder::one_shot::{Distill, Ids, Sections, Task, one_shot};
use encoder::options::{Features, Options};
use encoder::output;
use encoder::replace::{self, Durability, ReplaceError, Staged};
use encoder::report::Summary;
use encoder::stamp::Identity;
use encoder::threads::{Here, Threads as _};
use encoder::units::BYTES_PER_WORKER;
use encoder::{BaseBtf, Caller};
use rayon::prelude::*;

use super::in_place::InPlace;
use super::{btf_of, identity, open_base, unchanged};
use crate::args::{self, EncodeArgs};
use crate::base_search;
use crate::choices;
use crate::exit::Exit;
use crate::fault;
use crate::files;
use crate::messages::{
    Failure, fatal_warnings, print_error, print_failure, print_finding, print_phases, print_summary, print_warning,
};
use crate::progress::{Progress, Unit};
use crate::signals;
use crate::threads::Threads;
use crate::tokens::JobServer;

/// Where the BTF of a file goes.
#[derive(Clone, Debug)]
enum Destination {
    /// Into the file itself.
    InPlace,
    /// Into a copy of the file.
    Copy(PathBuf),
    /// By itself.
    Detached(PathBuf),
    /// Into an object file for the linker; the ids by themselves.
    Object(PathBuf, Option<PathBuf>),
}

impl Destination {
    /// Whether the file itself, or a copy of it, gets the BTF.
    fn is_whole_file(&self) -> bool {
        match self {
            Destination::InPlace | Destination::Copy(_) => true,
            Destination::Detached(_) | Destination::Object(..) => false,
        }
    }
}

/// Runs the command.
pub fn run(args: &EncodeArgs, server: JobServer) -> Exit {
    match choices::options(args, Features::USUAL) {
        Ok((options, remarks)) => run_with(args, &options, &remarks, server),
        Err(text) => {
            print_error(&text);
            Exit::Usage
        }
    }
}

/// Runs the command with options that were decided, and remarks for `-v`.
pub fn run_with(args: &EncodeArgs, options: &Options, remarks: &[String], server: JobServer) -> Exit {
    let usage = |text: String| {
        print_error(&text);
        Exit::Usage
    };
    if args.files.is_empty() && args.modules_dirs.is_empty() {
        return usage("no file to encode; see btfgen --help".into());
    }
    let mut named = args.clone();
    match files::named(&args.files, &args.modules_dirs) {
        // An empty list is no mistake.
        Ok(files) if files.is_empty() => return Exit::Done,
        Ok(files) => named.files = files,
        Err(failure) => return print_failure(&failure),
    }
    if named.base.path.is_none() && !named.no_base {
        match base_search::find(&named.files) {
            Ok(base) => named.base.path = base,
            Err(failure) => return print_failure(&failure),
        }
    }
    let args = &named;
    let distill = match choices::distill(args) {
        Ok(distill) => distill,
        Err(text) => return usage(text),
    };
    if args.verbose {
        remarks.iter().for_each(|r| eprintln!("btfgen: {r}"));
    }
    let destinations = match destinations(args) {
        Ok(destinations) => destinations,
        Err(text) => return usage(text),
    };
    if let Some(path) =
        args.functions_report.as_ref().filter(|p| args.files.iter().chain(&args.base.path).any(|f| same_file(f, p)))
    {
        return usage(format!("--functions-report would write over {}", path.display()));
    }
    let stamp = match &args.base.path {
        Some(base) if args.stamp => match stamp_of(base) {
            Ok(stamp) => Some(stamp),
            Err(failure) => return print_failure(&failure),
        },
        None if args.stamp => return usage("--stamp says which base a module is for: pass --btf_base".into()),
        _ => None,
    };
    let threads = Threads::new(args, server);
    signals::before_end(replace::abandon);
    let unit = if args.files.len() > 1 { Unit::Files } else { Unit::Bytes };
    let progress = Progress::new(unit, args.files.len() as u64);
    let encode = |base: Option<BaseOf<'_>>| {
        let job = Job { args, options, base, distill, stamp: stamp.as_ref(), progress: &progress };
        encode_all(&job, &destinations, &threads)
    };
    match &args.base.path {
        None => encode(None),
        Some(path) => match with_base(path, args.files.len() > 1, |base| encode(Some(base))) {
            Ok(exit) => exit,
            Err(failure) => print_failure(&failure),
        },
    }
}

fn destinations(args: &EncodeArgs) -> Result<Vec<Destination>, String> {
    let single = |option: &str| {
        if args.files.len() == 1 {
            Ok(())
        } else {
            Err(format!("{option} takes one file; use --detached-dir for many"))
        }
    };
    if let Some(out) = &args.detached {
        single("--btf_encode_detached")?;
        return Ok(vec![Destination::Detached(out.clone())]);
    }
    if let Some(out) = &args.object {
        single("--btf_object")?;
        for out in args.ids.iter().chain([out]) {
            if args.files.iter().chain(&args.base.path).any(|file| same_file(file, out)) {
                return Err(format!("{} is an input, and would be written over", out.display()));
            }
        }
        return Ok(vec![Destination::Object(out.clone(), args.ids.clone())]);
    }
    if let Some(out) = &args.output {
        single("-o")?;
        return Ok(vec![Destination::Copy(out.clone())]);
    }
    let Some(dir) = &args.detached_dir else {
        let mut seen = std::collections::BTreeMap::new();
        for file in &args.files {
            // One that cannot be found is reported when its turn comes.
            let Ok(real) = file.canonicalize() else { continue };
            if let Some(other) = seen.insert(real, file) {
                let (a, b) = (other.display(), file.display());
                return Err(format!("{a} and {b} are the same file: name it once"));
            }
        }
        return Ok(vec![Destination::InPlace; args.files.len()]);
    };
    let mut seen = std::collections::BTreeMap::new();
    let mut all = Vec::new();
    for file in &args.files {
        let Some(name) = file.file_name() else {
            return Err(format!("{} is not a file", file.display()));
        };
        if let Some(other) = seen.insert(name, file) {
            let (a, b) = (other.display(), file.display());
            return Err(format!(
                "{a} and {b} have the same name, so --detached-dir would write one over the other: use a folder for each"
            ));
        }
        let mut name = name.to_owned();
        name.push(".btf");
        all.push(Destination::Detached(dir.join(name)));
    }
    Ok(all)
}

/// A base, and the file that it is from.
#[derive(Clone, Copy)]
struct BaseOf<'b> {
    btf: BaseBtf<'b>,
    input: &'b Input,
    path: &'b Path,
}

/// Calls `f` with the base: indexed if several files share it.
fn with_base<T>(path: &Path, many: bool, f: impl FnOnce(BaseOf<'_>) -> T) -> Result<T, Failure> {
    let failed = |text: String| Failure::new(Exit::Base, path, text);
    let input = open_base(path)?;
    let damaged = |e| failed(format!("the base BTF is damaged, or the BTF of a module, which cannot be a base: {e}"));
    let view = btf_of(&input, path).and_then(|bytes| BtfView::parse(bytes).map_err(damaged));
    let view = match view {
        Ok(view) => view,
        Err(failure) => return Err(unchanged(&input, path).err().unwrap_or(failure)),
    };
    if !many {
        return Ok(f(BaseOf { btf: BaseBtf::View(&view), input: &input, path }));
    }
    let batch = Batch::new(Base::new(&view));
    Ok(f(BaseOf { btf: BaseBtf::Shared(&batch), input: &input, path }))
}

/// The stamp of modules that are encoded on a base.
fn stamp_of(path: &Path) -> Result<Identity, Failure> {
    let input = open_base(path)?;
    let stamp = btf_of(&input, path).map(|btf| identity(&input, btf));
    unchanged(&input, path)?;
    stamp
}

fn encode_all(job: &Job<'_>, destinations: &[Destination], threads: &Threads) -> Exit {
    let &Job { args, progress, .. } = job;
    let one = |i: usize, threads: &dyn encoder::threads::Threads| {
        let result = encode_one(job, i, &destinations[i], threads);
        progress.done(Unit::Files, 1);
        (i, result)
    };
    let mut results: Vec<(usize, Result<Summary, Failure>)> = Vec::new();
    if args.files.len() == 1 {
        results.push(one(0, threads));
    } else {
        // Large files first, so that none is left to one thread at the end.
        let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |m| m.len());
        let mut order: Vec<(u64, usize)> = args.files.iter().map(size).zip(0..).collect();
        order.sort_unstable_by_key(|&(size, i)| (std::cmp::Reverse(size), i));
        // The units of a large file are shared out as well.
        let useful = order.iter().map(|(size, _)| 1 + (size / BYTES_PER_WORKER as u64) as usize).sum();
        results = encoder::threads::run(&*threads.lend(useful), || {
            order.par_iter().with_max_len(1).map(|&(_, i)| one(i, &Here)).collect()
        });
        results.sort_unstable_by_key(|(i, _)| *i);
    }
    progress.finish();
    let mut exit = Exit::Done;
    for (i, result) in &results {
        match result {
            Ok(summary) => {
                summary.warnings.iter().for_each(|w| print_warning(&args.files[*i], w));
                summary.findings.iter().for_each(|f| print_finding(&args.files[*i], f));
                if args.verbose {
                    print_summary(&args.files[*i], summary);
                }
                if args.time {
                    print_phases(&args.files[*i], summary);
                }
            }
            Err(failure) => {
                let code = print_failure(failure);
                if exit == Exit::Done {
                    exit = code;
                }
            }
        }
    }
    if let Some(path) = &args.functions_report {
        let write = |file: &mut File| {
            let mut out = BufWriter::new(file);
            write_functions_report(&mut out, &args.files, &results)?;
            out.flush()
        };
        if let Err(e) = replace::write_new_file(path, Durability::Memory, write) {
            let code = print_failure(&replace_failure(path, e));
            if exit == Exit::Done {
                exit = code;
            }
        }
    }
    exit
}

/// What all files have in common.
struct Job<'j> {
    args: &'j EncodeArgs,
    options: &'j Options,
    base: Option<BaseOf<'j>>,
    distill: Distill,
    stamp: Option<&'j Identity>,
    progress: &'j Progress,
}

impl Job<'_> {
    /// That neither a file nor its base were changed since they were opened.
    fn unchanged(&self, input: &Input, path: &Path) -> Result<(), Failure> {
        unchanged(input, path)?;
        self.base.map_or(Ok(()), |base| unchanged(base.input, base.path))
    }
}

fn encode_one(
    job: &Job<'_>,
    number: usize,
    destination: &Destination,
    threads: &dyn encoder::threads::Threads,
) -> Result<Summary, Failure> {
    let path = &job.args.files[number];
    let input = Input::open(path).map_err(|e| {
        let hint = match e.kind() {
            io::ErrorKind::NotFound => {
                let meant = args::command_like(path);
                meant.map_or(String::new(), |command| format!("; if this is to be a command: `btfgen {command}`"))
            }
            _ if path.is_dir() => "; --modules-dir encodes the modules below it".into(),
            _ => String::new(),
        };
        Failure::new(Exit::Io, path, format!("cannot be read: {e}{hint}"))
    })?;
    let staged = stage(job, path, &input, destination, threads);
    // If another wrote to what was read, an error that came of it is not the reason.
    job.unchanged(&input, path)?;
    let (summary, files) = staged?;
    for (out, file) in files {
        file.commit().map_err(|e| replace_failure(&out, e))?;
    }
    Ok(summary)
}

/// Files that are complete, but not in their places yet, in the order in which they come there.
type Files = Vec<(PathBuf, Staged)>;

/// Encodes a file; the results are on the disk, but not in their places yet. Those come in this order.
fn stage(
    job: &Job<'_>,
    path: &Path,
    input: &Input,
    destination: &Destination,
    threads: &dyn encoder::threads::Threads,
) -> Result<(Summary, Files), Failure> {
    let &Job { args, options, base, distill, stamp, progress } = job;
    let base = base.map(|base| base.btf);
    let bytes = elf_part(args, path, destination, input.bytes())?;
    let elf = ElfFile::parse(bytes).map_err(|e| Failure::new(Exit::Input, path, e.to_string()))?;
    let release = |range| input.release(range);
    let elf = elf.releasing(&release);
    let failed = |e: encoder::error::Error| Failure::new(e.kind().into(), path, e.to_string());
    let debug_files = DebugFiles::find(path, &elf, &base_search::root()).map_err(failed)?;
    let elf = debug_files.attach(elf).map_err(failed)?;
    progress.expect(Unit::Bytes, elf.debug_file().section(b".debug_info").map_or(0, |s| s.size));
    let in_place = InPlace::new(path, input, elf.data());
    let begin = || in_place.begin();
    // Where there are many files, the other threads have theirs.
    let ahead = matches!(destination, Destination::InPlace) && args.files.len() == 1 && in_place.is_large();
    let meanwhile = ahead.then_some(&begin as &(dyn Fn() + Sync));
    let caller = Caller { threads, progress: &|bytes| progress.done(Unit::Bytes, bytes), meanwhile };
    let ids = match destination {
        Destination::Detached(_) | Destination::Object(_, None) => Ids::Leave,
        _ if args.no_ids => Ids::LinkOrder,
        _ => Ids::Fill,
    };
    // Those who compare want what pahole writes.
    let describe_kfuncs = !args.no_ids && args.compat.is_none();
    let task = Task { base, options, describe_kfuncs, ids, distill, stamp };
    let encoded = one_shot(&elf, &task, caller);
    debug_files.check().map_err(|(path, e)| Failure::new(Exit::Io, path, e.to_string()))?;
    let (mut sections, summary) = encoded.map_err(|e| {
        let base = args.base.path.as_deref().filter(|_| e.kind() == ErrorKind::BaseDamaged);
        Failure::new(e.kind().into(), base.unwrap_or(path), debug_files.explain(&e))
    })?;
    if args.change.fatal_warnings && !summary.findings.is_empty() {
        let mut text = fatal_warnings(summary.findings.len());
        summary.findings.iter().for_each(|finding| text += &format!("\n  {finding}"));
        return Err(Failure::new(Exit::Warnings, path, text));
    }
    let padded = destination.is_whole_file()
        && sections.fill_room(elf.data()).map_err(|e| Failure::new(Exit::Input, path, e.to_string()))?;
    // Nothing that a kernel would refuse leaves this program. What was checked and has not changed since is not checked again.
    if padded || fault::is_wanted() {
        let word_size = if elf.is_64 { 8 } else { 4 };
        let (btf, base) = (fault::damage(&sections.btf), base.map(BaseBtf::view));
        output::check(&btf, sections.base.as_deref(), base, word_size, sections.kernel)
            .map_err(|e| Failure::new(e.kind().into(), path, e.to_string()))?;
    }
    // What goes to a pipe is there at once.
    job.unchanged(input, path)?;
    let files = write(input, in_place, elf.data(), path, destination, &sections, args.change.fsync.durability())?;
    Ok((summary, files))
}

/// The bytes of a file that are to be encoded: all of them, or those before a signature.
fn elf_part<'i>(
    args: &EncodeArgs,
    path: &Path,
    destination: &Destination,
    bytes: &'i [u8],
) -> Result<&'i [u8], Failure> {
    let refused = |text: String| Failure::new(Exit::Input, path, text);
    if let Some(compression) = Compression::of(bytes) {
        return Err(refused(compression.refusal()));
    }
    if !destination.is_whole_file() {
        return Ok(bytes);
    }
    match module_file::signature(bytes).map_err(|e| refused(e.to_string()))? {
        None => Ok(bytes),
        Some(start) if args.strip_signature => Ok(&bytes[..start]),
        Some(start) => Err(refused(format!(
            "it is signed: the signature at offset {start:#x} would no longer match: encode before signing, or let \
             --strip-signature cut it off, then sign again"
        ))),
    }
}

/// Writes the result beside where it belongs. `elf` is what of the input is to be kept.
fn write(
    input: &Input,
    in_place: InPlace<'_>,
    elf: &[u8],
    path: &Path,
    destination: &Destination,
    sections: &Sections,
    durability: Durability,
) -> Result<Files, Failure> {
    let refused = |e: ElfOutError| Failure::new(Exit::Input, path, e.to_string());
    match destination {
        Destination::Detached(out) => {
            // Last what others wait for.
            let base = sections.base.as_ref().map(|base| {
                let mut name = out.as_os_str().to_owned();
                name.push(".base");
                stage_bytes(Path::new(&name), base)
            });
            base.into_iter().chain([stage_bytes(out, &sections.btf)]).collect()
        }
        Destination::Object(out, ids) => {
            let object = elf_out::linkable(elf, &sections.btf).map_err(refused)?;
            // A file without .BTF_ids gets none by itself either.
            let ids = ids.as_ref().zip(sections.ids.as_ref()).map(|(out, ids)| stage_bytes(out, ids));
            ids.into_iter().chain([stage_bytes(out, &object)]).collect()
        }
        Destination::InPlace | Destination::Copy(_) => {
            let updates = sections.updates();
            let plan = elf_out::plan(elf, &updates).map_err(refused)?;
            let (target, staged) = match destination {
                Destination::Copy(out) => {
                    (out.as_path(), replace::new_file(out, durability, |file| plan.write(input.file(), file)))
                }
                _ => (path, in_place.stage(&plan, durability)),
            };
            staged.map(|staged| vec![(target.to_owned(), staged)]).map_err(|e| replace_failure(target, e))
        }
    }
}

/// Writes what can be made again: only the user's own file may be worth waiting for the disk.
fn stage_bytes(path: &Path, bytes: &[u8]) -> Result<(PathBuf, Staged), Failure> {
    let staged = replace::new_file(path, Durability::Memory, |file| file.write_all(bytes));
    staged.map(|staged| (path.to_owned(), staged)).map_err(|e| replace_failure(path, e))
}

pub(super) fn replace_failure(path: &Path, e: ReplaceError) -> Failure {
    let cause = std::error::Error::source(&e).map(|s| format!(": {s}")).unwrap_or_default();
    let no_folder = matches!(&e, ReplaceError::Io { path, source, .. }
        if source.kind() == io::ErrorKind::NotFound && !path.exists());
    let hint = if no_folder { "; make that folder first" } else { "" };
    Failure::new(Exit::Io, path, format!("{e}{cause}{hint}"))
}

/// True if two paths lead to one file.
pub(super) fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn write_functions_report(
    out: &mut impl Write,
    files: &[PathBuf],
    results: &[(usize, Result<Summary, Failure>)],
) -> io::Result<()> {
    writeln!(out, "file\tfunction\tdecision\treason")?;
    for (i, result) in results {
        let Ok(summary) = result else { continue };
        let file = files[*i].file_name().unwrap_or_default().to_string_lossy();
        for report in &summary.function_reports {
            let (decision, reason) = match report.dropped {
                None => ("kept", report.note.map_or_else(String::new, |n| n.to_string())),
                Some(reason) => ("dropped", reason.to_string()),
            };
            writeln!(out, "{file}\t{}\t{decision}\t{reason}", report.name)?;
        }
    }
    out.flush()
}
