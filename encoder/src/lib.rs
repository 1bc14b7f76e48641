//! Encodes the DWARF of a kernel or a module as BTF.
//!
//! [`one_shot`] is what is done to a file. `encode` is the pipeline in it: debug sections, units in parallel, functions and variables
//! chosen, types resolved against the base, bytes. [`elf_out`] and [`replace`] put the result into the ELF file.
//!
//! In memory, with the defaults of the command line and on the BTF of a kernel:
//!
//! ```
//! use btf::view::BtfView;
//! use dwarf::elf::ElfFile;
//! use encoder::one_shot::{Task, one_shot};
//! use encoder::options::Options;
//! use encoder::{BaseBtf, Caller, elf_out};
//!
//! fn encoded(file: &[u8], base: Option<&BtfView<'_>>) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
//!     let options = Options::default();
//!     let task = Task::new(base.map(BaseBtf::View), &options);
//!     let (sections, _summary) = one_shot(&ElfFile::parse(file)?, &task, Caller::default())?;
//!     Ok(elf_out::plan(file, &sections.updates())?.apply(file))
//! }
//! # fn compiled(name: &str, source: &str) -> Vec<u8> {
//! #     let folder = std::env::temp_dir().join(format!("btfgen-encoder-doc-{}-{name}", std::process::id()));
//! #     std::fs::create_dir_all(&folder).unwrap();
//! #     std::fs::write(folder.join("a.c"), source).unwrap();
//! #     let compiled = std::process::Command::new("cc").args(["-g", "-O1", "-c", "a.c"]).current_dir(&folder).status();
//! #     assert!(compiled.unwrap().success());
//! #     let file = std::fs::read(folder.join("a.o")).unwrap();
//! #     std::fs::remove_dir_all(&folder).unwrap();
//! #     file
//! # }
//! # let vmlinux = compiled("vmlinux", "struct file { long pos; }; long f(struct file *file) { return file->pos; }");
//! # let module = compiled("module", "struct file { long pos; }; long g(struct file *file) { return file->pos + 1; }");
//! let vmlinux = encoded(&vmlinux, None)?;
//! let elf = ElfFile::parse(&vmlinux)?;
//! let base = BtfView::parse(elf.bytes(elf.section(b".BTF").expect("it was encoded"))?)?;
//! let module = encoded(&module, Some(&base))?;
//! # let elf = ElfFile::parse(&module)?;
//! # let split = BtfView::parse_split(elf.bytes(elf.section(b".BTF").unwrap())?, &base)?;
//! # let kinds: Vec<_> = split.types().map(|(_, t)| t.kind()).collect();
//! # assert_eq!(kinds, [btf::kind::Kind::Func], "all else is the kernel's");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Versions follow semver: before 1.0 a release that breaks callers raises the second number. All input may be damaged: it ends in an
//! [`error::Error`] that says where, never in a panic.
#![deny(unsafe_code)]

pub mod assemble;
pub mod batch;
pub mod btf_ids;
pub mod convert;
pub mod debug_files;
pub mod distill;
pub mod elf_out;
pub mod error;
pub mod functions;
pub mod hazards;
#[allow(unsafe_code)]
pub mod input;
pub mod kfuncs;
pub mod locations;
pub mod mentions;
pub mod module_file;
pub mod names;
pub mod one_shot;
pub mod open_units;
pub mod options;
pub mod output;
pub mod replace;
pub mod report;
pub mod schedule;
pub mod selection;
pub mod signature;
pub mod sources;
pub mod split;
pub mod stamp;
pub mod target;
pub mod threads;
pub mod units;
pub mod variables;
pub mod why_not;

use std::time::Instant;

use btf::base::Base;
use btf::dialect::Dialect;
use btf::header::Endian;
use btf::verify::KernelVersion;
use btf::view::BtfView;
use dwarf::elf::ElfFile;
use dwarf::sections::DebugData;
use gimli::{BigEndian, Endianity, LittleEndian};

