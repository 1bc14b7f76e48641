//! Runs the deduplication on an [`Input`] as the encoder would, in any split over workers, and compares with the oracle.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use btf::base::Base;
use btf::dedup::fold::{Fold, Local, Use};
use btf::dedup::renumber::{InBase, Renumbering, Spelling};
use btf::dedup::resolve::{Resolution, Target};
use btf::dedup::tags::{self, DeclTag, DeclTags};
use btf::graph::{Head, Records, Ref, Tag, is_forward, map_names, map_refs, names, refs};
use btf::header::Endian;
use btf::kind::Kind;
use btf::strings::{StrId, Strings};
use btf::view::BtfView;
use btf::writer::Types;

use crate::input::Input;
use crate::oracle::{Fate, Oracle};

/// How the work is divided.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Per worker the units that it folds, in its order.
    pub workers: Vec<Vec<usize>>,
    /// Pairs (into, from) of workers, in the order in which they are merged; all end in worker 0.
    pub merges: Vec<(usize, usize)>,
    /// Number of each unit in the file.
    pub numbers: Vec<u32>,
    /// Prototypes that only functions use are added when all units are folded.
    pub late: bool,
    /// Workers use numbers for names that are not those of any strings, as the encoder's do.
    pub spelled: Option<Spelled>,
    /// Workers that spell have tables that a file filled before.
    pub kept: bool,
}

/// Which of several numbers for a name is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spelled {
    /// Each unit has its own.
    PerUnit,
    /// Each type has its own; that can mislead.
    PerType,
}

/// The names of an input as workers number them: index + 1, plus a multiple of their number.
struct InputNames<'i>(&'i Input);

impl Spelling for InputNames<'_> {
    fn identifier(&self, name: StrId) -> (Cow<'_, [u8]>, bool) {
        (self.free(name), false)
    }

    fn free(&self, name: StrId) -> Cow<'_, [u8]> {
        let index = name.0.checked_sub(1).map_or(0, |n| n as usize % self.0.names.len());
        Cow::Borrowed(self.0.names[index].as_bytes())
    }
}

impl Plan {
    /// One worker, units as they come.
    pub fn simple(units: usize) -> Plan {
        Plan {
            workers: vec![(0..units).collect()],
            merges: vec![],
            numbers: (0..units as u32).collect(),
            late: false,
            spelled: None,
            kept: false,
        }
    }

    /// A worker per unit; merged from the last to the first.
    pub fn backwards(units: usize) -> Plan {
        let workers = if units == 0 { vec![vec![]] } else { (0..units).map(|u| vec![u]).collect() };
        let merges = (1..units).rev().map(|u| (u - 1, u)).collect();
        Plan { workers, merges, ..Plan::simple(units) }
    }

    /// Two workers, the second with the first half of the units, in reverse.
    pub fn halves(units: usize) -> Plan {
        let workers = vec![(units / 2..units).rev().collect(), (0..units / 2).collect()];
        Plan { workers, merges: vec![(0, 1)], ..Plan::simple(units) }
    }
}

/// What came out.
pub struct Outcome {
    /// Per unit and type what it became.
    pub targets: Vec<Vec<Target>>,
    /// All own types, those of the encoder (FUNC, VAR, DATASEC, DECL_TAG) last; references are targets.
    pub records: Records,
    /// The names behind the records.
    pub names: Vec<String>,
    /// How many of the records the resolution made.
    pub resolved: usize,
    /// The BTF.
    pub bytes: Vec<u8>,
    /// Number of ambiguous tags.
    pub ambiguous: usize,
}

struct Folded<'b> {
    fold: Fold<'b>,
    /// The plan's worker.
    worker: usize,
    /// Per unit the uses of its types; added prototypes come later.
    uses: BTreeMap<usize, Vec<Use>>,
    tags: DeclTags,
}

impl Folded<'_> {
    fn take_over(&mut self, uses: BTreeMap<usize, Vec<Use>>, tags: DeclTags, mut map: Renumbering<'_>) {
        let strings = &mut self.fold.strings;
        for (unit, uses) in uses {
            let mapped = uses.into_iter().map(|u| map.used(u, strings)).collect();
            self.uses.insert(unit, mapped);
        }
        self.tags.merge(tags, &mut map, strings);
    }
}

