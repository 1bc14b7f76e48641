//! The catalogue of scenarios: one test per entry, D01 to D64.
//!
//! Expected results name labels: those that became one type stand together (`1,4`), `5=2` is a type that is the base's with
//! label 2. Each scenario also runs split over workers in several ways (same bytes), with its units in all orders (same
//! classes), big-endian (same classes), against the oracle, and its output is deduplicated again.
//!
//! Elsewhere:
//! * D22 (chains of 100,000 types) and D62 (limits of ids and strings): scale.rs.
//! * D45 (twice is once): `check_input`, for each scenario without a base; with one, properties.rs.
//! * D58 (any order, any division over workers) and D59 (big-endian): `check_input`, for each scenario; D58 has one of its own, too.
//!
//! Not here, since they do not concern this program:
//! * D47 (removal of unreachable types): it is not done. What units hand over is wanted, and types that no DIE needs are not written.
//! * D63, D64: the *report* about mixed compilers, and matching integers by other names, are not done; that such types stay apart is tested.
//! * Decisions of the incumbent ("L:") are not followed where they differ from the rules; there is no parity mode.

use std::collections::BTreeMap;

use btf::dedup::resolve::Target;
use btf::graph::{Head, refs};
use btf::header::Endian;
use btf::kind::Kind;
use btf::view::BtfView;

use crate::input::Input;
use crate::notation::{Case, parse};
use crate::run::{Outcome, Plan, Spelled, compare, partition, reread, run};

/// All orders of `0..n`; only some for larger n.
fn orders(n: usize) -> Vec<Vec<u32>> {
    let identity: Vec<u32> = (0..n as u32).collect();
    if n > 4 {
        return vec![identity.clone(), identity.into_iter().rev().collect()];
    }
    let mut all = vec![vec![]];
    for i in 0..n as u32 {
        all = all
            .into_iter()
            .flat_map(|o: Vec<u32>| {
                (0..=o.len()).map(move |at| {
                    let mut o = o.clone();
                    o.insert(at, i);
                    o
                })
            })
            .collect();
    }
    all
}

/// Everything that must hold for any input. Returns the outcome in the given order.
pub fn check_input(input: &Input) -> Outcome {
    let n = input.units.len();
    let outcome = run(input, &Plan::simple(n), Endian::Little);
    compare(input, &outcome).unwrap_or_else(|e| panic!("{e}\n{}", input.text()));
    let spelled = [(Spelled::PerUnit, false), (Spelled::PerType, false), (Spelled::PerUnit, true)]
        .map(|(s, kept)| Plan { spelled: Some(s), kept, ..Plan::halves(n) });
    for plan in [Plan::backwards(n), Plan::halves(n)].into_iter().chain(spelled) {
        assert_eq!(run(input, &plan, Endian::Little).bytes, outcome.bytes, "{plan:?}");
    }
    let classes = partition(&outcome);
    for numbers in orders(n) {
        let other = run(input, &Plan { numbers, ..Plan::halves(n) }, Endian::Little);
        assert_eq!(partition(&other), classes);
        assert_eq!(other.records.len(), outcome.records.len());
    }
    assert_eq!(partition(&run(input, &Plan::simple(n), Endian::Big)), classes);
    let late = run(input, &Plan { late: true, ..Plan::backwards(n) }, Endian::Little);
    compare(input, &late).unwrap_or_else(|e| panic!("late: {e}\n{}", input.text()));
    assert_eq!(partition(&late), classes);
    if input.base.is_none() {
        let mut again = Input::default();
        let records = reread(&mut again, &outcome.bytes);
        again.units.push(records);
        assert_eq!(run(&again, &Plan::simple(1), Endian::Little).bytes, outcome.bytes, "twice is once");
    }
    outcome
}

struct Checked {
    case: Case,
    outcome: Outcome,
}

/// Runs a case and compares what its labels became, and how many types are written.
fn check(text: &str, expected: &str, own: usize) -> Checked {
    let case = parse(text);
    let outcome = check_input(&case.input);
    let base_label: BTreeMap<u32, u32> =
        case.labels.iter().filter(|(_, (u, _))| u.is_none()).map(|(l, (_, id))| (*id, *l)).collect();
    let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (&label, &(unit, number)) in &case.labels {
        if let Some(unit) = unit {
            groups.entry(outcome.targets[unit][number as usize - 1].word()).or_default().push(label);
        }
    }
    let mut found: Vec<(u32, String)> = Vec::new();
    for (word, labels) in groups {
        let mut text = labels.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        if let Target::Base(id) = Target::of(word) {
            text += &format!("={}", base_label.get(&id.0).map_or(format!("base type {id}"), u32::to_string));
        }
        found.push((labels[0], text));
    }
    found.sort();
    let found: Vec<String> = found.into_iter().map(|(_, text)| text).collect();
    assert_eq!(found.join(" "), expected, "classes of\n{text}");
    assert_eq!(outcome.records.len(), own, "number of own types of\n{text}");
    Checked { case, outcome }
}

impl Checked {
    fn target(&self, label: u32) -> Target {
        let (unit, number) = self.case.labels[&label];
        match unit {
            Some(unit) => self.outcome.targets[unit][number as usize - 1],
            None => Target::Base(btf::ids::TypeId(number)),
        }
    }

