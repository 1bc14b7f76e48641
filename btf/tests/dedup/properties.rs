//! Properties of random inputs. `PROPTEST_CASES=100000` runs that many; the usual number suits a quick check.
//!
//! Units are copies of a few templates with some types changed, and all names come from a tiny alphabet. So ambiguous tags,
//! forward declarations, tags defined in two ways by one unit, cycles without a tag, nested anonymous types and types that
//! the base has once, twice or only declares are all common.

use btf::graph::{Head, Records};
use btf::header::Endian;
use btf::kind::Kind;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::input::Input;
use crate::run::{Plan, Spelled, compare, partition, reread, run};

/// A type, from small numbers that shrink: what it is, its name, two references (or more of what is wanted).
type Draft = (u8, u8, u8, u8);

/// A copy of a template: its number, and types to replace or, past the end, to add.
type Copy = (u8, Vec<(u8, Draft)>);

fn draft() -> impl Strategy<Value = Draft> {
    (0u8..40, 0u8..6, 0u8..24, 0u8..24)
}

fn copy() -> impl Strategy<Value = Copy> {
    (0u8..3, vec((0u8..20, draft()), 0..3))
}

/// Templates, units, base.
fn drafts() -> impl Strategy<Value = (Vec<Vec<Draft>>, Vec<Copy>, Option<Copy>)> {
    let length = prop_oneof![4 => 1usize..8, 1 => 8usize..20];
    let template = length.prop_flat_map(|n| vec(draft(), n));
    (vec(template, 1..3), vec(copy(), 1..5), proptest::option::of(copy()))
}

fn records(input: &mut Input, templates: &[Vec<Draft>], (template, changes): &Copy) -> Records {
    let mut drafts = templates[*template as usize % templates.len()].clone();
    for &(at, change) in changes {
        match drafts.get_mut(at as usize) {
            Some(draft) => *draft = change,
            None => drafts.push(change),
        }
    }
    let n = drafts.len() as u32;
    let mut protos: Vec<u32> = Vec::new();
    let mut records = Records::default();
    for (i, &(what, name, a, b)) in drafts.iter().enumerate() {
        let (to_a, to_b) = (u32::from(a) % (n + 1), u32::from(b) % (n + 1));
        let tag = input.name(["a", "b", "c"][name as usize % 3]).0;
        let other = input.name(["t", "u"][name as usize % 2]).0;
        let member = input.name(["m", ""][name as usize % 2]).0;
        let (kind, kflag, name, word2, trailer) = match what {
            0..=3 => (Kind::Struct, false, tag, 8, vec![member, to_a, 0]),
            4..=5 => (Kind::Struct, false, tag, 16, vec![member, to_a, 0, other, to_b, 64]),
            6 => (Kind::Struct, false, tag, u32::from(a) % 2, vec![]),
            7..=10 => (Kind::Fwd, false, tag, 0, vec![]),
            11 => (Kind::Union, false, tag, 8, vec![member, to_a, 0]),
            12 => (Kind::Fwd, true, tag, 0, vec![]),
            13..=14 => (Kind::Enum, false, tag, 4, vec![other, u32::from(a) % 2]),
            15 => (Kind::Enum, a % 2 == 0, tag, 4 * (u32::from(b) % 2 + 1), vec![]),
            16 => (Kind::Enum64, false, tag, 8, if a % 2 == 0 { vec![] } else { vec![other, 1, 0] }),
            17..=24 => (Kind::Ptr, false, 0, to_a, vec![]),
            25..=26 => (Kind::Struct, false, 0, 8, vec![member, to_a, 0, other, to_b, 64]),
            27 => (Kind::Union, false, 0, 8, vec![member, to_a, 0]),
            28..=29 => (Kind::Typedef, false, other, to_a, vec![]),
            30 => (Kind::Const, false, 0, to_a, vec![]),
            31 => (Kind::Array, false, 0, 0, vec![to_a, to_b, 2]),
            32..=34 => (Kind::FuncProto, false, 0, to_a, vec![member, to_b]),
            35 => (Kind::TypeTag, a % 2 == 0, other, to_b, vec![]),
            36 => (Kind::Fwd, false, 0, 0, vec![]),
            37 => (Kind::Func, false, other, protos.last().copied().unwrap_or(0), vec![1]),
            38 if to_a != 0 => (Kind::DeclTag, false, other, to_a, vec![if b % 2 == 0 { u32::MAX } else { 0 }]),
            _ => (Kind::Int, false, other, 4, vec![32]),
        };
        if kind == Kind::FuncProto {
            protos.push(i as u32 + 1);
        }
        let mut record = vec![Head { kind, kflag }.word(), name, word2];
        record.extend(trailer);
        records.push_record(&record);
    }
    // A DECL_TAG on a DECL_TAG or on something without a type makes no sense.
    for i in 0..records.len() {
        let record = records.get(i);
        if Head::of(record).kind == Kind::DeclTag {
            let target = Head::of(records.get(record[2] as usize - 1)).kind;
            if target == Kind::DeclTag {
                records.get_mut(i)[..3].copy_from_slice(&[Head { kind: Kind::Volatile, kflag: false }.word(), 0, 0]);
                let word = Head { kind: Kind::Int, kflag: false }.word();
                records.get_mut(i)[0] = word;
            }
        }
    }
    records
}

