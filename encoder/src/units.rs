//! Reads the units in parallel and folds them: each worker takes the next unit into tables of its own, without locks, and
//! the workers' tables are joined at the end. What comes out does not depend on who took what, nor on the tables that a worker
//! begins with: where many modules share a base, they are those that another module left ([`crate::batch`]).

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use btf::base::Base;
use btf::dedup::fold::{Fold, Use};
use btf::dedup::renumber::{InBase, Spelling};
use btf::dedup::tags::DeclTags;
use btf::dialect::Dialect;
use btf::map::FixedSet;
use btf::strings::StrId;
use dwarf::sections::Sections;
use dwarf::unit::{PlansBuffer, Unit, UnitHeader, UnitKind};
use dwarf::walk::{self, Distant};
use gimli::Endianity;
use rayon::prelude::*;

use crate::batch::{Batch, Tables};
use crate::convert::distant::{Next, Nowhere};
use crate::convert::{Converter, ReadPlace, Tagged, UnitTypes};
use crate::error::{Error, ErrorKind, Result};
use crate::functions::{Collector, FunctionNames, FunctionSymbols, Instances};
use crate::locations::Machine;
use crate::names::{Names, Spellings};
use crate::open_units::OpenUnits;
use crate::options::{Features, Options};
use crate::report::Degraded;
use crate::schedule;
use crate::sources::{Place, Sources};
use crate::split::{SplitFiles, SplitUnits};
use crate::target::Target;
use crate::variables::{self, DataSections, Variable};

/// Units of fewer bytes than this together are not worth a second worker.
pub const BYTES_PER_WORKER: usize = 1 << 20;

/// See [`Job::most_repeated`].
const MOST_REPEATED: u64 = 1024;
/// The same, for small files.
const LEAST_REPEATED: u64 = 64 << 20;

/// How many workers units of so many bytes together are enough for.
pub fn useful_workers(bytes: usize) -> usize {
    (bytes / BYTES_PER_WORKER).max(1)
}

/// What the units have in common.
pub struct Job<'a, E> {
    /// Where all units are, those of other files as well.
    pub sources: &'a Sources<'a>,
    /// The units that were split off.
    pub split: &'a SplitFiles<'a>,
    /// Bytes of other units that units refer to, so far.
    pub repeated: Repeated,
    /// Byte order.
    pub endian: E,
    /// Headers of the units of `.debug_info`, in the order of the file.
    pub headers: &'a [UnitHeader],
    /// About how many bytes there are to read.
    pub bytes: usize,
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

/// Bytes that were read.
#[derive(Debug, Default)]
pub struct Repeated {
    /// Of other units, for those that refer to them; and of split units for another skeleton than the first.
    again: AtomicU64,
    /// Of split units, each once.
    split: AtomicU64,
    /// Those units.
    seen: Mutex<FixedSet<u64>>,
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
    /// Units that others refer to.
    used: FixedSet<Place>,
    /// The same of the package of split units.
    used_in_package: FixedSet<Place>,
    /// See [`btf::dedup::renumber::Renumbering::misled`].
    misled: bool,
}

/// Reads and folds all units.
///
/// # Errors
/// That of the first unit in the file that has one.
pub fn fold<'a, E: Endianity + Send + Sync>(job: &Job<'a, E>) -> Result<Folded<'a>> {
    let workers = rayon::current_num_threads().min(useful_workers(job.bytes)).min(job.headers.len()).max(1);
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
    if job.repeated.again.load(Ordering::Relaxed) > job.most_repeated() {
        return Err(job.too_much());
    }
    let first_error = done.iter_mut().filter_map(|(_, e)| e.take()).min_by_key(|(unit, _)| *unit);
    if let Some((_, error)) = first_error {
        return Err(error);
    }
    read_rest(job, &mut done)?;
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