    fn record(&self, label: u32) -> &[u32] {
        match self.target(label) {
            Target::Own(n) => self.outcome.records.get(n as usize),
            Target::Base(_) => panic!("{label} is of the base"),
        }
    }

    /// The own type with label `from` refers to what the labels `to` became.
    fn refers(&self, from: u32, to: &[u32]) -> &Checked {
        let found: Vec<Target> = refs(self.record(from)).map(Target::of).collect();
        let expected: Vec<Target> = to.iter().map(|&l| self.target(l)).collect();
        assert_eq!(found, expected, "references of {from}");
        self
    }

    fn is_fwd(&self, label: u32) -> &Checked {
        let kind = Head::of(self.record(label)).kind;
        assert!(matches!(kind, Kind::Fwd | Kind::Enum | Kind::Enum64), "{label} is a {kind:?}");
        assert_eq!(self.record(label).len(), 3);
        self
    }

    fn strings(&self) -> Vec<String> {
        let base = self.case.input.base_bytes(Endian::Little);
        let base = base.as_ref().map(|b| BtfView::parse(b).unwrap());
        let view = BtfView::parse_on(&self.outcome.bytes, base.as_ref()).unwrap();
        let text = String::from_utf8(view.strings().to_vec()).unwrap();
        text.split_terminator('\0').map(str::to_string).collect()
    }
}

#[test]
fn d01_strings() {
    let mut case = parse("1: int ; 2: long");
    case.input.name("unused");
    let outcome = check_input(&case.input);
    let view = BtfView::parse(&outcome.bytes).unwrap();
    assert_eq!(view.strings(), b"\0int\0long\0");
}

#[test]
fn d02_string_duplicates() {
    // Five INTs, one unit each; the base writes each name again.
    let r = check("|1\n1: int\n|2\n2: int\n|3\n3: long\n|4\n4: int\n|5\n5: long", "1,2,4 3,5", 2);
    assert_eq!(r.strings(), ["", "int", "long"]);
    let r = check("|B\n1: int ; 2: int ; 3: long ; 4: long\n|1\n5: int ; 6: long ; 7: T int 6", "5=1 6=3 7", 1);
    assert_eq!(r.strings(), [""]);
}

#[test]
fn d03_two_copies() {
    let unit = |n: u32| {
        let l = |k: u32| n * 10 + k;
        format!(
            "|{n}\n{}: int ; {}: [{};16] ; {}: S s/88 {{next:*{}@0, a:*c {}@64, b:{}@128, c:{}@640, d:FL float/4@672}}\n\
             {}: D \"struct\" {} ; {}: D \"member\" {} 1",
            l(1),
            l(2),
            l(1),
            l(3),
            l(3),
            l(1),
            l(2),
            l(1),
            l(4),
            l(3),
            l(5),
            l(3)
        )
    };
    let r = check(&(unit(1) + "\n" + &unit(2)), "11,21 12,22 13,23 14,24 15,25", 9);
    r.refers(14, &[13]).refers(15, &[13]);
}

#[test]
fn d04_int_and_float_near_misses() {
    let text = "1: I x/4 1 0 32 ; 2: I x/4 0 0 32 ; 3: I x/4 1 8 32 ; 4: I x/4 1 0 31 ; 5: I x/8 1 0 32
        6: FL f/2 ; 7: FL f/4 ; 8: FL f/8 ; 9: FL f/12 ; 10: FL f/16 ; 11: FL f/2";
    check(text, "1 2 3 4 5 6,11 7 8 9 10", 10);
}

#[test]
fn d05_recursive_typedef() {
    check("1: T Foo 2 ; 2: P 1 () ; 3: T Foo 4 ; 4: P 3 ()", "1,3 2,4", 2);
    check("|1\n1: T Foo 2 ; 2: P 1 ()\n|2\n3: T Foo 4 ; 4: P 3 ()", "1,3 2,4", 2);
    // Entered through a copy, unrolled, and a loop that another loop refers to and equals.
    check("1: T t 2 ; 2: *3 ; 3: T t 4 ; 4: *5 ; 5: T t 6 ; 6: *5", "1,3,5 2,4,6", 2);
    check("1: P 2 (a:3) ; 2: *1 ; 3: *4 ; 4: P 3 (a:3)", "1,4 2,3", 2);
    check("|1\n1: T t 2 ; 2: *1\n|2\n3: T t 4 ; 4: *5 ; 5: T t 6 ; 6: *5", "1,3,5 2,4,6", 2);
}

#[test]
fn d06_void_is_only_void() {
    let text = "|1\n1: S _/1 {} ; 2: *1 ; 3: S s/8 {x:2}\n|2\n4: *0 ; 5: S s/8 {x:4}";
    check(text, "1 2 3 4 5", 5);
}

#[test]
fn d07_struct_and_its_forward() {
    let text = "|1\n1: F x ; 2: *1 ; 3: S s/8 {x:2}\n|2\n4: S x/0 {} ; 5: *4 ; 6: S s/8 {x:5}";
    check(text, "1,4 2,5 3,6", 3);
}