use batch::Batch;
use btf_ids::{IdSection, order};
use error::{Error, ErrorKind, Result};
use functions::FunctionSymbols;
use kfuncs::Kfuncs;
use locations::Machine;
use options::Options;
use report::{Phase, Summary};
use sources::Sources;
use split::SplitFiles;
use target::Target;
use threads::{Here, Threads};
use units::{Folded, Job, Repeated};
use variables::DataSections;

/// A file's BTF, not yet verified.
struct Encoded<'a> {
    /// The bytes of `.BTF`.
    btf: Vec<u8>,
    /// What there is to say about it.
    summary: Summary,
    /// The file's `.BTF_ids` in link-time order, if it has it and it matters.
    section: Option<IdSection<'a>>,
}

/// What the caller lends, and wants to know.
#[derive(Clone, Copy)]
pub struct Caller<'c> {
    /// Where threads come from.
    pub threads: &'c dyn Threads,
    /// Called with the bytes of each unit that was read.
    pub progress: &'c (dyn Fn(u64) + Sync),
    /// What the caller has to do as well, where there is a second thread for it: what comes after the units is for one. May be
    /// called more than once, or not at all.
    pub meanwhile: Option<&'c (dyn Fn() + Sync)>,
}

impl Default for Caller<'_> {
    /// The pool that the caller runs in, and nobody who wants to know.
    fn default() -> Self {
        Caller { threads: &Here, progress: &|_| {}, meanwhile: None }
    }
}

/// The base of an encoding.
#[derive(Clone, Copy, Debug)]
pub enum BaseBtf<'a> {
    /// Indexed, for any number of files.
    Shared(&'a Batch<'a>),
    /// To be indexed for one file, no further than it needs.
    View(&'a BtfView<'a>),
}

impl<'a> BaseBtf<'a> {
    fn batch(self) -> Option<&'a Batch<'a>> {
        match self {
            BaseBtf::Shared(batch) => Some(batch),
            BaseBtf::View(_) => None,
        }
    }

    /// The base itself.
    pub fn view(self) -> &'a BtfView<'a> {
        match self {
            BaseBtf::Shared(batch) => batch.base().view(),
            BaseBtf::View(view) => view,
        }
    }
}

/// What encoding needs besides the file.
#[derive(Clone, Copy)]
struct Request<'r> {
    base: Option<BaseBtf<'r>>,
    options: &'r Options,
    /// The flags of kfuncs that matter ([`order::link_order`]). With none, `.BTF_ids` is not read.
    flags: u32,
    caller: Caller<'r>,
}

/// Encodes an ELF file: on top of a base (split BTF), or by itself.
///
/// # Errors
/// A file without DWARF, damaged DWARF, a base that does not go with it, a result beyond the limits of BTF; sets in `.BTF_ids` whose
/// order matters and cannot be restored.
fn encode<'a>(file: &ElfFile<'a>, request: Request<'_>, clock: &mut Clock) -> Result<Encoded<'a>> {
    match file.endian {
        object::Endianness::Little => encode_as(file, request, LittleEndian, clock),
        object::Endianness::Big => encode_as(file, request, BigEndian, clock),
    }
}