/// Reads the type units that no unit refers to, as one unit behind all others: what is known of a type by a global variable alone, for
/// one, has nobody else who would read it.
fn read_rest<'a, E: Endianity>(job: &Job<'a, E>, done: &mut [(Worker<'a>, Option<(usize, Error)>)]) -> Result<()> {
    let packaged = job.split.package().map(|package| &package.sources);
    for (number, sources) in std::iter::once(job.sources).chain(packaged).enumerate() {
        let is_used = |place: &Place| {
            done.iter().any(|(worker, _)| {
                let used = if number == 0 { &worker.folded.used } else { &worker.folded.used_in_package };
                used.contains(place)
            })
        };
        let mut rest = sources.own_types();
        rest.retain(|(place, _)| !is_used(place));
        if !rest.is_empty() {
            rest.sort_unstable_by_key(|(place, _)| *place);
            done[0].0.rest(job, job.headers.len() + number, sources, &rest)?;
        }
    }
    Ok(())
}

impl<'a, E> Job<'a, E> {
    /// The debug sections of the file.
    fn sections(&self) -> Sections<'a> {
        self.sources.get(0).sections
    }

    fn converter<'c, 'u, 'b, 'f>(
        &'c self,
        unit: &'u Unit<'b, E>,
        sources: &'c Sources<'c>,
        place: ReadPlace,
        types: &'c mut UnitTypes,
        names: &'c mut Names<'f>,
        functions: &'c mut FunctionNames<'f>,
    ) -> Converter<'c, 'u, 'b, 'f, E> {
        Converter {
            unit,
            out: types,
            names,
            functions,
            features: self.features,
            dialect: self.dialect,
            max_vlen: self.target.max_vlen(),
            variables: !self.data.is_empty(),
            sources,
            place,
        }
    }

    /// Most bytes of other units that all units together may refer to. What they refer to is what their compiler would have
    /// repeated in them, and a thousand units that have everything in common are thinkable.
    fn most_repeated(&self) -> u64 {
        let bytes: usize = self.sources.own().map(|(_, source)| source.info.len()).sum();
        LEAST_REPEATED + MOST_REPEATED.saturating_mul(bytes as u64 + self.repeated.split.load(Ordering::Relaxed))
    }

    /// Counts bytes that were read for units that refer to them.
    fn count_repeated(&self, bytes: usize) -> Result<()> {
        let before = self.repeated.again.fetch_add(bytes as u64, Ordering::Relaxed);
        if before > self.most_repeated() { Err(self.too_much()) } else { Ok(()) }
    }

    /// Counts the bytes of a split unit, which belongs to one skeleton, or a few that are alike.
    fn count_split(&self, id: u64, bytes: usize) -> Result<()> {
        if self.repeated.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id) {
            self.repeated.split.fetch_add(bytes as u64, Ordering::Relaxed);
            return Ok(());
        }
        self.count_repeated(bytes)
    }

    fn too_much(&self) -> Error {
        let text = format!(
            ".debug_info: what its units refer to in other units comes to more than {} times its size, with repetitions",
            MOST_REPEATED
        );
        Error::new(ErrorKind::Limit, text)
    }

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
            used: FixedSet::default(),
            used_in_package: FixedSet::default(),
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
        self.used.extend(other.used);
        self.used_in_package.extend(other.used_in_package);
        self.misled |= map.misled;
        (other.fold, map.into_in_base())
    }
}

/// What a worker reads units with.
struct UnitReader<'a, E> {
    /// For the copy of a unit's bytes that is relocated.
    buffer: Vec<u8>,
    plans: PlansBuffer,
    /// Units that are read for others.
    others: OpenUnits<'a, E>,
    /// The same of the package of split units.
    packaged: Option<OpenUnits<'a, E>>,
}

struct Worker<'a> {
    folded: Folded<'static>,
    names: Names<'a>,
    functions: FunctionNames<'a>,
    in_base: InBase,
    types: UnitTypes,
}

