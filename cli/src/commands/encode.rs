//! Encoding: a base, files, and where the results go.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use btf::base::Base;
use btf::view::BtfView;
use dwarf::elf::ElfFile;
use encoder::elf_out::{self, SectionUpdate};
use encoder::error::ErrorKind;
use encoder::input::Input;
use encoder::options::Options;
use encoder::replace::{self, Durability, ReplaceError};
use encoder::report::Summary;
use encoder::threads::{Here, Threads as _};
use encoder::units::BYTES_PER_WORKER;
use encoder::{BaseBtf, Caller, Encoded};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use super::btf_of;
use crate::args::EncodeArgs;
use crate::choices;
use crate::exit::Exit;
use crate::messages::{Failure, print_failure, print_phases, print_summary, print_warning};
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
}

/// Runs the command.
pub fn run(args: &EncodeArgs, server: JobServer) -> Exit {
    match choices::options(args) {
        Ok((options, remarks)) => run_with(args, &options, &remarks, server),
        Err(text) => {
            eprintln!("btfgen: error: {text}");
            Exit::Usage
        }
    }
}

/// Runs the command with options that were decided, and remarks for `-v`.
pub fn run_with(args: &EncodeArgs, options: &Options, remarks: &[String], server: JobServer) -> Exit {
    let usage = |text: String| {
        eprintln!("btfgen: error: {text}");
        Exit::Usage
    };
    if args.files.is_empty() {
        return usage("no file to encode; see btfgen --help".into());
    }
    if args.verbose {
        remarks.iter().for_each(|r| eprintln!("btfgen: {r}"));
    }
    let destinations = match destinations(args) {
        Ok(destinations) => destinations,
        Err(text) => return usage(text),
    };
    if let Some(path) =
        args.functions_report.as_ref().filter(|p| args.files.iter().chain(&args.base).any(|f| same_file(f, p)))
    {
        return usage(format!("--functions-report would write over {}", path.display()));
    }
    let threads = Threads::new(args, server);
    let encode = |base: Option<BaseBtf<'_>>| encode_all(args, options, &destinations, base, &threads);
    match &args.base {
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
            return Err(format!("{a} and {b} have the same name, so --detached-dir would write one over the other"));
        }
        let mut name = name.to_owned();
        name.push(".btf");
        all.push(Destination::Detached(dir.join(name)));
    }
    Ok(all)
}