/// How a worker calls a name of the input.
fn worker_name(input: &Input, plan: &Plan, fold: &mut Fold<'_>, name: StrId, unit: usize, local: usize) -> StrId {
    let text = input.names[name.0 as usize].as_bytes();
    let several = |which: usize| match text {
        [] => StrId::EMPTY,
        _ => StrId(name.0 + 1 + (which % 3 * input.names.len()) as u32),
    };
    match plan.spelled {
        None => fold.strings.intern(text),
        Some(Spelled::PerUnit) => several(unit),
        Some(Spelled::PerType) => several(local),
    }
}

/// The records of a unit without `left_out`, with names of the fold, and per local type its new number.
fn unit_records(
    input: &Input,
    plan: &Plan,
    unit: usize,
    fold: &mut Fold<'_>,
    left_out: &BTreeSet<usize>,
) -> (Records, Vec<u32>) {
    let mut records = Records::default();
    let mut number = Vec::new();
    for (i, record) in input.units[unit].iter().enumerate() {
        if left_out.contains(&i) {
            number.push(u32::MAX);
            continue;
        }
        let mut record = record.to_vec();
        map_names(&mut record, |n| worker_name(input, plan, fold, n, unit, i));
        number.push(records.push_record(&record) as u32);
    }
    (records, number)
}

/// Prototypes that no type refers to, as the encoder adds them for functions.
fn late_prototypes(records: &Records) -> BTreeSet<usize> {
    let used: BTreeSet<u32> = records.iter().filter(|r| Head::of(r).kind != Kind::Func).flat_map(refs).collect();
    let is = |&i: &usize| Head::of(records.get(i)).kind == Kind::FuncProto && !used.contains(&(i as u32 + 1));
    (0..records.len()).filter(is).collect()
}

fn work<'b>(input: &Input, plan: &Plan, worker: usize, base: Option<&'b Base<'_>>) -> Folded<'b> {
    let base = base.filter(|_| plan.spelled.is_none());
    work_in(Fold::new(base.map(|b| (b.strings(), b.classes()))), input, plan, worker)
}

/// Folds a worker's units into tables that may have been used before.
fn work_in<'b>(mut fold: Fold<'b>, input: &Input, plan: &Plan, worker: usize) -> Folded<'b> {
    let (mut uses, mut tags) = (BTreeMap::new(), DeclTags::default());
    for &unit in &plan.workers[worker] {
        let late = if plan.late { late_prototypes(&input.units[unit]) } else { BTreeSet::new() };
        let (records, number) = unit_records(input, plan, unit, &mut fold, &late);
        let local = |word: u32| if word == 0 { Local::Void } else { Local::Type(number[word as usize - 1]) };
        fold.fold_with(plan.numbers[unit], &records, local);
        let used: Vec<Use> = (0..number.len()).map(|i| fold.used(local(i as u32 + 1))).collect();
        for record in input.units[unit].iter().filter(|r| Head::of(r).kind == Kind::DeclTag) {
            let target = input.units[unit].get(record[2] as usize - 1);
            if !apart(target) && !late.contains(&(record[2] as usize - 1)) {
                let name = worker_name(input, plan, &mut fold, StrId(record[1]), unit, 0);
                let used = used[record[2] as usize - 1];
                tags.add(plan.numbers[unit], used, record[3] as i32, name, Head::of(record).kflag);
            }
        }
        uses.insert(unit, used);
    }
    Folded { fold, worker, uses, tags }
}

fn apart(record: &[u32]) -> bool {
    [Kind::Func, Kind::Var, Kind::Datasec, Kind::DeclTag].contains(&Head::of(record).kind)
}