impl<'a> Worker<'a> {
    fn new<E: Endianity>(job: &Job<'a, E>, spellings: Spellings) -> Worker<'a> {
        let tables = job.pool(spellings).and_then(Batch::take).unwrap_or_default();
        Worker {
            folded: Folded::new(tables.fold),
            names: Names::new(
                job.sections().str,
                job.sources.bytes_with_names(),
                spellings,
                tables.names,
                job.target.max_name(),
            ),
            functions: FunctionNames::new(job.symbols, job.bytes),
            in_base: tables.in_base,
            types: tables.types,
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
        let mut reader = UnitReader {
            buffer: Vec::new(),
            plans: PlansBuffer::default(),
            others: OpenUnits::new(job.sources),
            packaged: job.split.package().map(|package| OpenUnits::new(&package.sources)),
        };
        while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
            for number in run.clone() {
                if let Err(e) = worker.unit(job, number, &mut reader) {
                    if error.as_ref().is_none_or(|(first, _)| number < *first) {
                        error = Some((number, e));
                    }
                }
                (job.progress)(job.headers[number].size as u64);
            }
            let bytes = job.headers[run.start].offset..job.headers[run.end - 1].range().end;
            job.sections().data.info.release(&bytes);
        }
        worker.folded.used = reader.others.used;
        worker.folded.used_in_package = reader.packaged.map_or_else(FixedSet::default, |packaged| packaged.used);
        (worker, error)
    }

    /// Reads a unit, and folds it, unless it is left out.
    fn unit<E: Endianity>(&mut self, job: &Job<'a, E>, number: usize, reader: &mut UnitReader<'a, E>) -> Result<()> {
        let header = job.headers[number];
        let sections = job.sections();
        let UnitReader { buffer, plans, others, packaged } = reader;
        let bytes = sections.data.info.part(header.range(), buffer)?;
        if header.kind == UnitKind::Type {
            return Ok(()); // read for the units that refer to it
        }
        let unit = Unit::open(header, bytes, sections, plans, job.endian)?;
        // The same; before DWARF 5 the header does not tell. What nobody imports counts for nobody: Rust's units are left out, and so is
        // what dwz has moved out of them.
        if header.kind == UnitKind::Partial || unit.tag == gimli::DW_TAG_partial_unit {
            return Ok(());
        }
        if header.kind == UnitKind::Skeleton || !unit.dwo_name.is_empty() {
            return self.split_unit(job, number, &unit, packaged.as_mut());
        }
        self.whole_unit(job, number, &unit, plans, others, &[])
    }

    /// Reads the unit of a skeleton.
    #[cold]
    fn split_unit<E: Endianity>(
        &mut self,
        job: &Job<'a, E>,
        number: usize,
        skeleton: &Unit<'_, E>,
        packaged: Option<&mut OpenUnits<'a, E>>,
    ) -> Result<()> {
        let id = skeleton.dwo_id.ok_or_else(|| {
            let text = "its DWARF was split off, and nothing tells which (DW_AT_GNU_dwo_id)".into();
            at_unit(ErrorKind::Input, skeleton, text)
        })?;
        if let (Some((_, header)), Some(others)) = (job.split.in_package(id), packaged) {
            return self.unit_of_skeleton(job, number, skeleton, header, others, &[]);
        }
        job.split.in_file(skeleton, id, |_, units: &SplitUnits<'_>, header| {
            self.names.expect_more(units.bytes_with_names());
            let mut others = OpenUnits::new(&units.sources);
            self.unit_of_skeleton(job, number, skeleton, header, &mut others, &units.types_of(&header))
        })
    }

