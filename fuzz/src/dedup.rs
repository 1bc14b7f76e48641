//! The deduplication against the oracle of its tests: any graph, any division over workers.

use btf::graph::{Head, Records};
use btf::header::Endian;
use btf::kind::Kind;

use crate::bytes::Bytes;
use crate::input::Input;
use crate::run::{Plan, Spelled, compare, run as run_input};

/// More types of a unit, and more units, only take the oracle longer.
const TYPES: usize = 24;
const UNITS: usize = 5;

/// A graph: four bytes a type, and where units begin.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let plan_bytes = [bytes.byte(), bytes.byte()];
    let mut input = Input::default();
    input.name("");
    if plan_bytes[0] & 1 != 0 {
        let base = unit(&mut input, &mut bytes);
        input.base = Some(base);
    }
    while !bytes.is_empty() && input.units.len() < UNITS {
        let records = unit(&mut input, &mut bytes);
        input.units.push(records);
    }
    let n = input.units.len();
    let outcome = run_input(&input, &Plan::simple(n), Endian::Little);
    compare(&input, &outcome).unwrap_or_else(|e| panic!("{e}\n{}", input.text()));
    let spelled = match plan_bytes[0] >> 1 & 3 {
        0 => None,
        1 => Some(Spelled::PerUnit),
        _ => Some(Spelled::PerType),
    };
    let plan = if plan_bytes[1] & 1 == 0 { Plan::backwards(n) } else { Plan::halves(n) };
    let plan = Plan { spelled, kept: spelled.is_some() && plan_bytes[1] & 2 != 0, ..plan };
    let other = run_input(&input, &plan, Endian::Little);
    assert_eq!(other.bytes, outcome.bytes, "{plan:?}\n{}", input.text());
}

/// What a byte makes of the three after it. Names come from a tiny alphabet, so that most types have something to do with others.
fn unit(input: &mut Input, bytes: &mut Bytes<'_>) -> Records {
    let drafts: Vec<[u8; 4]> = std::iter::from_fn(|| {
        let draft = [bytes.byte(), bytes.byte(), bytes.byte(), bytes.byte()];
        // 0xff ends a unit.
        (draft[0] != 0xff && (draft != [0; 4] || !bytes.is_empty())).then_some(draft)
    })
    .take(TYPES)
    .collect();
    let n = drafts.len() as u32;
    let mut records = Records::default();
    for [what, name, a, b] in drafts {
        let (to_a, to_b) = (u32::from(a) % (n + 1), u32::from(b) % (n + 1));
        let tag = input.name(["a", "b", "c"][usize::from(name) % 3]).0;
        let other = input.name(["t", "u"][usize::from(name) % 2]).0;
        let member = input.name(["m", ""][usize::from(name >> 4) % 2]).0;
        let (number, flag) = (u32::from(name >> 6), what & 0x80 != 0);
        let (kind, kflag, name, word, trailer) = match what & 0x1f {
            0..=2 => (Kind::Struct, flag, tag, 8, vec![member, to_a, 0]),
            3..=4 => (Kind::Struct, flag, tag, 16, vec![member, to_a, 0, other, to_b, 64]),
            5 => (Kind::Struct, false, tag, number, vec![]),
            6..=8 => (Kind::Fwd, false, tag, 0, vec![]),
            9 => (Kind::Union, false, tag, 8, vec![member, to_a, number]),
            10 => (Kind::Fwd, true, tag, 0, vec![]),
            11 => (Kind::Enum, flag, tag, 4, vec![other, number]),
            12 => (Kind::Enum, flag, tag, 4 * (number % 2 + 1), vec![]),
            13 => (Kind::Enum64, flag, tag, 8, if number == 0 { vec![] } else { vec![other, number, 0] }),
            14..=18 => (Kind::Ptr, false, 0, to_a, vec![]),
            19 => (Kind::Struct, flag, 0, 8, vec![member, to_a, 0, other, to_b, 64]),
            20 => (Kind::Union, false, 0, 8, vec![member, to_a, 0]),
            21 => (Kind::Typedef, false, other, to_a, vec![]),
            22 => ([Kind::Const, Kind::Volatile, Kind::Restrict][number as usize % 3], false, 0, to_a, vec![]),
            23 => (Kind::Array, false, 0, 0, vec![to_a, to_b, number]),
            24..=26 => (Kind::FuncProto, false, 0, to_a, vec![member, to_b]),
            27 => (Kind::TypeTag, flag, other, to_b, vec![]),
            28 => (Kind::Fwd, false, 0, 0, vec![]),
            29 => (Kind::FuncProto, false, 0, to_a, vec![member, to_b, 0, 0]),
            30 => (Kind::Float, false, other, 4, vec![]),
            _ => (Kind::Int, false, other, 4, vec![32 | number << 24]),
        };
        let mut record = vec![Head { kind, kflag }.word(), name, word];
        record.extend(trailer);
        records.push_record(&record);
    }
    records
}
