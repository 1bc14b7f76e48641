//! Inputs that punish anything quadratic and any recursion. No times are asserted: a slow step shows as a test that hangs.

use btf::graph::{Head, Records};
use btf::header::Endian;
use btf::kind::Kind;

use crate::input::Input;
use crate::run::{Outcome, Plan, run};

const N: u32 = 100_000;

fn push(records: &mut Records, kind: Kind, name: u32, word2: u32, trailer: &[u32]) -> u32 {
    let mut record = vec![Head { kind, kflag: false }.word(), name, word2];
    record.extend_from_slice(trailer);
    records.push_record(&record) as u32 + 1
}

/// An input whose names are `n0`, `n1` and so on from 1.
fn input(names: u32, units: Vec<Records>) -> Input {
    let names = std::iter::once(String::new()).chain((0..names).map(|i| format!("n{i}"))).collect();
    Input { names, base: None, units }
}

/// Runs in one go and with a worker per unit; both give the same bytes.
fn deduplicate(input: &Input) -> Outcome {
    let outcome = run(input, &Plan::simple(input.units.len()), Endian::Little);
    let other = run(input, &Plan::halves(input.units.len()), Endian::Little);
    assert!(other.bytes == outcome.bytes);
    outcome
}

/// A chain of `kind` to the INT at its end; the first type refers to the second and so on, or the other way round.
fn chain(kind: Kind, forwards: bool) -> Records {
    let mut records = Records::default();
    if !forwards {
        push(&mut records, Kind::Int, 1, 4, &[32]);
    }
    for i in 1..=N {
        let next = if forwards { i + 1 } else { i };
        match kind {
            // Names start at 2, each struct has its own.
            Kind::Struct => push(&mut records, kind, if forwards { i } else { N + 1 - i } + 1, 8, &[1, next, 0]),
            _ => push(&mut records, kind, 0, next, &[]),
        };
    }
    if forwards {
        push(&mut records, Kind::Int, 1, 4, &[32]);
    }
    records
}

#[test]
fn d22_long_chains() {
    for kind in [Kind::Ptr, Kind::Struct] {
        let input = input(N + 2, vec![chain(kind, true), chain(kind, false), chain(kind, true)]);
        assert_eq!(deduplicate(&input).records.len(), N as usize + 1);
    }
}

#[test]
fn deep_nesting_of_anonymous_structs() {
    let depth = 10_000;
    let mut records = Records::default();
    for i in 1..depth {
        push(&mut records, Kind::Struct, 0, 4, &[1, i + 1, 0]);
    }
    push(&mut records, Kind::Int, 1, 4, &[32]);
    push(&mut records, Kind::Struct, 2, 4, &[1, 1, 0]);
    assert_eq!(deduplicate(&input(3, vec![records.clone(), records])).records.len(), depth as usize + 1);
}

#[test]
fn struct_with_many_members() {
    let members = 60_000;
    let mut records = Records::default();
    let trailer: Vec<u32> = (0..members).flat_map(|i| [i + 2, i + 2, i * 32]).collect();
    push(&mut records, Kind::Struct, 1, 4 * members, &trailer);
    for i in 0..members {
        push(&mut records, Kind::Struct, 0, 4, &[i + 2, members + 2, 0]);
    }
    push(&mut records, Kind::Int, 1, 4, &[32]);
    assert_eq!(deduplicate(&input(members + 2, vec![records.clone(), records])).records.len(), members as usize + 2);
}

#[test]
fn many_ambiguous_names() {
    // Units 1 and 2 define each name in their own way. Unit 1 also has a struct with a pointer to each, and so has unit 3,
    // which only declares them: the evidence says that they are those of unit 1.
    let n = N / 2;
    let mut units = vec![Records::default(), Records::default(), Records::default()];
    for i in 0..n {
        push(&mut units[0], Kind::Struct, 1 + i, 4, &[]);
        push(&mut units[1], Kind::Struct, 1 + i, 8, &[]);
        push(&mut units[2], Kind::Fwd, 1 + i, 0, &[]);
    }
    for unit in [0, 2] {
        for i in 0..n {
            let pointer = push(&mut units[unit], Kind::Ptr, 0, 1 + i, &[]);
            push(&mut units[unit], Kind::Struct, 1 + n + i, 8, &[1, pointer, 0]);
        }
    }
    let outcome = deduplicate(&input(2 * n, units));
    assert_eq!(outcome.records.len(), 4 * n as usize);
    assert_eq!(outcome.ambiguous, n as usize);
}

#[test]
fn many_definitions_of_one_name() {
    let units = (0..N / 4).map(|i| {
        let mut unit = Records::default();
        push(&mut unit, Kind::Struct, 1, i, &[]);
        push(&mut unit, Kind::Ptr, 0, 1, &[]);
        unit
    });
    let mut units: Vec<Records> = units.collect();
    let mut forward = Records::default();
    push(&mut forward, Kind::Fwd, 1, 0, &[]);
    push(&mut forward, Kind::Ptr, 0, 1, &[]);
    units.push(forward);
    let plan = Plan::simple(units.len());
    assert_eq!(run(&input(1, units), &plan, Endian::Little).records.len(), 2 * (N as usize / 4) + 2);
}