fn input(templates: &[Vec<Draft>], units: &[Copy], base: &Option<Copy>) -> Input {
    let mut input = Input::default();
    input.name("");
    input.base = base.as_ref().map(|base| records(&mut input, templates, base));
    for unit in units {
        let records = records(&mut input, templates, unit);
        input.units.push(records);
    }
    input
}

/// A division of the work and an order of the units, from random numbers.
fn plan(units: usize, random: &[u8]) -> Plan {
    let random = |i: usize| random[i % random.len()] as usize;
    let workers = 1 + random(0) % 3;
    let mut plan = Plan { workers: vec![Vec::new(); workers], merges: vec![], ..Plan::simple(units) };
    for unit in 0..units {
        let worker = &mut plan.workers[random(unit + 1) % workers];
        let at = random(unit + 2) % (worker.len() + 1);
        worker.insert(at, unit);
    }
    let mut left: Vec<usize> = (0..workers).collect();
    while left.len() > 1 {
        let from = left.remove(1 + random(left.len()) % (left.len() - 1));
        plan.merges.push((left[random(left.len() + 3) % left.len()], from));
    }
    plan
}

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn as_the_oracle((templates, units, base) in drafts()) {
        let input = input(&templates, &units, &base);
        let outcome = run(&input, &Plan::simple(units.len()), Endian::Little);
        prop_assert_eq!(compare(&input, &outcome), Ok(()), "{}", input.text());
        let late = run(&input, &Plan { late: true, ..Plan::simple(units.len()) }, Endian::Little);
        prop_assert_eq!(compare(&input, &late), Ok(()), "late: {}", input.text());
    }

    #[test]
    fn same_bytes_however_divided((templates, units, base) in drafts(), random in vec(any::<u8>(), 12)) {
        let input = input(&templates, &units, &base);
        let outcome = run(&input, &Plan::simple(units.len()), Endian::Little);
        let plan = plan(units.len(), &random);
        let (per_unit, per_type) = (Some(Spelled::PerUnit), Some(Spelled::PerType));
        for (spelled, kept) in [(None, false), (per_unit, false), (per_type, false), (per_unit, true), (per_type, true)] {
            let plan = Plan { spelled, kept, ..plan.clone() };
            let other = run(&input, &plan, Endian::Little);
            prop_assert_eq!(other.bytes, outcome.bytes.clone(), "{:?}\n{}", plan, input.text());
        }
    }

    #[test]
    fn same_classes_in_any_order((templates, units, base) in drafts(), random in vec(any::<u8>(), 12)) {
        let input = input(&templates, &units, &base);
        let n = units.len();
        let outcome = run(&input, &Plan::simple(n), Endian::Little);
        let mut numbers: Vec<u32> = (0..n as u32).collect();
        (1..n).for_each(|i| numbers.swap(i, random[i] as usize % (i + 1)));
        let other = run(&input, &Plan { numbers, ..plan(n, &random) }, Endian::Little);
        prop_assert_eq!(partition(&other), partition(&outcome), "{}", input.text());
        prop_assert_eq!(other.records.len(), outcome.records.len());
    }

    #[test]
    fn copies_add_nothing((templates, units, base) in drafts(), copies in 2usize..4) {
        let mut input = input(&templates, &units, &base);
        let once = run(&input, &Plan::simple(units.len()), Endian::Little);
        input.units = input.units.iter().cycle().take(copies * units.len()).cloned().collect();
        let again = run(&input, &Plan::simple(input.units.len()), Endian::Little);
        prop_assert_eq!(again.bytes, once.bytes, "{}", input.text());
    }

    #[test]
    fn twice_is_once_and_against_itself_is_nothing((templates, units, _) in drafts()) {
        let input = input(&templates, &units, &None);
        let once = run(&input, &Plan::simple(units.len()), Endian::Little);
        let mut again = Input::default();
        let records = reread(&mut again, &once.bytes);
        again.units.push(records.clone());
        let twice = run(&again, &Plan::simple(1), Endian::Little);
        prop_assert_eq!(twice.records.len(), once.records.len(), "{}", input.text());
        // DECL_TAGs come in the order of their targets before those are sorted by name, so a second time may turn them.
        if once.records.iter().all(|r| Head::of(r).kind != Kind::DeclTag) {
            prop_assert_eq!(&twice.bytes, &once.bytes, "{}", input.text());
        }
        again.base = Some(records);
        let split = run(&again, &Plan::simple(1), Endian::Little);
        prop_assert_eq!(split.resolved, 0, "{}", input.text());
        // The units themselves on top of what they became: they have the same types.
        let mut on_itself = Input { base: again.base, names: again.names, units: vec![] };
        for unit in &input.units {
            let mut renamed = unit.clone();
            for i in 0..renamed.len() {
                btf::graph::map_names(renamed.get_mut(i), |n| on_itself.name(&input.names[n.0 as usize]));
            }
            on_itself.units.push(renamed);
        }
        let split = run(&on_itself, &Plan::simple(units.len()), Endian::Little);
        prop_assert_eq!(split.resolved, 0, "units on themselves: {}", input.text());
    }
}
