//! Encodes the DWARF of a kernel or a module as BTF.
//!
//! [`encode`] is the pipeline: debug sections, units in parallel, functions and variables chosen, types resolved against
//! the base, bytes. [`elf_out`] and [`replace`] put the bytes into the ELF file.
#![deny(unsafe_code)]

pub mod assemble;
pub mod batch;
pub mod btf_ids;
pub mod convert;
pub mod distill;
pub mod elf_out;
pub mod error;
pub mod functions;
#[allow(unsafe_code)]
pub mod input;
pub mod kfuncs;
pub mod locations;
pub mod module_file;
pub mod names;
pub mod options;
pub mod replace;
pub mod report;
pub mod schedule;
pub mod selection;
pub mod signature;
pub mod stamp;
pub mod threads;
pub mod units;
pub mod variables;

use std::time::Instant;

use btf::base::Base;
use btf::dialect::Dialect;
use btf::header::Endian;
use btf::verify::{self, Level};
use btf::view::BtfView;
use dwarf::elf::ElfFile;
use dwarf::sections::DebugData;
use dwarf::unit::UnitKind;
use gimli::{BigEndian, Endianity, LittleEndian};

use batch::Batch;
use error::{Error, ErrorKind, Result};
use functions::FunctionSymbols;
use kfuncs::Kfuncs;
use locations::Machine;
use options::Options;
use report::{Phase, Summary};
use threads::Threads;
use units::Job;
use variables::DataSection;

/// A file's BTF.
#[derive(Debug)]
pub struct Encoded {
    /// The bytes of `.BTF`.
    pub btf: Vec<u8>,
    /// What there is to say about it.
    pub summary: Summary,
}

/// What the caller lends, and wants to know.
#[derive(Clone, Copy)]
pub struct Caller<'c> {
    /// Where threads come from.
    pub threads: &'c dyn Threads,
    /// Called with the bytes of each unit that was read.
    pub progress: &'c (dyn Fn(u64) + Sync),
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

/// Encodes an ELF file: on top of a base (split BTF), or by itself.
///
/// The result is the same for any number of threads.
///
/// # Errors
/// A file without DWARF, damaged DWARF, a base that does not go with it, a result beyond the limits of BTF.
pub fn encode(file: &ElfFile<'_>, base: Option<BaseBtf<'_>>, options: &Options, caller: Caller<'_>) -> Result<Encoded> {
    match file.endian {
        object::Endianness::Little => encode_as(file, base, options, caller, LittleEndian),
        object::Endianness::Big => encode_as(file, base, options, caller, BigEndian),
    }
}