#[test]
fn d08_one_of_every_kind() {
    let text = "1: int ; 2: *1 ; 3: [1;4] ; 4: S s/8 {a:1} ; 5: U u/8 {a:1} ; 6: E e/4 {A=1} ; 7: F f ; 8: T t 1
        9: v 1 ; 10: c 1 ; 11: r 2 ; 12: P 1 (a:1) ; 13: f g 12 ; 14: V v 1 ; 15: DS .data {14@0/4} ; 16: FL float/4
        17: D \"d\" 4 ; 18: TT \"t\" 1 ; 19: E64 e64/8 {A=1}";
    check(text, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19", 19);
}

#[test]
fn d09_enum_forwards() {
    let text = "1: E e1/4 {} ; 2: E e1/4 {v=123} ; 3: E e2/4 {w=456} ; 4: E e2/4 {} ; 5: E e1/1 {} ; 6: E e1/4 {v=321}";
    check(text, "1,5 2 3,4 6", 4).is_fwd(1);
    let units = text.split(" ; ").enumerate().map(|(i, t)| format!("|{i}\n{t}\n")).collect::<String>();
    check(&units, "1,5 2 3,4 6", 4).is_fwd(1);
}

#[test]
fn d10_several_full_enums() {
    let text = "|1\n1: E e/4 {} ; 2: T td 1\n|2\n3: E e/4 {A=1}\n|3\n4: E e/4 {B=2}";
    check(text, "1 2 3 4", 4).is_fwd(1).refers(2, &[1]);
}

#[test]
fn d11_empty_anonymous_enum() {
    check("1: E _/4 {V=1} ; 2: E _/4 {} ; 3: T empty 2", "1 2 3", 3);
}

#[test]
fn d12_enum64() {
    let text = "1: E64 e1/4 {} ; 2: E64 e1/4 {v=123} ; 3: E64 e2/4 {w=456} ; 4: E64 e2/4 {} ; 5: E64 e1/1 {} ; 6: E64 e1/4 {v=321}";
    check(text, "1,5 2 3,4 6", 4).is_fwd(1);
    check("|1\n1: E e1/4 {A=1}\n|2\n2: E64 e1/4 {A=1}\n|3\n3: E e1/2 {A=1}\n|4\n4: E! e1/4 {A=1}", "1 2 3 4", 4);
}

#[test]
fn d13_enum_forward_of_another_width() {
    check("1: E64 e1/8 {A=4294967296} ; 2: E e1/4 {} ; 3: T td 2", "1,2 3", 2).refers(3, &[1]);
    check("1: E e1/4 {A=1} ; 2: E64 e1/8 {} ; 3: T td 2", "1,2 3", 2).refers(3, &[1]);
    let text = "|1\n1: E e/4 {} ; 2: S s/8 {a:*1}\n|2\n3: E64 e/8 {A=4294967296} ; 4: S s/8 {a:*3}";
    check(text, "1,3 2,4", 3);
}

#[test]
fn d14_identical_arrays() {
    let text = "|1\n1: [int;4] ; 2: S s/32 {x:1@0, y:1@128}
        |2\n3: [int;4] ; 4: [int;4] ; 5: S s/32 {x:3@0, y:4@128}";
    check(text, "1,3,4 2,5", 3);
}

#[test]
fn d15_identical_structs() {
    let text = "|1\n1: S _/8 {f1:int@0, f2:int@32} ; 2: S s/16 {a:1@0, b:1@64}
        |2\n3: S _/8 {f1:int@0, f2:int@32} ; 4: S _/8 {f1:int@0, f2:int@32} ; 5: S s/16 {a:3@0, b:4@64}";
    check(text, "1,3,4 2,5", 3);
    let text = "|1\n1: *int ; 2: S s/16 {a:1@0, b:1@64}\n|2\n3: *int ; 4: *int ; 5: S s/16 {a:3@0, b:4@64}";
    check(text, "1,3,4 2,5", 3);
}

#[test]
fn d16_nested_duplicates() {
    let text = "|1\n1: [int;2] ; 2: U _/8 {a:1} ; 3: S _/16 {u:2@0, v:1@64} ; 4: S s/32 {x:3@0, y:3@128}
        |2\n11: [int;2] ; 12: [int;2] ; 13: U _/8 {a:11} ; 14: U _/8 {a:12} ; 15: S _/16 {u:13@0, v:12@64}
        16: S _/16 {u:14@0, v:11@64} ; 17: S s/32 {x:15@0, y:16@128}";
    check(text, "1,11,12 2,13,14 3,15,16 4,17", 5);
}

#[test]
fn d17_arrays_of_other_elements() {
    let text = "|1\n1: int ; 2: uint ; 3: [1;4] ; 4: S S/32 {x:3@0, y:3@128}
        |2\n5: int ; 6: uint ; 7: [5;4] ; 8: [6;4] ; 9: S S/32 {x:7@0, y:8@128}";
    check(text, "1,5 2,6 3,7 4 8 9", 6);
}

#[test]
fn d18_recursive_type_twice() {
    let text = "|1\n1: S R/8 {n:2} ; 2: *1 ; 3: S S/16 {a:2@0, b:2@64}
        |2\n4: S R/8 {n:5} ; 5: *4 ; 6: S R/8 {n:7} ; 7: *6 ; 8: S S/16 {a:5@0, b:7@64}";
    check(text, "1,4,6 2,5,7 3,8", 3);
}

#[test]
fn d19_chain_of_structs() {
    // Labels c + 0.. for the structs, c + 50.. for the pointers.
    let chain = |c: u32| {
        let link = |i: u32| match i {
            15 => format!("{}: S N15/8 {{x:int}}\n", c + 15),
            i => format!("{}: S N{i}/8 {{n:{}}} ; {}: *{}\n", c + i, c + 50 + i, c + 50 + i, c + i + 1),
        };
        (0..16).map(link).collect::<String>()
    };
    let text = format!(
        "|1\n1: S S/16 {{a:*100@0, b:*100@64}}\n{}|2\n2: S S/16 {{a:*200@0, b:*300@64}}\n{}{}",
        chain(100),
        chain(200),
        chain(300)
    );
    let mut expected = vec!["1,2".to_string()];
    expected.extend((100..116).chain(150..165).map(|l| format!("{l},{},{}", l + 100, l + 200)));
    check(&text, &expected.join(" "), 1 + 16 + 15 + 1 + 1);
}

#[test]
fn d20_pointer_loop() {
    check("1: c 2 ; 2: *1", "1 2", 2);
    check("|1\n1: c 2 ; 2: *1\n|2\n3: c 4 ; 4: *3", "1,3 2,4", 2);
    check("|B\n1: c 2 ; 2: *1\n|1\n3: c 4 ; 4: *3 ; 5: T t 3", "3=1 4=2 5", 1);
}

#[test]
fn d21_recursive_typedefs_under_a_struct() {
    let text = "|1\n1: T t 2 ; 2: *1 ; 3: S S/16 {a:1@0, b:1@64}
        |2\n4: S S/16 {a:5@0, b:7@64} ; 5: T t 6 ; 6: *5 ; 7: T t 8 ; 8: *7";
    check(text, "1,5,7 2,6,8 3,4", 3);
}

// d22: see scale.rs

#[test]
fn d23_forward_outside_of_any_graph() {
    check("|1\n1: S foo/4 {x:int}\n|2\n2: F foo ; 3: *2 ; 4: T foo_ptr 3", "1,2 3 4", 4).refers(3, &[1]);
    check("|1\n1: U foo/4 {x:int}\n|2\n2: FU foo ; 3: *2 ; 4: T foo_ptr 3", "1,2 3 4", 4).refers(3, &[1]);
}

#[test]
fn d24_forward_that_stays() {
    check("|1\n1: S foo/4 {x:int}\n|2\n2: FU foo ; 3: *2 ; 4: T foo_ptr 3", "1 2 3 4", 5).is_fwd(2).refers(3, &[2]);
    let text = "|1\n1: S foo/4 {x:int}\n|2\n2: F foo ; 3: *2 ; 4: T foo_ptr 3\n|3\n5: S foo/8 {x:int}";
    check(text, "1 2 3 4 5", 6).is_fwd(2).refers(3, &[2]).refers(4, &[3]);
}

#[test]
fn d25_struct_and_union_of_one_name() {
    check("|1\n1: S S/1 {}\n|2\n2: U S/1 {}\n|3\n3: F S ; 4: *3", "1,3 2 4", 3).refers(4, &[1]);
}

const D26: &str = "|1\n1: S T/4 {a:int} ; 2: *1 ; 3: S S/8 {p:2}
    |2\n5: S T/8 {b:int} ; 6: *5 ; 7: S S/8 {p:6}
    |3\n9: F T ; 10: *9 ; 11: S S/8 {p:10} ; 12: S Q/8 {s:10}";

#[test]
fn d26_ambiguous_forward() {
    let r = check(D26, "1 2 3 5 6 7 9 10 11 12", 11);
    r.is_fwd(9).refers(12, &[10]);
    // T, and S because of it.
    assert_eq!(r.outcome.ambiguous, 2);
}

#[test]
fn d27_all_orders() {
    // `check` runs all orders; the same case with the evidence on one side only: 9 is the T of unit 1.
    check(D26, "1 2 3 5 6 7 9 10 11 12", 11);
    let text = D26.replace("7: S S/8 {p:6}", "7: S V/8 {p:6}");
    check(&text, "1,9 2,10 3,11 5 6 7 12", 8);
    // A definition that refers to itself is evidence too.
    let text = text.replace("1: S T/4 {a:int}", "1: S T/4 {a:int, n:*1}");
    check(&text, "1,9 2,10 3,11 5 6 7 12", 8);
    // Several composites: they must agree.
    let text = "|1\n1: S T/4 {} ; 2: S S/8 {p:*1}\n|2\n3: S T/8 {} ; 4: S V/8 {p:*3}
        |3\n5: F T ; 6: S S/8 {p:*5} ; 7: S V/8 {p:*5}";
    check(text, "1 2 3 4 5 6 7", 10);
    // Evidence is a unit's own: unit 4 has none.
    let text =
        "|1\n1: S T/4 {} ; 2: S S/8 {p:*1}\n|2\n3: S T/8 {}\n|3\n5: F T ; 6: S S/8 {p:*5}\n|4\n8: F T ; 9: T t *8";
    check(text, "1,5 2,6 3 8 9", 7);
    // A definition that is several types itself is no evidence: S says T, but T is one of two.
    let text =
        "|1\n1: S U/4 {} ; 2: S T/8 {u:*1} ; 3: S S/8 {p:*2}\n|2\n4: S U/8 {} ; 5: S T/8 {u:*4} ; 6: S S/8 {p:*5}
        |3\n7: S T/1 {}\n|4\n8: F T ; 9: S S/8 {p:*8}";
    check(text, "1 2 3 4 5 6 7 8 9", 14);
}

#[test]
fn d28_mutual_partial_knowledge() {
    let text = "|1\n1: S A/8 {s:*3} ; 2: F B ; 3: S S/16 {a:*1@0, b:*2@64}
        |2\n4: F A ; 5: S B/8 {s:*6} ; 6: S S/16 {a:*4@0, b:*5@64}";
    check(text, "1,4 2,5 3,6", 6);
}

#[test]
fn d29_tag_on_a_forward() {
    let r = check("|1\n1: F S ; 2: D \"t\" 1 -1\n|2\n3: S S/1 {}", "1,3 2", 2);
    r.refers(2, &[3]);
}

#[test]
fn d30_forward_and_definition_in_one_unit() {
    let text =
        "|1\n1: S x/4 {a:int} ; 2: F x ; 3: T p *2\n|2\n4: S x/8 {b:int} ; 5: F x ; 6: T p *5\n|3\n7: F x ; 8: T p *7";
    check(text, "1,2 3 4,5 6 7 8", 10).is_fwd(7);
    // Also where the unit defines another tag in two ways.
    let text = "|1\n1: S x/4 {a:int} ; 2: F x ; 3: T p *2 ; 11: S y/1 {} ; 12: S y/2 {} ; 13: F y ; 14: *13
        |2\n4: S x/8 {b:int} ; 5: F x ; 6: T p *5";
    check(text, "1,2 3 4,5 6 11 12 13 14", 11).is_fwd(13);
}

#[test]
fn d30_copies_that_are_two_types() {
    // The unit defines y in two ways, so its two z are two types, and so are its two d, one of which says only `struct z`.
    let text = "1: S y/1 {} ; 2: S y/2 {} ; 3: S z/8 {p:*1} ; 4: S z/8 {p:*2} ; 5: F z ; 6: S d/8 {q:*5}
        7: S d/8 {q:*3} ; 8: F d ; 9: T t *8";
    check(text, "1 2 3 4 5 6 7 8 9", 14).is_fwd(5).is_fwd(8);
    // Copies that are one type: the forward declaration is that one, though y is ambiguous.
    let text = "1: S y/1 {} ; 2: S y/2 {} ; 3: S z/8 {p:*int} ; 4: S z/8 {p:*int} ; 5: F z ; 6: F y";
    check(text, "1 2 3,4,5 6", 6).is_fwd(6);
}

#[test]
fn d31_typedef_of_the_base() {
    let text = "|B\n1: int ; 2: *1 ; 3: S s1/4 {f1:1} ; 4: T t1 1
        |1\n5: S s2/16 {f1:7@0, f2:6@32, f3:*6@64} ; 6: int ; 7: S s1/4 {f1:6} ; 8: T t1 6";
    check(text, "5 6=1 7=3 8=4", 1).refers(5, &[3, 1, 2]);
}

#[test]
fn d32_definition_in_the_base() {
    let text = "|B\n1: S s1/16 {f1:2@0, f2:4@64} ; 2: *1 ; 3: S s2/4 {x:int} ; 4: *3 ; 5: S s3/1 {} ; 6: *5
        |1\n11: S s1/16 {f1:12@0, f2:14@64} ; 12: *11 ; 13: F s2 ; 14: *13 ; 15: F s3 ; 16: *15";
    check(text, "11=1 12=2 13=3 14=4 15=5 16=6", 0);
}

#[test]
fn d33_two_definitions_in_the_base() {
    let text = "|B\n1: S s3/1 {} ; 2: S s3/2 {} ; 3: *1 ; 4: *2\n|1\n5: F s3 ; 6: *5";
    check(text, "5 6", 2).is_fwd(5);
    // The base has two T only because it has two U, of which the file knows nothing. S is neither of the two in the base.
    let text = "|B\n1: S U/1 {} ; 2: S U/2 {} ; 3: S T/8 {u:*1} ; 4: S T/8 {u:*2} ; 5: S S/8 {t:*3} ; 6: S S/8 {t:*4}
        |1\n11: F T ; 12: S S/8 {t:*11}";
    check(text, "11 12", 3).is_fwd(11);
}

#[test]
fn d34_base_forward_recursive() {
    let text = "|B\n1: int ; 2: *5 ; 3: F s2 ; 4: *3 ; 5: S s1/16 {f1:2@0, f2:4@64}
        |1\n11: int ; 12: *15 ; 13: S s2/40 {f1:12@0, f2:14@64, f3:11@128, f4:15@192} ; 14: *13
        15: S s1/16 {f1:12@0, f2:14@64}
        |2\n23: F s2 ; 24: *23 ; 26: S s3/8 {f1:24}";
    check(text, "11=1 12=2 13,23 14,24 15=5 26", 3).refers(13, &[2, 14, 1, 5]).refers(14, &[13]).refers(26, &[14]);
}

#[test]
fn d35_order_trap() {
    let base = "|B\n1: F F ; 2: *1 ; 3: S A/8 {f:2} ; 4: *3 ; 5: S B/8 {a:4} ; 6: S C/8 {a:4}\n|1\n";
    let lines =
        ["7: S C/8 {a:10}", "8: S F/4 {z:9}", "9: int", "10: *11", "11: S A/8 {f:12}", "12: *8", "13: S B/8 {a:10}"];
    for turn in 0..lines.len() {
        let mut lines = lines.to_vec();
        lines.rotate_left(turn);
        check(&(base.to_string() + &lines.join("\n")), "7=6 8 9 10=4 11=3 12 13=5", 3).refers(12, &[8]);
    }
}

#[test]
fn d35_beside_a_long_chain_of_ambiguous_structs() {
    // Each struct of the chain is split by the next, so that many rounds are needed and all tags take part in the last.
    let chain = |unit: u32, size: u32| {
        let link = |i| format!("{}: S n{i}/8 {{n:*{}}}\n", unit + i, unit + i + 1);
        format!("|{unit}\n{}{}: S n30/{size} {{}}\n", (0..30).map(link).collect::<String>(), unit + 30)
    };
    let base = "|B\n1: F F ; 2: *1 ; 3: S A/8 {f:2} ; 4: *3 ; 5: S B/8 {a:4}\n";
    let unit =
        |l: u32| format!("{}: S F/4 {{}} ; {}: S A/8 {{f:*{l}}} ; {}: S B/8 {{a:*{}}}\n", l, l + 1, l + 2, l + 1);
    let forward = |l: u32| format!("{}: F F ; {}: S A/8 {{f:*{l}}} ; {}: S B/8 {{a:*{}}}\n", l, l + 1, l + 2, l + 1);
    let text = base.to_string() + &chain(100, 4) + &unit(150) + &chain(200, 8) + &forward(250);
    let links = |from: u32| (from..=from + 30).map(|l| l.to_string()).collect::<Vec<_>>().join(" ");
    let expected = format!("{} 150,250 151,251=3 152,252=5 {}", links(100), links(200));
    check(&text, &expected, 2 * (31 + 30) + 2);
}

#[test]
fn d36_split_forward_defined_by_the_split() {
    let text = "|B\n1: F x ; 2: *1\n|1\n3: S x/1 {} ; 4: T full *3\n|2\n5: F x ; 6: *5 ; 7: T viafwd 6";
    check(text, "3,5 4 6 7", 4).refers(6, &[3]).refers(7, &[6]);
}

#[test]
fn d37_typedef_over_a_base_forward() {
    let text = "|B\n1: F x ; 2: *1 ; 3: T px 2\n|1\n4: S x/1 {} ; 5: *4 ; 6: T px 5";
    check(text, "4 5 6", 3).refers(6, &[5]).refers(5, &[4]);
}

#[test]
fn d38_enum_forward_of_the_base() {
    check("|B\n1: E e/4 {} ; 2: T te 1\n|1\n3: E e/4 {A=1} ; 4: T te 3", "3 4", 2).refers(4, &[3]);
    // A composite is the base's all the same.
    check("|B\n1: E e/4 {} ; 2: S s/8 {e:*1}\n|1\n3: E e/4 {A=1} ; 4: S s/8 {e:*3}", "3 4=2", 2);
}

#[test]
fn d39_union_of_tags() {
    let unit = |u: u32, second: &str| {
        let l = |k: u32| u * 10 + k;
        format!(
            "|{u}\n{}: P int (a:int, b:int) ; {}: f foo {} ; {}: S s/8 {{a:int@0, b:int@32}} ; {}: T t {}\n",
            l(0),
            l(1),
            l(0),
            l(2),
            l(3),
            l(2)
        ) + &[l(1), l(2), l(3)]
            .iter()
            .enumerate()
            .map(|(i, target)| {
                let n = u * 100 + 10 * i as u32;
                let member = if i < 2 { format!(" ; {}: D \"{second}\" {target} 1", n + 2) } else { String::new() };
                format!("{n}: D \"t1\" {target} ; {}: D \"{second}\" {target}{member}\n", n + 1)
            })
            .collect::<String>()
    };
    let expected = "10,20 11,21 12,22 13,23 100,200 101 102 110,210 111 112 120,220 121 201 202 211 212 221";
    let r = check(&(unit(1, "t2") + &unit(2, "t3")), expected, 5 + 3 + 3 + 2 + 2 + 1 + 2);
    r.refers(201, &[11]).refers(212, &[12]);
    // Tags that the base has on the same type are not written again; the kflag counts.
    let text = "|B\n1: S s/4 {a:int} ; 2: D \"x\" 1 ; 3: D \"y\" 1 0
        |1\n4: S s/4 {a:int} ; 5: D \"x\" 4 ; 6: D \"y\" 4 0 ; 7: D \"y\" 4 ; 8: D! \"x\" 4";
    check(text, "4=1 5=2 6=3 7 8", 2).refers(7, &[1]).refers(8, &[1]);
}

#[test]
fn d40_type_tags() {
    let text = "|1\n1: *2 ; 2: TT \"b\" 3 ; 3: TT \"a\" int ; 4: *3\n|2\n11: *12 ; 12: TT \"b\" 13 ; 13: TT \"a\" int
        |3\n21: *22 ; 22: TT \"a\" 23 ; 23: TT \"b\" int\n|4\n31: TT! \"a\" int ; 32: TT \"a\" long
        |5\n41: S s/8 {p:*TT \"a\" int}\n|6\n51: S s/8 {p:*TT \"a\" int}\n|7\n61: S s/8 {p:*int}";
    check(text, "1,11 2,12 3,13 4 21 22 23 31 32 41,51 61", 14);
}

#[test]
fn d41_function_of_the_base() {
    let text = "|B\n1: int ; 2: P 1 (a:1) ; 3: f init_once 2\n|1\n4: int ; 5: P 4 (a:4) ; 6: f init_once 5 ; 7: D \"bpf_kfunc\" 6";
    check(text, "4=1 5=2 6 7", 2).refers(6, &[2]).refers(7, &[6]);
}

#[test]
fn d42_functions() {
    // That equal functions are one is up to the encoder; that their prototypes are, and when they are not, is decided here.
    let text = "|1\n1: P 0 (a:int) ; 2: f g 1\n|2\n3: P 0 (a:int) ; 4: f g 3\n|3\n5: P 0 (b:int) ; 6: f g 5\n|4\n7: P 0 (a:int) ; 8: f! g 7";
    check(text, "1,3,7 2,4 5 6 8", 6);
}

#[test]
fn d43_variables_pass() {
    let text = "|B\n1: int ; 2: V v 1 ; 3: DS .bss {2@0/4}\n|1\n4: int ; 5: V v 4 ; 6: DS .bss {5@0/4}\n|2\n7: int ; 8: V v 7 ; 9: DS .bss {8@0/4}";
    check(text, "4,7=1 5 6 8 9", 4).refers(6, &[5]).refers(9, &[8]).refers(5, &[1]);
}

#[test]
fn d44_copies_of_base_types() {
    // Some of the unit's types refer to one copy of the base's recursive R, some to another.
    let text = "|B\n1: S R/8 {n:2} ; 2: *1 ; 3: S A/8 {r:2}
        |1\n11: S R/8 {n:12} ; 12: *13 ; 13: S R/8 {n:14} ; 14: *13 ; 15: S A/8 {r:12} ; 16: S B/16 {r:14@0, q:12@64}";
    check(text, "11,13=1 12,14=2 15=3 16", 1).refers(16, &[2, 2]);
}

// d45: `check_input` runs every stand-alone case twice; properties.rs has the split ones.

#[test]
fn d46_three_levels() {
    // A base that is a split BTF itself counts as a whole.
    let base = parse("1: int ; 2: S a/4 {x:1}").input.base_or_unit();
    let base_bytes = base.base_bytes(Endian::Little).unwrap();
    let base_view = BtfView::parse(&base_bytes).unwrap();
    let mut middle = parse("|1\n1: int ; 2: S a/4 {x:1} ; 3: S b/8 {a:*2}").input;
    middle.base = base.base.clone();
    let middle = run(&middle, &Plan::simple(1), Endian::Little);
    let middle_view = BtfView::parse_split(&middle.bytes, &base_view).unwrap();
    let all = btf::base::Base::new(&middle_view);
    let mut fold = btf::dedup::fold::Fold::new(Some((all.strings(), all.classes())));
    let top = parse("|1\n1: int ; 2: S a/4 {x:1} ; 3: S b/8 {a:*2} ; 4: T c *3").input;
    let mut records = btf::graph::Records::default();
    for record in top.units[0].iter() {
        let mut record = record.to_vec();
        btf::graph::map_names(&mut record, |n| fold.strings.intern(top.names[n.0 as usize].as_bytes()));
        records.push_record(&record);
    }
    let local = |w: u32| w.checked_sub(1).map_or(btf::dedup::fold::Local::Void, btf::dedup::fold::Local::Type);
    fold.fold_with(0, &records, local);
    let uses: Vec<_> = (1..=4).map(|w| fold.used(local(w))).collect();
    let resolution = btf::dedup::resolve::Resolution::new(&fold, Some(&all));
    let name = |id: u32| middle_view.get(btf::ids::TypeId(id)).and_then(|t| middle_view.string(t.name_off()));
    let targets: Vec<Target> = uses.iter().map(|&u| resolution.target(0, u)).collect();
    let [Target::Base(int), Target::Base(a), Target::Base(b), Target::Own(_)] = targets[..] else {
        panic!("{targets:?}")
    };
    assert_eq!((int.0, a.0, name(b.0)), (1, 2, Some(&b"b"[..])));
    assert_eq!(resolution.records.len(), 2);
}

#[test]
fn d48_many_enumerators() {
    let mut case = parse("1: int");
    let name = case.input.name("big").0;
    let mut record = vec![Head { kind: Kind::Enum, kflag: false }.word(), name, 4];
    for i in 0..70_000 {
        record.extend([name, i]);
    }
    case.input.units[0].push_record(&record);
    // Not truncated, and not written for kernels that would.
    let mut fold = btf::dedup::fold::Fold::new(None);
    let mut records = case.input.units[0].clone();
    for i in 0..records.len() {
        btf::graph::map_names(records.get_mut(i), |n| fold.strings.intern(case.input.names[n.0 as usize].as_bytes()));
    }
    fold.fold_with(0, &records, |_| btf::dedup::fold::Local::Void);
    let resolution = btf::dedup::resolve::Resolution::new(&fold, None);
    assert_eq!(resolution.records.get(1).len(), 3 + 140_000);
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
fn d49_bit_fields() {
    check("|1\n1: S S/4 {a:int@0w3}\n|2\n2: S S/4 {a:int@0}\n|3\n3: S! S/4 {a:int@0}", "1 2 3", 4);
}

#[test]
fn d50_changed_members() {
    let variants = [
        "{a:int@0, b:int@32}",
        "{a:int@0, c:int@32}",
        "{b:int@32, a:int@0}",
        "{a:int@0, b:int@64}",
        "{a:int@0, b:int@32, x:[int;0]@64}",
        "{a:int@0, b:uint@32}",
    ];
    let mut text: String = variants.iter().enumerate().map(|(i, v)| format!("|{i}\n{}: S s/8 {v}\n", i + 1)).collect();
    text += "|7\n7: S s/16 {a:int@0, b:int@32}";
    check(&text, "1 2 3 4 5 6 7", 10);
}

#[test]
fn d51_anonymous_struct_shared() {
    check("|1\n1: S _/4 {a:int} ; 2: S S/4 {x:1}\n|2\n3: S _/4 {a:int} ; 4: S T/4 {x:3}", "1,3 2 4", 4);
}

#[test]
fn d52_union_is_no_struct() {
    check("1: S s/4 {a:int} ; 2: U s/4 {a:int} ; 3: S _/4 {a:int} ; 4: U _/4 {a:int}", "1 2 3 4", 5);
}

#[test]
fn d53_arrays() {
    check("1: [int;2] ; 2: [int;2;long] ; 3: [int;0] ; 4: [long;0] ; 5: [int;2]", "1,5 2 3 4", 6);
}

#[test]
fn d54_function_pointers_in_recursion() {
    let unit = |u: u32| format!("|{u}\n{u}: S ops/8 {{open:*P 0 (o:*{u})}}\n");
    check(&(unit(1) + &unit(2) + &unit(3)), "1,2,3", 4);
}

#[test]
fn d55_many_copies_with_other_nested_ids() {
    let text = "|1\n1: U _/4 {a:int} ; 2: S m.S/8 {u:1@0, v:U _/4 {a:int}@32}
        |2\n11: S m.S/8 {u:12@0, v:13@32} ; 12: U _/4 {a:int} ; 13: U _/4 {a:14} ; 14: int
        |3\n21: int ; 22: S m.S/8 {u:U _/4 {a:21}@0, v:U _/4 {a:21}@32}";
    check(text, "1,12,13 2,11,22 14,21", 3);
}

#[test]
fn d56_unsorted_base() {
    let text = "|B\n1: T zz 4 ; 2: S aa/8 {x:4@0, y:1@32} ; 3: int ; 4: int ; 5: *2 ; 6: T zz 3
        |1\n11: int ; 12: T zz 11 ; 13: S aa/8 {x:11@0, y:12@32} ; 14: *13";
    check(text, "11=3 12=1 13=2 14=5", 0);
}

#[test]
fn d57_base_with_equal_types() {
    let text = "|B\n1: S s/8 {n:2} ; 2: *1 ; 3: S s/8 {n:4} ; 4: *3\n|1\n5: S s/8 {n:6} ; 6: *5 ; 7: F s ; 8: T t *7";
    check(text, "5,7=1 6=2 8", 1).refers(8, &[2]);
}

// d58: `check_input` runs several divisions and all orders of every case.
#[test]
fn d58_order_of_what_stands_twice_in_a_unit() {
    let text = "|1\n1: S _/16 {a:1@0, u:3@64} ; 2: *0 ; 3: S _/16 {a:3@0, u:3@64}";
    let case = parse(text);
    let plain = run(&case.input, &Plan::simple(1), Endian::Little);
    for spelled in [Spelled::PerUnit, Spelled::PerType] {
        for kept in [false, true] {
            let plan = Plan { spelled: Some(spelled), kept, ..Plan::halves(1) };
            assert_eq!(run(&case.input, &plan, Endian::Little).bytes, plain.bytes, "{plan:?}");
        }
    }
}

// d59: `check_input` runs every case big-endian.

#[test]
fn d60_empty_split() {
    let base = "|B\n1: int ; 2: *1";
    let r = check(base, "", 0);
    assert_eq!(r.outcome.bytes.len(), 24 + 1);
    let r = check(&format!("{base}\n|1"), "", 0);
    assert_eq!(r.outcome.bytes.len(), 24 + 1);
}

#[test]
fn d61_all_in_the_base() {
    let text = "|B\n1: int ; 2: *1 ; 3: S s/8 {a:2} ; 4: P 1 (s:*3)\n|1\n11: int ; 12: *11 ; 13: S s/8 {a:12} ; 14: P 11 (s:*13)";
    let r = check(text, "11=1 12=2 13=3 14=4", 0);
    assert_eq!(r.outcome.bytes.len(), 24 + 1);
}

// d62: the writer's limits are tested in scale.rs.

#[test]
fn d63_other_names_of_integers() {
    let text = "|B\n1: I unsigned_long/8 0 0 64 ; 2: S s/8 {a:1}\n|1\n3: I long_unsigned_int/8 0 0 64 ; 4: S s/8 {a:3}";
    check(text, "3 4", 2).refers(4, &[3]);
}

#[test]
fn d64_type_tags_on_one_side() {
    let text = "|B\n1: S task/8 {a:*int} ; 2: S s/8 {t:*1}\n|1\n3: S task/8 {a:*int} ; 4: S s/8 {t:*TT \"rcu\" 3}";
    check(text, "3=1 4", 3);
}
