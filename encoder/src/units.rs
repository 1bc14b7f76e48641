//! Reads the units in parallel and folds them: each worker takes the next unit into tables of its own, without locks, and
//! the workers' tables are joined at the end. What comes out does not depend on who took what, nor on the tables that a worker
//! begins with: where many modules share a base, they are those that another module left ([`crate::batch`]).

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use btf::base::Base;
use btf::dedup::fold::{Fold, Use};
use btf::dedup::renumber::{InBase, Spelling};
use btf::dedup::tags::DeclTags;
use btf::dialect::Dialect;
use btf::map::FixedSet;
use btf::strings::StrId;
use dwarf::sections::Sections;
use dwarf::unit::{PlansBuffer, Unit, UnitHeader, UnitKind};
use dwarf::walk;
use gimli::Endianity;
use rayon::prelude::*;

use crate::batch::{Batch, Tables};
use crate::convert::{Converter, Foreign, Tagged, UnitTypes};
use crate::error::{Error, ErrorKind, Result};
use crate::functions::{Collector, FunctionNames, FunctionSymbols, Instances};
use crate::locations::Machine;
use crate::names::{Names, Spellings};
use crate::options::{Features, Options};
use crate::report::Degraded;
use crate::schedule;
use crate::target::Target;
use crate::variables::{self, DataSections, Variable};

/// Units of fewer bytes than this together are not worth a second worker.
pub const BYTES_PER_WORKER: usize = 1 << 20;

/// How many workers units of so many bytes together are enough for.
pub fn useful_workers(bytes: usize) -> usize {
    (bytes / BYTES_PER_WORKER).max(1)
}

/// What the units have in common.
pub struct Job<'a, E> {
    /// The debug sections.
    pub sections: Sections<'a>,
    /// Byte order.
    pub endian: E,
    /// Unit headers, in the order of the file.
    pub headers: &'a [UnitHeader],
    /// How to write, if the kernel accepts that.
    pub wanted: Dialect,
    /// How to write.
    pub dialect: Dialect,
    /// What to write.
    pub options: &'a Options,
    /// The features of it that the kernel accepts.
    pub features: Features,
    /// The kernel that it is for.
    pub target: Target,
    /// Function symbols.
    pub symbols: &'a FunctionSymbols<'a>,
    /// Calling convention.
    pub machine: Machine,
    /// The sections whose variables are wanted.
    pub data: &'a DataSections<'a>,
    /// True if strings stand once in `.debug_str`: the file was linked.
    pub linked: bool,
    /// The base, if it is that of many files.
    pub batch: Option<&'a Batch<'a>>,
    /// Called after each unit with its bytes.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// What all units together have.
pub struct Folded<'a> {
    /// Types and names.
    pub fold: Fold<'a>,
    /// DIEs that could describe functions, in the order of the file.
    pub instances: Instances,
    /// Variables, in the order of the file.
    pub variables: Vec<Variable>,
    /// Declaration tags of types.
    pub tags: DeclTags,
    /// The prototypes of the functions that were chosen, in the order of the decisions.
    pub prototypes: Vec<Use>,
    /// What BTF could not say.
    pub degraded: Degraded,
    /// Names that were changed, as they are now.
    pub names_changed: FixedSet<StrId>,
    /// Type DIEs read.
    pub types_read: u64,
    /// Units left out.
    pub excluded: usize,
    /// See [`btf::dedup::renumber::Renumbering::misled`].
    misled: bool,
}

/// Reads and folds all units.
///
/// # Errors
/// That of the first unit in the file that has one.
pub fn fold<'a, E: Endianity + Send + Sync>(job: &Job<'a, E>) -> Result<Folded<'a>> {
    let bytes = job.headers.iter().map(|h| h.size).sum();
    let workers = rayon::current_num_threads().min(useful_workers(bytes)).min(job.headers.len()).max(1);
    let runs = schedule::runs(job.headers, workers);
    let spellings = if job.linked { Spellings::ByOffset } else { Spellings::ByContent };
    let mut all = read_all(job, &runs, workers, spellings)?;
    if all.misled {
        all = read_all(job, &runs, workers, Spellings::Unique)?;
    }
    all.fold.sort_units();
    all.instances.list.sort_by_key(|i| (i.unit, i.offset));
    all.variables.sort_by_key(|v| (v.unit, v.offset));
    Ok(all)
}