/// Runs it all. With what the whole base has and with what the units' names ask for, the bytes are the same.
pub fn run(input: &Input, plan: &Plan, endian: Endian) -> Outcome {
    let base_bytes = input.base_bytes(endian);
    let view = base_bytes.as_ref().map(|b| BtfView::parse(b).unwrap());
    let Some(view) = view else { return run_on(None, input, plan, endian) };
    let outcome = run_on(Some(&Base::new(&view)), input, plan, endian);
    let mut unit_names = Strings::new();
    for name in input.units.iter().flat_map(|unit| unit.iter().flat_map(names)) {
        unit_names.intern(input.names[name.0 as usize].as_bytes());
    }
    let partial = run_on(Some(&Base::for_names(&view, &unit_names)), input, plan, endian);
    assert_eq!(partial.bytes, outcome.bytes, "a base indexed for the units' names");
    let alone = work_alone(input, plan);
    let partial = run_on(Some(&Base::for_classes(&view, &alone.strings, &alone.classes)), input, plan, endian);
    assert_eq!(partial.bytes, outcome.bytes, "a base indexed for the units' classes");
    outcome
}

/// All units folded by themselves.
fn work_alone(input: &Input, plan: &Plan) -> Fold<'static> {
    let plan = Plan { late: false, spelled: None, ..plan.clone() };
    let mut workers = (0..plan.workers.len()).map(|w| work(input, &plan, w, None).fold);
    let mut all = workers.next().unwrap();
    workers.for_each(|mut fold| {
        let strings = std::mem::take(&mut fold.strings);
        all.merge(&mut fold, &strings, InBase::default());
    });
    all
}