/// Calls `f` with the base: indexed if several files share it.
fn with_base<T>(path: &Path, many: bool, f: impl FnOnce(BaseBtf<'_>) -> T) -> Result<T, Failure> {
    let failed = |text: String| Failure::new(Exit::Base, path, text);
    let input = Input::open(path).map_err(|e| failed(format!("the base cannot be read: {e}")))?;
    let view = BtfView::parse(btf_of(&input, path)?)
        .map_err(|e| failed(format!("the base BTF is damaged, or the BTF of a module, which cannot be a base: {e}")))?;
    if !many {
        return Ok(f(BaseBtf::View(&view)));
    }
    let base = Base::new(&view);
    Ok(f(BaseBtf::Indexed(&base)))
}

fn encode_all(
    args: &EncodeArgs,
    options: &Options,
    destinations: &[Destination],
    base: Option<BaseBtf<'_>>,
    threads: &Threads,
) -> Exit {
    let progress = Progress::new(args);
    let one = |i: usize, threads: &dyn encoder::threads::Threads| {
        let result = encode_one(args, i, &destinations[i], base, options, threads, &progress);
        progress.file_done();
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

fn encode_one(
    args: &EncodeArgs,
    number: usize,
    destination: &Destination,
    base: Option<BaseBtf<'_>>,
    options: &Options,
    threads: &dyn encoder::threads::Threads,
    progress: &Progress,
) -> Result<Summary, Failure> {
    let path = &args.files[number];
    let input = Input::open(path).map_err(|e| Failure::new(Exit::Io, path, format!("cannot be read: {e}")))?;
    let elf = ElfFile::parse(input.bytes()).map_err(|e| Failure::new(Exit::Input, path, e.to_string()))?;
    let release = |range| input.release(range);
    let elf = elf.releasing(&release);
    progress.start(&elf);
    let caller = Caller { threads, progress: &|bytes| progress.unit(bytes) };
    let mut encoded = encoder::encode(&elf, base, options, caller).map_err(|e| {
        let base = args.base.as_deref().filter(|_| e.kind() == ErrorKind::BaseDamaged);
        Failure::new(e.kind().into(), base.unwrap_or(path), e.to_string())
    })?;
    let distilled =
        distill(&mut encoded, base, options).map_err(|e| Failure::new(e.kind().into(), path, e.to_string()))?;
    match destination {
        Destination::Detached(out) => {
            let write = |out: &Path, bytes: &[u8]| {
                replace::write_new_file(out, Durability::Disk, |f| f.write_all(bytes))
                    .map_err(|e| replace_failure(out, e))
            };
            if let Some(base) = &distilled {
                let mut name = out.as_os_str().to_owned();
                name.push(".base");
                write(Path::new(&name), base)?;
            }
            write(out, &encoded.btf)?
        }
        Destination::InPlace => write_elf(&input, path, None, encoded.btf, distilled)?,
        Destination::Copy(out) => write_elf(&input, path, Some(out), encoded.btf, distilled)?,
    }
    Ok(encoded.summary)
}

/// Puts the BTF on a distilled base, which is returned, if that is wanted.
fn distill(
    encoded: &mut Encoded,
    base: Option<BaseBtf<'_>>,
    options: &Options,
) -> encoder::error::Result<Option<Vec<u8>>> {
    let (Some(base), Some(ambiguous)) = (base, options.distill) else { return Ok(None) };
    let (distilled, warnings) = encoder::distill::distill(&encoded.btf, base.view(), ambiguous)?;
    encoded.summary.warnings.extend(warnings);
    encoded.summary.bytes = distilled.split.len();
    encoded.summary.distilled = Some((distilled.base.len(), distilled.base_types, distilled.moved));
    encoded.btf = distilled.split;
    Ok(Some(distilled.base))
}

fn write_elf(
    input: &Input,
    path: &Path,
    copy: Option<&Path>,
    btf: Vec<u8>,
    distilled: Option<Vec<u8>>,
) -> Result<(), Failure> {
    let refused = |e: elf_out::ElfOutError| Failure::new(Exit::Input, path, e.to_string());
    // A loaded .BTF keeps its size; the strings take up what is left over.
    let btf = match elf_out::allocated_room(input.bytes(), ".BTF").map_err(refused)? {
        Some(room) => Cow::Owned(btf::writer::pad(btf, room)),
        None => Cow::Owned::<[u8]>(btf),
    };
    let updates = [
        SectionUpdate { name: ".BTF", data: Some(&btf) },
        // Without one, what an earlier BTF of this file was based on goes.
        SectionUpdate { name: ".BTF.base", data: distilled.as_deref() },
    ];
    let plan = elf_out::plan(input.bytes(), &updates).map_err(refused)?;
    let write = |out: &mut File| plan.write(input.file(), out);
    match copy {
        Some(out) => replace::write_new_file(out, Durability::Disk, write).map_err(|e| replace_failure(out, e)),
        None => {
            replace::replace_file(path, input.snapshot(), Durability::Disk, write).map_err(|e| replace_failure(path, e))
        }
    }
}

pub(super) fn replace_failure(path: &Path, e: ReplaceError) -> Failure {
    let cause = std::error::Error::source(&e).map(|s| format!(": {s}")).unwrap_or_default();
    Failure::new(Exit::Io, path, format!("{e}{cause}"))
}

/// True if two paths lead to one file.
fn same_file(a: &Path, b: &Path) -> bool {
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

/// A progress bar: bytes of debug information for one file, files for many. On a terminal only.
struct Progress {
    bar: ProgressBar,
    many: bool,
}

impl Progress {
    fn new(args: &EncodeArgs) -> Progress {
        let many = args.files.len() > 1;
        let bar = if args.quiet { ProgressBar::hidden() } else { ProgressBar::new(args.files.len() as u64) };
        let template = if many { "{bar:30} {pos}/{len} files {eta}" } else { "{bar:30} {bytes}/{total_bytes} {eta}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Progress { bar, many }
    }

    fn start(&self, elf: &ElfFile<'_>) {
        if !self.many {
            self.bar.set_length(elf.section(b".debug_info").map_or(0, |s| s.size));
        }
    }

    fn unit(&self, bytes: u64) {
        if !self.many {
            self.bar.inc(bytes);
        }
    }

    fn file_done(&self) {
        if self.many {
            self.bar.inc(1);
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