    fn unit_of_skeleton<'d, E: Endianity>(
        &mut self,
        job: &Job<'a, E>,
        number: usize,
        skeleton: &Unit<'_, E>,
        header: UnitHeader,
        others: &mut OpenUnits<'d, E>,
        types: &[Place],
    ) -> Result<()> {
        let source = others.sources.get(0);
        let in_file = |e: Error| Error::new(e.kind(), format!("{}: {e}", source.file));
        job.count_split(skeleton.dwo_id.unwrap_or_default(), header.size)?;
        let mut plans = PlansBuffer::default();
        let bytes = &source.info.whole()[header.range()];
        let unit = Unit::open(header, bytes, source.sections, &mut plans, job.endian);
        let unit = unit.map_err(|e| in_file(e.into()))?.of_skeleton(skeleton);
        self.whole_unit(job, number, &unit, &plans, others, types).map_err(in_file)?;
        source.info.release(&header.range());
        Ok(())
    }

    /// Reads a unit, and what it refers to in others, and folds it. It has further types in other units.
    fn whole_unit<E: Endianity>(
        &mut self,
        job: &Job<'a, E>,
        number: usize,
        unit: &Unit<'_, E>,
        plans: &PlansBuffer,
        others: &mut OpenUnits<'_, E>,
        further: &[Place],
    ) -> Result<()> {
        if !job.options.units.takes(unit.language.0, unit.name) {
            self.folded.excluded += 1;
            return Ok(());
        }
        self.types.start(Place::new(0, unit.header.offset as u64), unit.header.size);
        let Worker { types, names, functions, .. } = self;
        walk::walk(unit, plans, &mut job.converter(unit, others.sources, ReadPlace::Own, types, names, functions))?;
        further.iter().for_each(|place| _ = self.types.distant.reference(*place));
        if self.types.distant.is_used() {
            self.read_distant(job, others).map_err(|e| with_unit(e, unit))?;
        }
        if std::mem::take(&mut self.names.missing) {
            let text = "a name lies outside of the section of strings, which is cut short or damaged".into();
            return Err(at_unit(ErrorKind::Input, unit, text));
        }
        if std::mem::take(&mut self.names.overlap) {
            let text =
                "names are parts of other names, and together many times longer than the sections that they are in"
                    .into();
            return Err(at_unit(ErrorKind::Input, unit, text));
        }
        if let Some(nowhere) = self.types.distant.nowhere {
            return Err(at_unit(ErrorKind::Input, unit, nowhere_text(others.sources, nowhere)));
        }
        self.types.finish();
        self.fold_types(number);
        self.collect(job, number, unit);
        Ok(())
    }

    /// Reads what is referred to in other units, and what that refers to, behind the unit in `self.types`.
    #[cold]
    fn read_distant<E: Endianity>(&mut self, job: &Job<'a, E>, others: &mut OpenUnits<'_, E>) -> Result<()> {
        let sources = others.sources;
        while let Some(next) = self.types.distant.next_read().filter(|_| self.types.distant.nowhere.is_none()) {
            let (Next::Unit(place, offset) | Next::Die(place, offset)) = next;
            let Some((start, header)) = sources.unit_at(place) else { return Err(no_die(sources, place)) };
            let open = others.open(start, header, job.endian)?;
            let source = place.source();
            let inside = place.offset() - header.offset;
            let distant = Distant {
                shift: offset.wrapping_sub(inside as u32),
                other_strings: !sources.get(source).file.is_empty(),
            };
            let Worker { types, names, functions, .. } = self;
            let kind = if matches!(next, Next::Unit(..)) { ReadPlace::Imported } else { ReadPlace::Die };
            let mut converter = job.converter(&open.unit, sources, kind(source), types, names, functions);
            let bytes = match next {
                Next::Unit(..) => {
                    walk::walk_distant(&open.unit, &open.plans, distant, &mut converter)?;
                    header.size
                }
                Next::Die(..) => {
                    if !open.has_die_at(inside)? {
                        return Err(no_die(sources, place));
                    }
                    let end = walk::walk_die(&open.unit, &open.plans, inside, distant, &mut converter)?;
                    self.types.distant.lay_out(place, end - inside);
                    end - inside
                }
            };
            job.count_repeated(bytes)?;
        }
        Ok(())
    }

    /// See [`read_rest`]; they become the unit with a number.
    fn rest<E: Endianity>(
        &mut self,
        job: &Job<'a, E>,
        number: usize,
        sources: &Sources<'_>,
        units: &[(Place, UnitHeader)],
    ) -> Result<()> {
        let mut others = OpenUnits::new(sources);
        self.types.start(Place::NOWHERE, 0);
        for &(place, header) in units {
            let open = others.open(place, header, job.endian)?;
            if !job.options.units.takes(open.unit.language.0, open.unit.name) {
                continue;
            }
            if let Some(definition) = sources.type_of(&header) {
                self.types.distant.reference(definition);
            }
        }
        let error = |text: String| Error::new(ErrorKind::Input, text);
        self.read_distant(job, &mut others)?;
        if std::mem::take(&mut self.names.missing) {
            return Err(error("a name of a type unit lies outside of the section of strings".into()));
        }
        if let Some(nowhere) = self.types.distant.nowhere {
            return Err(error(format!("a type unit: {}", nowhere_text(sources, nowhere))));
        }
        self.types.finish();
        self.fold_types(number);
        Ok(())
    }

    /// Folds `self.types`, which are those of the unit with a number.
    fn fold_types(&mut self, number: usize) {
        let folded = &mut self.folded;
        folded.fold.fold(number as u32, &self.types.records);
        folded.types_read += self.types.records.len() as u64 - 1; // the first stands for none
        folded.degraded += std::mem::take(&mut self.types.degraded);
        for tag in &self.types.tags {
            if let Tagged::Type(target) = tag.tagged {
                let used = folded.fold.used(self.types.local(target.0));
                folded.tags.add(number as u32, used, tag.component, tag.text, false);
            }
        }
    }

    /// Collects functions and variables of the unit that was just folded.
    fn collect<E: Endianity>(&mut self, job: &Job<'a, E>, number: usize, unit: &Unit<'_, E>) {
        let folded = &mut self.folded;
        let collector = Collector {
            unit,
            number: number as u32,
            types: &self.types,
            symbols: job.symbols,
            machine: job.machine,
            selection: job.options.selection,
            is_clang: unit.producer.windows(5).any(|w| w == b"clang"),
        };
        folded.instances.collect(&collector, &folded.fold);
        variables::collect(&mut folded.variables, number as u32, &self.types, job.data, &folded.fold, &self.names);
    }
}