fn run_on(base: Option<&Base<'_>>, input: &Input, plan: &Plan, endian: Endian) -> Outcome {
    let mut workers: Vec<Option<Folded<'_>>> =
        (0..plan.workers.len()).map(|w| Some(work(input, plan, w, base))).collect();
    let mut all = if plan.spelled.is_some() {
        let fold = Fold::new(base.map(|b| (b.strings(), b.classes())));
        let mut all = Folded { fold, worker: 0, uses: BTreeMap::new(), tags: DeclTags::default() };
        let names = InputNames(input);
        for mut other in workers.into_iter().flatten() {
            let mut in_base = InBase::default();
            if plan.kept {
                // The units of another worker, then these, stand for a file that was read before with the same tables.
                let mut before = Fold::new(base.map(|b| (b.strings(), b.classes())));
                let next = work(input, plan, (other.worker + 1) % plan.workers.len(), base).fold;
                let mut tables = work_in(next, input, plan, other.worker).fold;
                match before.merge(&mut tables, &names, in_base).into_in_base() {
                    Some(known) => (other, in_base) = (work_in(tables, input, plan, other.worker), known),
                    None => in_base = InBase::default(),
                }
            }
            let map = all.fold.merge(&mut other.fold, &names, in_base);
            if map.misled {
                return run_on(base, input, &Plan { spelled: None, ..plan.clone() }, endian);
            }
            all.take_over(other.uses, other.tags, map);
        }
        all
    } else {
        for &(into, from) in &plan.merges {
            let mut other = workers[from].take().unwrap();
            let into = workers[into].as_mut().unwrap();
            let strings = std::mem::take(&mut other.fold.strings);
            let map = into.fold.merge(&mut other.fold, &strings, InBase::default());
            into.take_over(other.uses, other.tags, map);
        }
        workers[0].take().unwrap()
    };
    all.fold.sort_units();
    let Folded { mut fold, mut uses, mut tags, .. } = all;
    let index_of: BTreeMap<u32, usize> = fold.units().iter().enumerate().map(|(i, u)| (u.number, i)).collect();
    let mut order: Vec<usize> = (0..input.units.len()).collect();
    order.sort_by_key(|&u| plan.numbers[u]);

    // Prototypes that were held back.
    if plan.late {
        let (mut units, mut types) = (Vec::new(), Records::default());
        let (mut added_uses, mut whose) = (Vec::new(), Vec::new());
        for &unit in &order {
            for i in late_prototypes(&input.units[unit]) {
                let mut record = input.units[unit].get(i).to_vec();
                map_names(&mut record, |n| fold.strings.intern(input.names[n.0 as usize].as_bytes()));
                map_refs(&mut record, |word| {
                    let void = Use { reference: Ref::Void, local: None };
                    added_uses.push(if word == 0 { void } else { uses[&unit][word as usize - 1] });
                    added_uses.len() as u32 - 1
                });
                types.push_record(&record);
                units.push(index_of[&plan.numbers[unit]]);
                whose.push((unit, i));
            }
        }
        for ((unit, i), used) in whose.into_iter().zip(fold.add(&units, &types, &added_uses)) {
            uses.get_mut(&unit).unwrap()[i] = used;
            for record in input.units[unit].iter().filter(|r| Head::of(r).kind == Kind::DeclTag && r[2] == i as u32 + 1)
            {
                let name = fold.strings.intern(input.names[record[1] as usize].as_bytes());
                tags.add(plan.numbers[unit], used, record[3] as i32, name, Head::of(record).kflag);
            }
        }
    }

    let resolution = Resolution::new(&fold, base);
    let mut targets: Vec<Vec<Target>> = vec![Vec::new(); input.units.len()];
    for (&unit, uses) in &uses {
        let index = index_of[&plan.numbers[unit]];
        targets[unit] = uses.iter().map(|&u| resolution.target(index, u)).collect();
    }
    let mut records = resolution.records.clone();
    let resolved = records.len();
    let mut all_tags = tags.resolve(&fold, &resolution);
    // What the encoder adds: functions once each, variables and data sections as they are.
    let mut functions: BTreeMap<Vec<u32>, Target> = BTreeMap::new();
    let refers_to_others = |r: &[u32]| [Kind::Datasec, Kind::DeclTag].contains(&Head::of(r).kind);
    for (&unit, last) in order.iter().flat_map(|u| [(u, false), (u, true)]) {
        let records_of = input.units[unit].iter().enumerate();
        for (i, record) in records_of.filter(|(_, r)| apart(r) && refers_to_others(r) == last) {
            let mut own = record.to_vec();
            map_names(&mut own, |n| fold.strings.intern(input.names[n.0 as usize].as_bytes()));
            let mut unresolved = Vec::new();
            map_refs(&mut own, |word| match word {
                0 => 0,
                word => {
                    unresolved.push(word);
                    targets[unit][word as usize - 1].word()
                }
            });
            let next = Target::Own(records.len() as u32);
            match Head::of(record).kind {
                Kind::Func => match functions.get(&own) {
                    Some(&known) => targets[unit][i] = known,
                    None => {
                        records.push_record(&own);
                        functions.insert(own, next);
                        targets[unit][i] = next;
                    }
                },
                Kind::DeclTag if apart(input.units[unit].get(record[2] as usize - 1)) => {
                    let name = StrId(own[1]);
                    let target = Target::of(own[2]);
                    all_tags.push(DeclTag { target, component: own[3] as i32, name, kflag: Head::of(record).kflag });
                }
                Kind::DeclTag => {}
                _ => {
                    records.push_record(&own);
                    targets[unit][i] = next;
                }
            }
        }
    }
    for record in tags::records(all_tags, base) {
        records.push_record(&record);
    }
    for (unit, targets) in input.units.iter().zip(&mut targets) {
        for (i, record) in unit.iter().enumerate().filter(|(_, r)| Head::of(r).kind == Kind::DeclTag) {
            let mut own = record.to_vec();
            own[1] = fold.strings.intern(input.names[own[1] as usize].as_bytes()).0;
            own[2] = targets[record[2] as usize - 1].word();
            let found = (0..records.len()).find(|&r| records.get(r) == own);
            let in_base = || {
                base.and_then(|b| match Target::of(own[2]) {
                    Target::Base(target) => b.decl_tag(btf::base::DeclTag {
                        target,
                        component: own[3] as i32,
                        name: StrId(own[1]),
                        kflag: Head::of(record).kflag,
                    }),
                    Target::Own(_) => None,
                })
            };
            targets[i] = match found {
                Some(r) => Target::Own(r as u32),
                None => Target::Base(in_base().expect("the tag is somewhere")),
            };
        }
    }
    let types = Types { records: &records, strings: &fold.strings, base, endian, extensions: Default::default() };
    let (bytes, _) = types.write().unwrap();
    let names =
        (0..fold.strings.len()).map(|n| String::from_utf8(fold.strings.get(StrId(n)).to_vec()).unwrap()).collect();
    Outcome { targets, records, names, resolved, bytes, ambiguous: resolution.ambiguous_tags }
}