fn encode_as<'a, E: Endianity + Send + Sync>(
    file: &ElfFile<'a>,
    request: Request<'_>,
    endian: E,
    clock: &mut Clock,
) -> Result<Encoded<'a>> {
    let Request { base: base_btf, options, flags, .. } = request;
    let target_endian = if endian.is_big_endian() { Endian::Big } else { Endian::Little };
    if !file.has_dwarf() && base_btf.is_some() && options.empty_without_dwarf {
        let warnings = vec!["no DWARF debug information: its BTF is empty".into()];
        let btf = btf::writer::empty_split(target_endian);
        output::check(&btf, None, base_btf.map(BaseBtf::view), if file.is_64 { 8 } else { 4 }, KernelVersion::NEWEST)?;
        let summary = Summary { bytes: btf.len(), string_bytes: 1, has_base: true, warnings, ..Summary::default() };
        let section = id_section(file, base_btf.map(BaseBtf::view), flags)?;
        return Ok(Encoded { btf, summary, section });
    }
    if !file.has_dwarf() {
        let text = "no DWARF debug information (.debug_info): build with CONFIG_DEBUG_INFO_DWARF5 or -g, and encode before stripping";
        return Err(Error::new(ErrorKind::NoDwarf, text));
    }
    let base_view = base_btf.map(BaseBtf::view);
    if let Some(base) = base_view.filter(|b| b.endian() != target_endian) {
        let name = |e: Endian| if e == Endian::Big { "big-endian" } else { "little-endian" };
        let (theirs, ours) = (name(base.endian()), name(target_endian));
        let text = format!("the base BTF is {theirs}, the file is {ours}: pass the vmlinux of the same build");
        return Err(Error::new(ErrorKind::Base, text));
    }
    let word_size = if file.is_64 { 8 } else { 4 };
    if let Some(size) = base_view.and_then(|b| b.word_size()).filter(|&s| u64::from(s) != word_size) {
        let text = format!(
            "the base BTF is of a {}-bit kernel, the file has {} bits: pass the vmlinux of the same build",
            size * 8,
            word_size * 8
        );
        return Err(Error::new(ErrorKind::Base, text));
    }
    let data = file.debug_data()?;
    let mut encode = || encode_sections(file, &data, request, endian, clock);
    match encode() {
        // What was read without relocations that stand elsewhere in the table says nothing.
        Err(_) if data.info.put_in_order() => encode(),
        first => first,
    }
}

fn encode_sections<'a, E: Endianity + Send + Sync>(
    file: &ElfFile<'a>,
    data: &DebugData<'_>,
    request: Request<'_>,
    endian: E,
    clock: &mut Clock,
) -> Result<Encoded<'a>> {
    let Request { base: base_btf, options, flags, caller } = request;
    let base_view = base_btf.map(BaseBtf::view);
    // Held until the units are read; what comes after them is for one thread.
    let package_data = file.package_data();
    let package_bytes = package_data.as_ref().and_then(|data| data.as_ref().ok()).map_or(0, |data| data.info.len());
    let lent = caller.threads.lend(units::useful_workers(data.info.len() + package_bytes));
    let target = Target::new(options.target, base_view);
    let features = target.features(options.features);
    let others = || {
        let data_sections = DataSections::of(file, features, target);
        let sources = Sources::new(data, endian);
        let split = SplitFiles::new(file, package_data.as_ref(), endian);
        (sources, split, id_section(file, base_view, flags), data_sections)
    };
    let (symbols, (sources, split, section, data_sections)) =
        threads::run(&*lent, || rayon::join(|| FunctionSymbols::of(file, options.selection), others));
    let sources = sources?;
    let headers = &sources.get(0).headers;
    let (symbols, section, data_sections) = (symbols?, section?, data_sections?);
    let kfuncs = section.as_ref().filter(|_| features.decl_tag_kfuncs).map(Kfuncs::of).unwrap_or_default();
    clock.lap("units found, symbols", || {
        format!("{} bytes, {} units, {} names of functions", data.info.len(), headers.len(), symbols.len())
    });

    let wanted = options.dialect.unwrap_or_else(|| match base_btf {
        Some(BaseBtf::Shared(batch)) => batch.base().dialect(),
        Some(BaseBtf::View(view)) => Dialect::of(view, Dialect::PAHOLE_1_32),
        None => Dialect::PAHOLE_1_32,
    });
    let dialect = target.dialect(wanted);
    let job = Job {
        sources: &sources,
        split: &split,
        repeated: Repeated::default(),
        endian,
        headers,
        bytes: package_bytes + headers.iter().map(split::bytes_to_read).sum::<usize>(),
        wanted,
        dialect,
        options,
        features,
        target,
        symbols: &symbols,
        machine: Machine::of(file.machine, file.is_64, options.selection),
        data: &data_sections,
        linked: !file.relocatable,
        batch: base_btf.and_then(BaseBtf::batch),
        progress: caller.progress,
    };
    let folded = threads::run(&*lent, || units::fold(&job))?;
    drop(lent);
    data.check()?;
    if let Some(Ok(data)) = &package_data {
        data.check()?;
    }
    clock.lap("units", || {
        let classes = &folded.fold.classes;
        format!("{} types, {} classes", folded.types_read, classes.end() - classes.first())
    });
    let (btf, summary) = beside(caller, || finish_sections(&job, folded, base_btf, &kfuncs, file, clock))?;
    Ok(Encoded { btf, summary, section })
}