fn encode_as<E: Endianity + Send + Sync>(
    file: &ElfFile<'_>,
    base_btf: Option<BaseBtf<'_>>,
    options: &Options,
    caller: Caller<'_>,
    endian: E,
) -> Result<Encoded> {
    let target_endian = if endian.is_big_endian() { Endian::Big } else { Endian::Little };
    if !file.has_dwarf() && base_btf.is_some() && options.empty_without_dwarf {
        let warnings = vec!["no DWARF debug information: its BTF is empty".into()];
        let btf = btf::writer::empty_split(target_endian);
        let summary = Summary { bytes: btf.len(), string_bytes: 1, has_base: true, warnings, ..Summary::default() };
        return Ok(Encoded { btf, summary });
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
    let mut clock = Clock::default();
    let data = file.debug_data()?;
    let mut encode = || encode_sections(file, &data, base_btf, options, caller, endian, &mut clock);
    match encode() {
        // What was read without relocations that stand elsewhere in the table says nothing.
        Err(_) if data.info.put_in_order() => encode(),
        first => first,
    }
}

fn encode_sections<E: Endianity + Send + Sync>(
    file: &ElfFile<'_>,
    data: &DebugData<'_>,
    base_btf: Option<BaseBtf<'_>>,
    options: &Options,
    caller: Caller<'_>,
    endian: E,
    clock: &mut Clock,
) -> Result<Encoded> {
    let target_endian = if endian.is_big_endian() { Endian::Big } else { Endian::Little };
    let base_view = base_btf.map(BaseBtf::view);
    let word_size = if file.is_64 { 8 } else { 4 };
    let sections = data.sections();
    // Held until the units are read; what comes after them is for one thread.
    let lent = caller.threads.lend(units::useful_workers(data.info.len()));
    let features = options.features;
    let others = || {
        let kfuncs = if features.decl_tag_kfuncs { Kfuncs::of(file, base_view) } else { Ok(Kfuncs::default()) };
        let data_section = if features.var { DataSection::of(file) } else { Ok(None) };
        (dwarf::unit::headers(&data.info, endian), kfuncs, data_section)
    };
    let (symbols, (headers, kfuncs, data_section)) =
        threads::run(&*lent, || rayon::join(|| FunctionSymbols::of(file, options.selection), others));
    let headers = headers?;
    // What only variables refer to would be missing without a word (-fdebug-types-section; in DWARF 4 a section of its own).
    if headers.iter().any(|h| h.kind == UnitKind::Type) || file.section(b".debug_types").is_some() {
        let text = "the DWARF has type units, which are not supported: build without -fdebug-types-section";
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let (symbols, kfuncs, data_section) = (symbols?, kfuncs?, data_section?);
    clock.lap("units found, symbols", || {
        format!("{} bytes, {} units, {} names of functions", data.info.len(), headers.len(), symbols.len())
    });

    let dialect = options.dialect.unwrap_or_else(|| match base_btf {
        Some(BaseBtf::Shared(batch)) => batch.base().dialect(),
        Some(BaseBtf::View(view)) => Dialect::of(view, Dialect::PAHOLE_1_32),
        None => Dialect::PAHOLE_1_32,
    });
    let job = Job {
        sections,
        endian,
        headers: &headers,
        dialect,
        options,
        symbols: &symbols,
        machine: Machine::of(file.machine),
        data: data_section.as_ref(),
        linked: !file.relocatable,
        batch: base_btf.and_then(BaseBtf::batch),
        progress: caller.progress,
    };
    let mut folded = threads::run(&*lent, || units::fold(&job))?;
    drop(lent);
    data.check()?;
    clock.lap("units", || {
        let classes = &folded.fold.classes;
        format!("{} types, {} classes", folded.types_read, classes.end() - classes.first())
    });

    let decisions =
        selection::select(options.selection, options.features, &symbols, &folded.instances, &folded.fold.classes);
    assemble::add_functions(&mut folded, &decisions, &symbols);
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

    let parts = assemble::Parts { base, endian: target_endian, word_size, symbols: &symbols, kfuncs: &kfuncs, options };
    let (btf, mut summary) = assemble::assemble(&mut folded, &decisions, &parts, clock)?;

    verify(&btf, base.map(|b| b.view()), word_size as u32)?;
    clock.lap("verified", String::new);

    summary.units = headers.len();
    summary.units_excluded = folded.excluded;
    summary.types_read = folded.types_read;
    summary.degraded = folded.degraded;
    summary.names_changed = folded.names_changed.len() as u64;
    summary.dialect = Some(dialect);
    summary.has_base = base.is_some();
    summary.dialect_of_base = base.is_some() && options.dialect.is_none();
    if !file.has_symbols() {
        summary.warnings.push("no .symtab: functions and variables are left out".into());
    }
    summary.phases = std::mem::take(&mut clock.phases);
    Ok(Encoded { btf, summary })
}

/// Checks the result as a kernel does when it loads it. A finding is a fault of ours, and nothing is written.
fn verify(bytes: &[u8], base: Option<&BtfView<'_>>, pointer_bytes: u32) -> Result<()> {
    let failed = |text: String| Error::new(ErrorKind::Verify, text);
    let view = BtfView::parse_on(bytes, base).map_err(|e| failed(e.to_string()))?;
    verify_view(&view, pointer_bytes)
}

/// The same for a BTF that was parsed.
fn verify_view(view: &BtfView<'_>, pointer_bytes: u32) -> Result<()> {
    let failed = |text: String| Error::new(ErrorKind::Verify, text);
    let options = verify::Options { level: Level::Kernel, pointer_bytes, max_findings: 1, ..Default::default() };
    match verify::verify(view, &options).first() {
        None => Ok(()),
        // Chains are as the DWARF has them: C has no rule about their length, and only damage makes circles.
        Some(finding) if finding.rule == "C2" => {
            let text = format!(
                "a chain of typedefs and qualifiers is longer than kernels follow, or leads back to itself: {finding}"
            );
            Err(Error::new(ErrorKind::Limit, text))
        }
        Some(finding) => {
            Err(failed(format!("the result would be refused by a kernel: {finding}; please report this as a bug")))
        }
    }
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