/// Compares an outcome with the oracle: the same types share a target, base types have the same ids, nothing is written
/// twice or in vain, and the records written refer to what the units' types refer to.
pub fn compare(input: &Input, outcome: &Outcome) -> Result<(), String> {
    let fates = Oracle::classify(input);
    let mut own: BTreeMap<u32, Fate> = BTreeMap::new();
    let mut seen: BTreeMap<Fate, u32> = BTreeMap::new();
    for (unit, fates) in fates.iter().enumerate() {
        for (i, &fate) in fates.iter().enumerate() {
            let target = outcome.targets[unit][i];
            let wrong = |text: &str| Err(format!("unit {unit} type {}: {target:?}, expected {fate:?}: {text}", i + 1));
            match (fate, target) {
                (Fate::Apart, _) => {}
                (Fate::Base(id), Target::Base(got)) if got.0 == id => {}
                (Fate::Own(_), Target::Own(n)) => {
                    if *own.entry(n).or_insert(fate) != fate {
                        return wrong("different types merged");
                    }
                    if *seen.entry(fate).or_insert(n) != n {
                        return wrong("equal types not merged");
                    }
                    check_record(input, outcome, unit, i, outcome.records.get(n as usize))?;
                }
                _ => return wrong("differs"),
            }
        }
    }
    if own.len() != outcome.resolved {
        return Err(format!("{} types written, {} are used", outcome.resolved, own.len()));
    }
    Ok(())
}

/// A record that stands for a unit's type has its label and its references.
fn check_record(input: &Input, outcome: &Outcome, unit: usize, i: usize, got: &[u32]) -> Result<(), String> {
    let record = input.units[unit].get(i);
    if is_forward(record) && Tag::of(record).is_some() {
        return Ok(());
    }
    let label = |record: &[u32], names: &[String]| {
        let mut label = record.to_vec();
        let mut texts = Vec::new();
        map_refs(&mut label, |_| 0);
        map_names(&mut label, |n| {
            texts.push(names[n.0 as usize].clone());
            StrId(0)
        });
        (label, texts)
    };
    if label(record, &input.names) != label(got, &outcome.names) {
        return Err(format!("unit {unit} type {}: another type's label: {got:?}", i + 1));
    }
    let expected: Vec<u32> = refs(record)
        .map(|word| match word {
            0 => 0,
            word if apart(input.units[unit].get(word as usize - 1)) => 0,
            word => outcome.targets[unit][word as usize - 1].word(),
        })
        .collect();
    if expected != refs(got).collect::<Vec<_>>() {
        return Err(format!(
            "unit {unit} type {}: refers to {:?}, expected {expected:?}",
            i + 1,
            refs(got).collect::<Vec<_>>()
        ));
    }
    Ok(())
}

/// Which types became one: a form that does not depend on numbers of own types.
pub fn partition(outcome: &Outcome) -> Vec<(Target, BTreeSet<(usize, usize)>)> {
    let mut groups: BTreeMap<u32, BTreeSet<(usize, usize)>> = BTreeMap::new();
    for (unit, targets) in outcome.targets.iter().enumerate() {
        for (i, target) in targets.iter().enumerate() {
            groups.entry(target.word()).or_default().insert((unit, i));
        }
    }
    let blank = |word: u32| match Target::of(word) {
        Target::Own(_) => Target::Own(0),
        base => base,
    };
    let mut all: Vec<_> = groups.into_iter().map(|(word, group)| (blank(word), group)).collect();
    all.sort_by(|a, b| a.1.cmp(&b.1));
    all
}

/// The types of a BTF as one unit; `None` for a split one's base.
pub fn reread(input: &mut Input, bytes: &[u8]) -> Records {
    let view = BtfView::parse(bytes).unwrap();
    let endian = view.endian();
    let mut records = Records::default();
    for (_, t) in view.types() {
        let mut words: Vec<u32> = t.bytes().chunks_exact(4).map(|b| endian.u32([b[0], b[1], b[2], b[3]])).collect();
        let func = t.kind() == Kind::Func;
        words[0] = Head { kind: t.kind(), kflag: t.kflag() }.word();
        words[1] = t.name_off().0;
        words[2] = t.size_or_type();
        map_names(&mut words, |n| {
            let name = String::from_utf8(view.string(btf::ids::StrOff(n.0)).unwrap().to_vec()).unwrap();
            input.name(&name)
        });
        if func {
            words.push(t.linkage().unwrap());
        }
        records.push_record(&words);
    }
    records
}