/// Runs a step that is for one thread and, if there is a second one, what the caller has to do meanwhile.
fn beside<T: Send>(caller: Caller<'_>, step: impl FnOnce() -> T + Send) -> T {
    let Some(work) = caller.meanwhile else { return step() };
    let lent = caller.threads.lend(2);
    threads::run(&*lent, || if rayon::current_num_threads() > 1 { rayon::join(step, work).0 } else { step() })
}

/// What comes after the units: the bytes of `.BTF`, and what there is to say about it.
fn finish_sections<E: Endianity + Send + Sync>(
    job: &Job<'_, E>,
    mut folded: Folded<'_>,
    base_btf: Option<BaseBtf<'_>>,
    kfuncs: &Kfuncs<'_>,
    file: &ElfFile<'_>,
    clock: &mut Clock,
) -> Result<(Vec<u8>, Summary)> {
    let &Job { symbols, options, features, target, wanted, dialect, headers, data, .. } = job;
    let base_view = base_btf.map(BaseBtf::view);
    let target_endian = if job.endian.is_big_endian() { Endian::Big } else { Endian::Little };
    let word_size = if file.is_64 { 8 } else { 4 };
    let decisions =
        selection::select(options.selection, features, target, symbols, &folded.instances, &folded.fold.classes);
    assemble::add_functions(&mut folded, &decisions, symbols, data);
    clock.lap("functions", || format!("{} candidates", folded.instances.list.len()));

    if base_view.is_some_and(BtfView::is_dangling) {
        let text = "the base BTF refers to types or names that it does not have: it is that of a module, which cannot be a base, or damaged; pass the vmlinux";
        return Err(Error::new(ErrorKind::BaseDamaged, text));
    }
    let own_base;
    let (base, mut folded) = match base_btf {
        None => (None, folded),
        Some(BaseBtf::Shared(batch)) => (Some(batch.base()), folded),
        Some(BaseBtf::View(view)) => {
            own_base = Base::for_classes(view, &folded.fold.strings, &folded.fold.classes);
            (Some(&own_base), folded.onto(&own_base))
        }
    };
    clock.lap("base", || format!("{} types", base.map_or(0, |b| b.type_count())));

    let parts = assemble::Parts {
        base,
        endian: target_endian,
        word_size,
        symbols,
        kfuncs,
        options,
        features,
        kernel: target,
        sections: data,
    };
    let (btf, mut summary) = assemble::assemble(&mut folded, &decisions, &parts, clock)?;

    summary.units = headers.len();
    summary.units_excluded = folded.excluded;
    summary.types_read = folded.types_read;
    summary.degraded = folded.degraded;
    summary.names_changed = folded.names_changed.len() as u64;
    summary.dialect = Some(dialect);
    summary.left_out = target.left_out(options.features, wanted);
    summary.sections_refused = data.refused;
    summary.has_base = base.is_some();
    summary.dialect_of_base = base.is_some() && options.dialect.is_none();
    if !file.has_symbols() {
        summary.warnings.push("no .symtab: functions and variables are left out".into());
    }
    Ok((btf, summary))
}

/// The file's `.BTF_ids` in link-time order, with these flags of its kfuncs; not read if there are none.
fn id_section<'a>(file: &ElfFile<'a>, base: Option<&BtfView<'_>>, flags: u32) -> Result<Option<IdSection<'a>>> {
    if flags == 0 { Ok(None) } else { order::link_order(file, base, flags) }
}

/// Times the phases.
pub struct Clock {
    start: Instant,
    phases: Vec<Phase>,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { start: Instant::now(), phases: Vec::new() }
    }
}

impl Clock {
    /// Ends a phase.
    pub fn lap(&mut self, name: &'static str, amount: impl FnOnce() -> String) {
        let now = Instant::now();
        self.phases.push(Phase { name, time: now - self.start, amount: amount() });
        self.start = now;
    }
}
