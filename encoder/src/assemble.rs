//! Puts everything together: the types that are left after deduplication, variables, functions, tags; then the bytes.

use btf::base::Base;
use btf::dedup::fold::Use;
use btf::dedup::resolve::{Resolution, Target};
use btf::dedup::tags::{self, DeclTag};
use btf::graph::{Head, Records, Tag, is_forward, map_refs, refs};
use btf::header::Endian;
use btf::ids::TypeId;
use btf::kind::Kind;
use btf::map::{FixedMap, FixedSet};
use btf::strings::StrId;
use btf::writer::Types;

use crate::Clock;
use crate::error::Result;
use crate::functions::{FunctionSymbols, Instance};
use crate::kfuncs::Kfuncs;
use crate::options::{Features, Options};
use crate::report::{FunctionReport, Summary};
use crate::selection::{Decision, Note, Reason};
use crate::target::Target as Kernel;
use crate::units::Folded;
use crate::variables::{self, DataSections, Layout, PER_CPU_SECTION};

/// The tags of kfuncs.
const KFUNC_TAG: &[u8] = b"bpf_kfunc";
const FASTCALL_TAG: &[u8] = b"bpf_fastcall";

/// What assembling needs besides the folded units.
pub struct Parts<'p, 'a> {
    /// The base.
    pub base: Option<&'p Base<'p>>,
    /// Byte order.
    pub endian: Endian,
    /// Bytes of a pointer.
    pub word_size: u64,
    /// Function symbols.
    pub symbols: &'p FunctionSymbols<'a>,
    /// kfuncs.
    pub kfuncs: &'p Kfuncs<'a>,
    /// What to write.
    pub options: &'p Options,
    /// The features of it that the kernel accepts.
    pub features: Features,
    /// The kernel that it is for.
    pub kernel: Kernel,
    /// The sections of the variables.
    pub sections: &'p DataSections<'a>,
}

fn head(kind: Kind) -> Head {
    Head { kind, kflag: false }
}

/// Adds what only the chosen functions have: their prototypes, which are types like all others, and the names that the
/// result will have but the DWARF need not. So all names and types are known before the base is looked at.
pub fn add_functions(
    folded: &mut Folded<'_>,
    decisions: &[Decision],
    symbols: &FunctionSymbols<'_>,
    sections: &DataSections<'_>,
) {
    let unit_index = unit_index(folded);
    let mut uses: Vec<Use> = Vec::new();
    let (mut prototypes, mut units) = (Records::default(), Vec::new());
    for decision in decisions {
        let Ok(number) = decision.outcome else { continue };
        let instance = &folded.instances.list[number];
        let taken = taken(instance, decision);
        prototypes.push_record(&prototype(instance, taken, &folded.instances.parameters, &mut uses));
        units.push(unit_index[instance.unit as usize]);
        folded.fold.strings.intern(decision.name(symbols));
    }
    folded.prototypes = folded.fold.add(&units, &prototypes, &uses);
    for name in [KFUNC_TAG, FASTCALL_TAG].into_iter().chain(sections.iter().map(|s| s.name)) {
        folded.fold.strings.intern(name);
    }
}

/// By number of the unit in the file, its index among those that were folded.
fn unit_index(folded: &Folded<'_>) -> Vec<usize> {
    let mut unit_index: Vec<usize> = Vec::new();
    for (index, unit) in folded.fold.units().iter().enumerate() {
        unit_index.resize(unit.number as usize + 1, 0);
        unit_index[unit.number as usize] = index;
    }
    unit_index
}