fn no_die(sources: &Sources<'_>, place: Place) -> Error {
    let text = format!("it refers to {}, where no DIE starts", sources.name(place));
    Error::new(ErrorKind::Input, text)
}

fn nowhere_text(sources: &Sources<'_>, nowhere: Nowhere) -> String {
    match nowhere {
        Nowhere::Signature(signature) => format!("it refers to type unit {signature:#018x}, which is not in the file"),
        Nowhere::NoAlternate(offset) => {
            format!("it refers to offset {offset:#x} in an alternate file, and the file names none (.gnu_debugaltlink)")
        }
        Nowhere::NoUnit(place) => format!("it imports {}, where no unit starts", sources.name(place)),
        Nowhere::TooMuch => "it and what it refers to in other units have more than 2 GB".into(),
    }
}

/// Says which unit an error is of, where it was met in another.
fn with_unit<E: Endianity>(error: Error, unit: &Unit<'_, E>) -> Error {
    let name = String::from_utf8_lossy(unit.name);
    Error::new(error.kind(), format!("{}+{:#x}: unit {name}: {error}", unit.section_name(), unit.header.offset))
}

fn at_unit<E: Endianity>(kind: ErrorKind, unit: &Unit<'_, E>, text: String) -> Error {
    let name = String::from_utf8_lossy(unit.name);
    Error::new(kind, format!("{}+{:#x}: unit {name}: {text}", unit.section_name(), unit.header.offset))
}