fn read_all<'a, E: Endianity + Send + Sync>(
    job: &Job<'a, E>,
    runs: &[Range<usize>],
    workers: usize,
    spellings: Spellings,
) -> Result<Folded<'a>> {
    let next = AtomicUsize::new(0);
    let run = |_| Worker::run(job, runs, &next, spellings);
    let mut done: Vec<(Worker<'a>, Option<(usize, Error)>)> =
        if workers == 1 { vec![run(0)] } else { (0..workers).into_par_iter().map(run).collect() };
    let first_error = done.iter_mut().filter_map(|(_, e)| e.take()).min_by_key(|(unit, _)| *unit);
    if let Some((_, error)) = first_error {
        return Err(error);
    }
    let mut all = Folded::new(Fold::new(job.batch.map(|batch| (batch.base().strings(), batch.base().classes()))));
    for (worker, _) in done {
        let Worker { folded, names, in_base, types, .. } = worker;
        let (fold, in_base) = all.merge(folded, &names, in_base);
        if let (Some(pool), Some(in_base)) = (job.pool(spellings), in_base) {
            pool.give_back(Tables { fold, in_base, names: names.into_interned(), types });
        }
    }
    Ok(all)
}

impl<'a, E> Job<'a, E> {
    /// Where tables come from and go to. Those of a linked file are made of its own offsets.
    fn pool(&self, spellings: Spellings) -> Option<&'a Batch<'a>> {
        self.batch.filter(|_| spellings == Spellings::ByContent)
    }
}

impl<'a> Folded<'a> {
    fn new(fold: Fold<'a>) -> Folded<'a> {
        Folded {
            fold,
            instances: Instances::default(),
            variables: Vec::new(),
            tags: DeclTags::default(),
            prototypes: Vec::new(),
            degraded: Degraded::default(),
            names_changed: FixedSet::default(),
            types_read: 0,
            excluded: 0,
            misled: false,
        }
    }

    /// The same on top of a base.
    pub fn onto<'b>(mut self, base: &'b Base<'b>) -> Folded<'b>
    where
        'a: 'b,
    {
        let mut on_base = Folded::new(Fold::new(Some((base.strings(), base.classes()))));
        let strings = std::mem::take(&mut self.fold.strings);
        on_base.merge(self, &strings, InBase::default());
        on_base
    }

    /// Takes over what others have; their fold, which is left with its tables, is returned.
    fn merge<'f>(
        &mut self,
        mut other: Folded<'f>,
        spelling: &dyn Spelling,
        in_base: InBase,
    ) -> (Fold<'f>, Option<InBase>) {
        let mut map = self.fold.merge(&mut other.fold, spelling, in_base);
        let strings = &mut self.fold.strings;
        self.instances.merge(other.instances, &mut map, strings);
        variables::merge(&mut self.variables, other.variables, &mut map, strings);
        self.tags.merge(other.tags, &mut map, strings);
        self.prototypes.extend(other.prototypes.into_iter().map(|used| map.used(used, strings)));
        self.degraded += other.degraded;
        self.names_changed.extend(other.names_changed.into_iter().map(|name| map.name(name, strings)));
        self.names_changed.extend(&map.changed);
        self.types_read += other.types_read;
        self.excluded += other.excluded;
        self.misled |= map.misled;
        (other.fold, map.into_in_base())
    }
}

struct Worker<'a> {
    folded: Folded<'static>,
    names: Names<'a>,
    functions: FunctionNames<'a>,
    in_base: InBase,
    types: UnitTypes,
    plans: PlansBuffer,
}

impl<'a> Worker<'a> {
    fn new<E: Endianity>(job: &Job<'a, E>, spellings: Spellings) -> Worker<'a> {
        let tables = job.pool(spellings).and_then(Batch::take).unwrap_or_default();
        Worker {
            folded: Folded::new(tables.fold),
            names: Names::new(
                job.sections.str,
                job.sections.line_str.len() + job.sections.data.info.len(),
                spellings,
                tables.names,
                job.target.max_name(),
            ),
            functions: FunctionNames::new(job.symbols, job.headers.iter().map(|h| h.size).sum()),
            in_base: tables.in_base,
            types: tables.types,
            plans: PlansBuffer::default(),
        }
    }

    /// Takes runs of units until there are none left. An error is kept with its unit's number, and the rest is still read, so
    /// that the error that is reported does not depend on the threads.
    fn run<E: Endianity>(
        job: &Job<'a, E>,
        runs: &[Range<usize>],
        next: &AtomicUsize,
        spellings: Spellings,
    ) -> (Worker<'a>, Option<(usize, Error)>) {
        let mut worker = Worker::new(job, spellings);
        let mut error: Option<(usize, Error)> = None;
        let mut buffer = Vec::new();
        while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
            for number in run.clone() {
                if let Err(e) = worker.unit(job, number, &mut buffer) {
                    if error.as_ref().is_none_or(|(first, _)| number < *first) {
                        error = Some((number, e));
                    }
                }
                (job.progress)(job.headers[number].size as u64);
            }
            let bytes = job.headers[run.start].offset..job.headers[run.end - 1].range().end;
            job.sections.data.info.release(&bytes);
        }
        (worker, error)
    }