/// Resolves the types and writes the BTF.
pub fn assemble(
    folded: &mut Folded<'_>,
    decisions: &[Decision],
    parts: &Parts<'_, '_>,
    clock: &mut Clock,
) -> Result<(Vec<u8>, Summary)> {
    let unit_index = unit_index(folded);
    let resolution = Resolution::new(&folded.fold, parts.base);
    clock.lap("types resolved", || {
        format!("{} own types, {} ambiguous names", resolution.records.len(), resolution.ambiguous_tags)
    });

    let mut summary = Summary { ambiguous_tags: resolution.ambiguous_tags, ..Summary::default() };
    let mut out = Output { records: resolution.records.clone(), tags: Vec::new() };
    folded.degraded.members += stand_in_for_void(&mut out.records);
    if parts.features.decl_tag {
        out.tags = folded.tags.resolve(&folded.fold, &resolution);
    }
    summary.redefined = redefined(&out.records, parts.base);

    // Variables and their section.
    let var_types: Vec<Target> =
        folded.variables.iter().map(|v| resolution.target(unit_index[v.unit as usize], v.used)).collect();
    let mut sizes = Sizes { own: &out.records, parts, known: FixedMap::default() };
    let var_sizes: Vec<u64> = var_types.iter().map(|&t| sizes.of(t)).collect();
    let (sections, most) = (parts.sections, parts.kernel.max_vlen());
    let layouts =
        variables::layouts(&folded.variables, &var_sizes, sections.iter().count(), most, &folded.fold.strings);
    let mut data: Vec<(StrId, u32, Vec<u32>)> = Vec::new();
    for (section, Layout { entries, left_out }) in sections.iter().zip(layouts) {
        if section.name == PER_CPU_SECTION {
            let text = |name| format!("per-CPU variable `{name}` overlaps another, or is too large, and is left out");
            summary.warnings.extend(left_out.iter().map(text));
        } else {
            // Other sections have aliases, and constants that the linker merged.
            folded.degraded.variables += left_out.len() as u64;
        }
        let Some(last) = entries.last() else { continue };
        let mut words: Vec<u32> = Vec::with_capacity(3 * entries.len());
        for entry in &entries {
            let variable = &folded.variables[entry.variable];
            let target = var_types[entry.variable];
            let var = out.push(head(Kind::Var), variable.name, target, &[u32::from(variable.external)]);
            words.extend([var.word(), entry.offset, entry.size]);
            let tag = |&name: &StrId| DeclTag { target: var, component: -1, name, kflag: false };
            out.tags.extend(variable.tags.iter().map(tag));
        }
        summary.variables += entries.len();
        data.push((folded.fold.strings.intern(section.name), last.offset + last.size, words));
    }

    // Functions, in the order of their names, each with its tags.
    let kfunc_tag = folded.fold.strings.intern(KFUNC_TAG);
    let fastcall_tag = folded.fold.strings.intern(FASTCALL_TAG);
    let kept = decisions.iter().filter_map(|d| Some((d, d.outcome.ok()?)));
    for ((decision, number), used) in kept.zip(std::mem::take(&mut folded.prototypes)) {
        let unit = unit_index[folded.instances.list[number].unit as usize];
        let prototype = resolution.target(unit, used);
        summary.functions += 1;
        let name = decision.name(parts.symbols);
        let id = folded.fold.strings.intern(name);
        let func = out.push(head(Kind::Func), id, prototype, &[0]);
        if parts.features.decl_tag {
            let instance = &folded.instances.list[number];
            let taken = taken(instance, decision);
            let tag = |&(component, name): &(i32, StrId)| {
                let component = component_among(component, taken)?;
                Some(DeclTag { target: func, component, name, kflag: false })
            };
            out.tags.extend(instance.tags.iter().filter_map(tag));
            let whole = |name| DeclTag { target: func, component: -1, name, kflag: false };
            if let Some(kfunc) = parts.kfuncs.get(name) {
                out.tags.push(whole(kfunc_tag));
                out.tags.extend(kfunc.fastcall.then(|| whole(fastcall_tag)));
            }
        }
    }
    if parts.options.report_functions {
        summary.function_reports = function_reports(decisions, parts.symbols);
    }

    for (name, size, words) in data {
        out.push(head(Kind::Datasec), name, Target::Base(TypeId(size)), &words);
    }
    for record in tags::records(std::mem::take(&mut out.tags), parts.base) {
        out.records.push_record(&record);
    }
    summary.base_types_used = base_types_used(&out.records);
    clock.lap("functions, variables", || format!("{} and {}", summary.functions, summary.variables));

    let types = Types {
        records: &out.records,
        strings: &folded.fold.strings,
        base: parts.base,
        endian: parts.endian,
        extensions: parts.kernel.extensions(parts.features),
    };
    let (btf, sizes) = types.write()?;
    (summary.types, summary.bytes, summary.string_bytes) = (sizes.types, btf.len(), sizes.string_bytes);
    clock.lap("written", || format!("{} bytes", btf.len()));
    Ok((btf, summary))
}

/// What became of each function, by name.
fn function_reports(decisions: &[Decision], symbols: &FunctionSymbols<'_>) -> Vec<FunctionReport> {
    let report = |name: &[u8], dropped, note| {
        let name = String::from_utf8_lossy(name).into_owned();
        FunctionReport { name, dropped, note }
    };
    let decided = decisions.iter().map(|d| report(d.name(symbols), d.outcome.err(), d.note));
    let fragments = symbols.fragments().iter().map(|name| report(name, Some(Reason::Fragment), None));
    let mut reports: Vec<FunctionReport> = decided.chain(fragments).collect();
    let key = |report: &FunctionReport| (report.dropped == Some(Reason::Fragment), report.name.clone());
    reports.sort_by_cached_key(key);
    reports
}

/// The parameters that are left of a function, if not all are.
fn taken<'i>(instance: &'i Instance, decision: &Decision) -> Option<&'i [usize]> {
    instance.taken.as_deref().filter(|_| decision.note == Some(Note::ConstantsPropagated))
}

/// The number of a parameter among those that are left; None if it is not. -1 is the function.
fn component_among(component: i32, taken: Option<&[usize]>) -> Option<i32> {
    match (usize::try_from(component), taken) {
        (Ok(number), Some(taken)) => taken.iter().position(|&t| t == number).map(|position| position as i32),
        _ => Some(component),
    }
}