#[test]
fn chain_of_structs_that_split_one_after_the_other() {
    // Struct i points to struct i + 1; the last one is another one in each unit.
    let unit = |size| {
        let mut unit = Records::default();
        for i in 0..N {
            push(&mut unit, Kind::Struct, 1 + i, 8, &[1, N + 1 + i, 0]);
        }
        for i in 0..N {
            push(&mut unit, Kind::Ptr, 0, i + 2, &[]);
        }
        let mut records = Records::default();
        for (i, record) in unit.iter().enumerate() {
            let mut record = record.to_vec();
            // The last struct goes between the structs and the pointers.
            if i < N as usize {
                record[4] += 1;
            } else if i == N as usize {
                push(&mut records, Kind::Struct, N + 1, size, &[]);
            }
            records.push_record(&record);
        }
        records
    };
    let outcome = deduplicate(&input(N + 1, vec![unit(4), unit(8)]));
    assert_eq!(outcome.records.len(), 2 * (2 * N as usize + 1));
    assert_eq!(outcome.ambiguous, N as usize + 1);
    assert_eq!(deduplicate(&input(N + 1, vec![unit(4), unit(4)])).records.len(), 2 * N as usize + 1);
}

#[test]
fn long_ring_without_a_tag() {
    // Typedefs t0 of t0 of t0 ... and one t1.
    let ring = |n: u32, special: u32| {
        let mut records = Records::default();
        for i in 0..n {
            push(&mut records, Kind::Typedef, if i == special { 2 } else { 1 }, (i + 1) % n + 1, &[]);
        }
        records
    };
    let outcome = deduplicate(&input(2, vec![ring(N, 0), ring(N, N / 3)]));
    assert_eq!(outcome.records.len(), N as usize);
    // All alike: one typedef of itself. As a part of the base, too.
    let mut alike = input(2, vec![ring(N, N), ring(7, 7)]);
    assert_eq!(deduplicate(&alike).records.len(), 1);
    alike.base = Some(ring(N, 0));
    alike.units.push(ring(N, 5));
    assert_eq!(deduplicate(&alike).records.len(), 1);
}

#[test]
fn evidence_through_one_long_chain() {
    // A thousand structs reach a tag through the same chain of pointers; which one it is, is known from the first unit.
    let carriers = 1000;
    let unit = |head: &dyn Fn(&mut Records)| {
        let mut records = Records::default();
        head(&mut records);
        for i in 1..=N {
            push(&mut records, Kind::Ptr, 0, i, &[]);
        }
        for i in 0..carriers {
            push(&mut records, Kind::Struct, 2 + i, 8, &[1, N + 1, 0]);
        }
        records
    };
    let defined = unit(&|records| _ = push(records, Kind::Struct, 1, 4, &[]));
    let declared = unit(&|records| _ = push(records, Kind::Fwd, 1, 0, &[]));
    let mut other = Records::default();
    push(&mut other, Kind::Struct, 1, 8, &[]);
    let outcome = deduplicate(&input(2 + carriers, vec![declared, other, defined]));
    assert_eq!(outcome.records.len(), 2 + N as usize + carriers as usize);
}

#[test]
fn long_chain_to_a_forward_declaration_of_the_base() {
    let chain = |kind| {
        let mut records = Records::default();
        push(&mut records, kind, 1, 0, &[]);
        for i in 1..=N {
            push(&mut records, Kind::Ptr, 0, i, &[]);
        }
        records
    };
    let mut input = input(1, vec![chain(Kind::Struct)]);
    input.base = Some(chain(Kind::Fwd));
    assert_eq!(deduplicate(&input).records.len(), N as usize + 1);
}

#[test]
fn d62_too_many_types() {
    let n = 1 << 20;
    let mut records = Records::default();
    for i in 0..n {
        push(&mut records, Kind::Ptr, 0, i, &[]);
    }
    let mut fold = btf::dedup::fold::Fold::new(None);
    let local = |w: u32| w.checked_sub(1).map_or(btf::dedup::fold::Local::Void, btf::dedup::fold::Local::Type);
    fold.fold_with(0, &records, local);
    let resolution = btf::dedup::resolve::Resolution::new(&fold, None);
    let types = btf::writer::Types {
        records: &resolution.records,
        strings: &fold.strings,
        base: None,
        endian: Endian::Little,
        extensions: Default::default(),
    };
    assert_eq!(types.write().unwrap_err().kind(), btf::error::ErrorKind::Limit);
}

#[test]
fn d62_too_long_strings() {
    // 17 MiB of names.
    let names = 17 * 16;
    let mut fold = btf::dedup::fold::Fold::new(None);
    let mut records = Records::default();
    for i in 0..names {
        let name = fold.strings.intern(format!("{i:065535}").as_bytes());
        push(&mut records, Kind::Typedef, name.0, 0, &[]);
    }
    fold.fold_with(0, &records, |_| btf::dedup::fold::Local::Void);
    let resolution = btf::dedup::resolve::Resolution::new(&fold, None);
    let types = btf::writer::Types {
        records: &resolution.records,
        strings: &fold.strings,
        base: None,
        endian: Endian::Little,
        extensions: Default::default(),
    };
    assert_eq!(types.write().unwrap_err().kind(), btf::error::ErrorKind::Limit);
}