    /// Reads a unit into `self.types`; None if it is left out.
    fn read<'u, E: Endianity>(
        &mut self,
        job: &Job<'u, E>,
        number: usize,
        buffer: &'u mut Vec<u8>,
    ) -> Result<Option<Unit<'u, E>>> {
        let header = job.headers[number];
        let bytes = job.sections.data.info.part(header.range(), buffer)?;
        if matches!(header.kind, UnitKind::Type | UnitKind::Partial) {
            return Ok(None); // of interest only to units that refer to them
        }
        let unit = Unit::open(header, bytes, job.sections, &mut self.plans, job.endian)?;
        if header.kind == UnitKind::Skeleton || !unit.dwo_name.is_empty() {
            let file = String::from_utf8_lossy(unit.dwo_name);
            return Err(unsupported(
                &unit,
                format!("its DWARF was split off into {file}; build without -gsplit-dwarf"),
            ));
        }
        if !job.options.units.takes(unit.language.0, unit.name) {
            self.folded.excluded += 1;
            return Ok(None);
        }
        self.types.start(header.size);
        let mut converter = Converter {
            unit: &unit,
            out: &mut self.types,
            names: &mut self.names,
            functions: &mut self.functions,
            features: job.features,
            dialect: job.dialect,
            max_vlen: job.target.max_vlen(),
            variables: !job.data.is_empty(),
        };
        walk::walk(&unit, &self.plans, &mut converter)?;
        if std::mem::take(&mut self.names.missing) {
            let text = "a name lies outside of the section of strings, which is cut short or damaged".into();
            return Err(at_unit(ErrorKind::Input, &unit, text));
        }
        if std::mem::take(&mut self.names.overlap) {
            let text =
                "names are parts of other names, and together many times longer than the sections that they are in"
                    .into();
            return Err(at_unit(ErrorKind::Input, &unit, text));
        }
        if let Some(foreign) = self.types.foreign {
            return Err(unsupported(&unit, foreign_text(foreign)));
        }
        self.types.finish();
        Ok(Some(unit))
    }

    fn unit<E: Endianity>(&mut self, job: &Job<'_, E>, number: usize, buffer: &mut Vec<u8>) -> Result<()> {
        let Some(unit) = self.read(job, number, buffer)? else { return Ok(()) };
        let folded = &mut self.folded;
        folded.fold.fold(number as u32, &self.types.records);
        folded.types_read += self.types.records.len() as u64 - 1; // the first stands for none
        folded.degraded += std::mem::take(&mut self.types.degraded);
        let collector = Collector {
            unit: &unit,
            number: number as u32,
            types: &self.types,
            symbols: job.symbols,
            machine: job.machine,
            selection: job.options.selection,
            is_clang: unit.producer.windows(5).any(|w| w == b"clang"),
        };
        folded.instances.collect(&collector, &folded.fold);
        variables::collect(&mut folded.variables, number as u32, &self.types, job.data, &folded.fold, &self.names);
        for tag in &self.types.tags {
            if let Tagged::Type(target) = tag.tagged {
                let used = folded.fold.used(self.types.local(target.0));
                folded.tags.add(number as u32, used, tag.component, tag.text, false);
            }
        }
        Ok(())
    }
}

fn foreign_text(foreign: Foreign) -> String {
    match foreign {
        Foreign::Unit(offset) => {
            format!(
                "it refers to another unit (.debug_info+{offset:#x}), as link-time optimisation makes it; that is not supported"
            )
        }
        Foreign::TypeUnit(signature) => {
            format!("it refers to type unit {signature:#018x}; build without -fdebug-types-section")
        }
        Foreign::File => "it refers to another file (dwz); use the file from before dwz".into(),
        Foreign::Import => "it imports another unit (dwz); use the file from before dwz".into(),
    }
}

fn unsupported<E: Endianity>(unit: &Unit<'_, E>, text: String) -> Error {
    at_unit(ErrorKind::Unsupported, unit, text)
}

fn at_unit<E: Endianity>(kind: ErrorKind, unit: &Unit<'_, E>, text: String) -> Error {
    let name = String::from_utf8_lossy(unit.name);
    Error::new(kind, format!(".debug_info+{:#x}: unit {name}: {text}", unit.header.offset))
}