/// The record of a function's prototype; its references are numbers in `uses`. `taken` are the parameters that are left, if
/// not all are.
fn prototype(
    instance: &Instance,
    taken: Option<&[usize]>,
    parameters: &[(StrId, Use)],
    uses: &mut Vec<Use>,
) -> Vec<u32> {
    let mut number = |used: Use| {
        uses.push(used);
        uses.len() as u32 - 1
    };
    let parameters = &parameters[instance.parameters.clone()];
    let mut record = Vec::with_capacity(5 + 2 * parameters.len());
    record.extend([head(Kind::FuncProto).word(), 0, number(instance.result)]);
    let mut add = |&(name, used): &(StrId, Use)| record.extend([name.0, number(used)]);
    match taken {
        None => parameters.iter().for_each(add),
        Some(taken) => taken.iter().filter_map(|&i| parameters.get(i)).for_each(&mut add),
    }
    if instance.variadic {
        let void = Use { reference: btf::graph::Ref::Void, local: None };
        record.extend([0, number(void)]);
    }
    record
}

struct Output {
    records: Records,
    tags: Vec<DeclTag>,
}

impl Output {
    fn push(&mut self, head: Head, name: StrId, word2: Target, trailer: &[u32]) -> Target {
        Target::Own(self.records.push(head, name, word2.word(), trailer) as u32)
    }
}

/// Gives members and array elements without a type (`nullptr_t`, references that lead nowhere) an empty struct: kernels
/// refuse void there. Returns how many types had such.
fn stand_in_for_void(records: &mut Records) -> u64 {
    let void = Target::Base(TypeId::VOID).word();
    let is_whole = |r: &[u32]| matches!(Head::of(r).kind, Kind::Struct | Kind::Union | Kind::Array);
    let lacking: Vec<usize> = records
        .iter()
        .enumerate()
        .filter(|(_, r)| is_whole(r) && refs(r).any(|word| word == void))
        .map(|(index, _)| index)
        .collect();
    if lacking.is_empty() {
        return 0;
    }
    let empty = [head(Kind::Struct).word(), StrId::EMPTY.0, 0];
    let found = records.iter().position(|r| r == empty);
    let stand_in = Target::Own(found.unwrap_or_else(|| records.push_record(&empty)) as u32).word();
    for &index in &lacking {
        map_refs(records.get_mut(index), |word| if word == void { stand_in } else { word });
    }
    lacking.len() as u64
}

/// Sizes of types. Each that was asked for or passed on the way is kept: a thousand variables may share a long way.
struct Sizes<'s, 'p, 'a> {
    own: &'s Records,
    parts: &'s Parts<'p, 'a>,
    known: FixedMap<Target, u64>,
}

impl Sizes<'_, '_, '_> {
    /// Size of a type in bytes; 0 if it has none.
    fn of(&mut self, target: Target) -> u64 {
        // Types that are passed, with how many of the next one they are; the last one has no next.
        let mut passed: Vec<(Target, u64)> = Vec::new();
        let (mut at, mut size) = (target, 0);
        // What leads in a circle has no size.
        for _ in 0..=self.own.len() {
            if let Some(&known) = self.known.get(&at) {
                size = known;
                break;
            }
            let (record, is_own) = match at {
                Target::Own(index) => (self.own.get(index as usize), true),
                Target::Base(id) => match self.parts.base.and_then(|b| b.record(id)) {
                    Some(record) => (record, false),
                    None => break,
                },
            };
            let target = |word| if is_own { Target::of(word) } else { Target::Base(TypeId(word)) };
            let (count, next) = match Head::of(record).kind {
                Kind::Int | Kind::Float | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => {
                    size = record[2].into();
                    break;
                }
                Kind::Ptr => {
                    size = self.parts.word_size;
                    break;
                }
                Kind::Typedef | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => (1, target(record[2])),
                Kind::Array => (record[5].into(), target(record[3])),
                Kind::Fwd | Kind::Func | Kind::FuncProto | Kind::Var | Kind::Datasec | Kind::DeclTag => break,
            };
            passed.push((at, count));
            at = next;
        }
        for (passed, count) in passed.into_iter().rev() {
            size = size.saturating_mul(count);
            self.known.insert(passed, size);
        }
        size
    }
}

/// Named structs, unions and enums that are defined although the base has a definition of that kind and name.
fn redefined(own: &Records, base: Option<&Base<'_>>) -> usize {
    let Some(base) = base else { return 0 };
    let defined =
        |record: &&[u32]| !is_forward(record) && Tag::of(record).is_some_and(|t| !base.definitions(t).is_empty());
    own.iter().filter(defined).count()
}

/// Distinct types of the base that the file's own types refer to.
fn base_types_used(own: &Records) -> usize {
    let used = own.iter().flat_map(refs).map(Target::of).filter_map(|t| match t {
        Target::Base(id) if id != TypeId::VOID => Some(id),
        _ => None,
    });
    used.collect::<FixedSet<TypeId>>().len()
}
