use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::dump::dump_raw;
use crate::error::ErrorKind;
use crate::testing::Blob;
use crate::verify::{self, verify};

fn dump(view: &BtfView<'_>) -> Vec<String> {
    let mut out = Vec::new();
    dump_raw(view, &mut out).expect("memory");
    String::from_utf8(out).expect("ASCII").lines().filter(|line| !line.starts_with('\t')).map(str::to_owned).collect()
}

/// The types of the distilled base, and the names of the ambiguous ones.
fn distilled(base: &Blob, split: &dyn Fn(&mut Blob)) -> (Vec<String>, Vec<String>) {
    let base = base.bytes();
    let base = BtfView::parse(&base).expect("a base");
    let mut blob = Blob::on(&base);
    split(&mut blob);
    let bytes = blob.bytes();
    let split = BtfView::parse_split(&bytes, &base).expect("a split BTF");
    let result = distill(&split, Ambiguous::IntoSplit).expect("it can be distilled");
    let new = BtfView::parse(&result.base).expect("a base");
    let own = BtfView::parse_split(&result.split, &new).expect("a split BTF");
    for view in [&new, &own] {
        assert_eq!(verify(view, &verify::Options { level: verify::Level::Kernel, ..Default::default() }), []);
    }
    (dump(&new), result.ambiguous.into_iter().map(|(_, name)| name).collect())
}

/// A pointer to a type, which is the second one of the base.
fn pointer(b: &mut Blob) {
    b.ptr(2);
}

#[test]
fn what_stays_in_the_base() {
    let mut base = Blob::new();
    let int = base.int("int", 4);
    let s = base.structure("s", 8, &[("a", int, 0), ("b", int, 32)]);
    let bits = base.composite(Kind::Struct, "bits", true, 4, &[("a", int, 3 << 24)]);
    let u = base.composite(Kind::Union, "u", false, 4, &[("a", int, 0)]);
    let e = base.enumeration("e", true, &[("A", -1)]);
    let e64 = base.enumeration64("e64", true, &[("B", -1)]);
    let fwd = base.fwd("fwd", true);
    let float = base.float("double", 8);
    let inner = base.int("inner", 4);
    let anonymous = base.structure("", 4, &[("x", inner, 0)]);
    let list = base.enumeration("", false, &[("C", 1)]);
    let typedef = base.typedef("t", anonymous);
    base.int("unused", 4);
    let (lines, ambiguous) = distilled(&base, &|b| {
        let members = [s, bits, u, e, e64, fwd, float, typedef, list].map(|id| ("m", id, 0));
        b.structure("own", 64, &members);
    });
    let all: Vec<&str> = lines.iter().map(|line| line.split_once("] ").map_or("", |(_, l)| l)).collect();
    let names: Vec<&str> = all.iter().filter_map(|line| line.split('\'').nth(1)).collect();
    assert_eq!(names, ["bits", "double", "e", "e64", "fwd", "inner", "s", "u"]);
    let without_contents = [
        "STRUCT 'bits' size=4 vlen=0",
        "UNION 'u' size=4 vlen=0",
        "ENUM 'e' encoding=UNSIGNED size=4 vlen=0",
        "ENUM 'e64' encoding=UNSIGNED size=8 vlen=0",
    ];
    for line in without_contents {
        assert!(all.contains(&line), "{line}: {lines:#?}");
    }
    assert!(ambiguous.is_empty());
}

/// What kernels make of the distilled type `s` if their BTF has this instead of or beside it.
#[test]
fn what_a_kernel_takes_it_for() {
    type Build = fn(&mut Blob, u32) -> u32;
    let s8: Build = |b, name| b.raw(name, Kind::Struct, 0, false, 8, &[]);
    let s12: Build = |b, name| b.raw(name, Kind::Struct, 0, false, 12, &[]);
    // The name once more.
    let s12_apart: Build = |b, _| b.structure("s", 12, &[]);
    let kflag: Build = |b, name| b.raw(name, Kind::Struct, 0, true, 8, &[]);
    let u8: Build = |b, name| b.raw(name, Kind::Union, 0, false, 8, &[]);
    let u_kflag: Build = |b, name| b.raw(name, Kind::Union, 0, true, 8, &[]);
    let fwd: Build = |b, name| b.raw(name, Kind::Fwd, 0, false, 0, &[]);
    let fwd_union: Build = |b, name| b.raw(name, Kind::Fwd, 0, true, 0, &[]);
    let s0: Build = |b, name| b.raw(name, Kind::Struct, 0, false, 0, &[]);
    let e4: Build = |b, name| b.raw(name, Kind::Enum, 0, false, 4, &[]);
    let e64: Build = |b, name| b.raw(name, Kind::Enum64, 0, false, 8, &[]);
    let sized_enum: Build = |b, name| b.raw(name, Kind::Enum, 0, false, 8, &[]);
    let int: Build = |b, name| b.raw(name, Kind::Int, 0, false, 8, &[0x0100_0040]);
    let unsigned: Build = |b, name| b.raw(name, Kind::Int, 0, false, 8, &[64]);
    let float: Build = |b, name| b.raw(name, Kind::Float, 0, false, 8, &[]);
    let by_pointer = false;
    let embedded = true;
    let accepted = Ok(());
    let (absent, several) = (Err("has no"), Err("several"));
    type Case<'a> = (Build, &'a [Build], bool, std::result::Result<(), &'a str>);
    let cases: [Case<'_>; 45] = [
        (s8, &[s8], by_pointer, accepted),
        (s8, &[s12], by_pointer, accepted),
        (s8, &[s12], embedded, absent),
        (s8, &[s8, fwd], by_pointer, several),
        (s8, &[s8, fwd], embedded, several),
        (s8, &[fwd, s8], embedded, accepted),
        (s8, &[fwd, s8, fwd], embedded, several),
        (s0, &[fwd], embedded, accepted),
        (s8, &[s8, s8], by_pointer, several),
        (s8, &[s8, s12], by_pointer, accepted),
        (s8, &[s12, s12], by_pointer, absent),
        (s8, &[s8, s12, s12], embedded, accepted),
        (s8, &[s8, s12_apart], by_pointer, several),
        (s8, &[s8, s12_apart], embedded, several),
        (s8, &[s12_apart, s8], embedded, accepted),
        (s8, &[s12_apart, s12], by_pointer, several),
        (s8, &[s8, u8], by_pointer, several),
        (s8, &[u8], embedded, accepted),
        (s8, &[e64], embedded, accepted),
        (s8, &[e4], by_pointer, absent),
        (s8, &[kflag], embedded, accepted),
        (s8, &[fwd], by_pointer, accepted),
        (s8, &[fwd], embedded, absent),
        (s8, &[], by_pointer, absent),
        (fwd, &[s12], by_pointer, accepted),
        (fwd, &[kflag], by_pointer, absent),
        (fwd, &[fwd], by_pointer, accepted),
        (fwd, &[fwd, s8], by_pointer, several),
        (fwd, &[s8, s12], by_pointer, absent),
        (fwd, &[s0, s12], by_pointer, accepted),
        (fwd, &[fwd, s8, s12], by_pointer, accepted),
        (fwd, &[fwd_union], by_pointer, absent),
        (fwd_union, &[u8], by_pointer, absent),
        (fwd_union, &[s8], by_pointer, accepted),
        (fwd_union, &[u_kflag], by_pointer, accepted),
        (sized_enum, &[e64], by_pointer, accepted),
        (sized_enum, &[e4], by_pointer, absent),
        (sized_enum, &[s8], by_pointer, absent),
        (int, &[int], by_pointer, accepted),
        (int, &[unsigned], by_pointer, absent),
        (int, &[unsigned, int], by_pointer, accepted),
        (int, &[int, int], by_pointer, several),
        (int, &[s8], by_pointer, absent),
        (float, &[int, float], by_pointer, accepted),
        (float, &[float, float], by_pointer, several),
    ];
    for (number, (distilled, kernel, embedded, expected)) in cases.into_iter().enumerate() {
        let mut blob = Blob::new();
        let name = blob.name("s");
        let id = distilled(&mut blob, name);
        let bytes = blob.bytes();
        let distilled = BtfView::parse(&bytes).expect("a base");
        let mut split = Blob::on(&distilled);
        if embedded {
            let konst = split.konst(id);
            let array = split.array(konst, 0, 2);
            let typedef = split.typedef("t", array);
            split.structure("own", 16, &[("m", typedef, 0)]);
        } else {
            split.ptr(id);
        }
        let bytes = split.bytes();
        let split = BtfView::parse_split(&bytes, &distilled).expect("a split BTF");
        let mut blob = Blob::new();
        blob.float("unrelated", 4);
        let name = blob.name("s");
        kernel.iter().for_each(|build| _ = build(&mut blob, name));
        let bytes = blob.bytes();
        let result = relocate(&split, &BtfView::parse(&bytes).expect("a base"));
        match (&result, expected) {
            (Ok(_), Ok(())) => {}
            (Err(e), Err(text)) if e.kind() == ErrorKind::Base && e.to_string().contains(text) => {}
            _ => panic!("case {number}: {result:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn ambiguous_types_move_with_what_is_in_them() {
    let mut base = Blob::new();
    let int = base.int("int", 4);
    let twice = base.structure("s", 4, &[("a", int, 0)]);
    assert_eq!(twice, 2);
    let inner = base.structure("inner", 4, &[]);
    base.structure("s", 4, &[("b", inner, 0)]);
    let (lines, ambiguous) = distilled(&base, &pointer);
    assert_eq!(ambiguous, ["s"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("INT 'int'"), "{lines:?}");
    // A chain of them, each found in the one before.
    let mut base = Blob::new();
    let n = 3000;
    base.structure("last", 4, &[]);
    for i in 0..n {
        base.structure(&format!("s{i}"), 4, &[("m", i + 1, 0)]);
    }
    for i in 0..n {
        base.structure(&format!("s{i}"), 4, &[]);
    }
    let (lines, ambiguous) = distilled(&base, &|b| _ = b.ptr(n + 1));
    assert_eq!((lines.len(), ambiguous.len()), (1, n as usize));
}

#[test]
fn a_kernel_wants_a_base_with_types() {
    let mut base = Blob::new();
    base.int("twice", 4);
    base.int("twice", 4);
    base.int("int", 4);
    base.int("other", 4);
    let (lines, _) = distilled(&base, &|b| _ = b.structure("own", 0, &[]));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("INT 'int'"), "{lines:?}");
}

#[test]
fn what_cannot_be_distilled() {
    let mut base = Blob::new();
    let int = base.int("int", 4);
    let proto = base.proto(int, &[]);
    let func = base.func("f", 1, proto);
    base.structure("s", 4, &[]);
    base.structure("s", 4, &[]);
    let bytes = base.bytes();
    let base = BtfView::parse(&bytes).expect("a base");
    let fails = |ambiguous, build: &dyn Fn(&mut Blob) -> u32| {
        let mut split = Blob::on(&base);
        build(&mut split);
        let bytes = split.bytes();
        distill(&BtfView::parse_split(&bytes, &base).expect("a split BTF"), ambiguous).expect_err("refused").to_string()
    };
    let of_function = fails(Ambiguous::IntoSplit, &|b| b.decl_tag("tag", func, -1));
    assert_eq!(of_function, "BTF type 3: this FUNC of the base is referred to, and cannot be in a distilled base");
    let twice = fails(Ambiguous::Refuse, &|b| b.ptr(4));
    assert_eq!(twice, "BTF type 1: the base has several types for STRUCT `s`: 4 and 5");
    assert!(fails(Ambiguous::IntoSplit, &|b| b.ptr(999)).contains("not there"));
    assert_eq!(distill(&base, Ambiguous::IntoSplit).expect_err("no base").kind(), ErrorKind::Base);
}

/// A base of equal names, and equal names in what refers to it: one look each, not one for each pair.
#[test]
fn many_types_of_one_name() {
    let n = 30_000;
    let mut base = Blob::new();
    let name = base.name("s");
    for i in 0..n {
        base.raw(name, Kind::Struct, 0, false, i, &[]);
        base.raw(name, Kind::Fwd, 0, i % 2 == 0, 0, &[]);
    }
    let (_, ambiguous) = distilled(&base, &|b| {
        for i in 0..2 * n {
            b.ptr(i + 1);
        }
    });
    assert_eq!(ambiguous.len(), 2 * n as usize);
}

/// What a type is, down to some depth.
fn unfolded(view: &BtfView<'_>, id: TypeId, depth: usize) -> String {
    let Some(t) = view.get(id) else { return "void".into() };
    let mut words = Vec::new();
    t.read_record(&mut words);
    let names: Vec<String> = names(&words).map(|n| text(view.string(StrOff(n.0)).expect("it is there"))).collect();
    let parts: Vec<String> = match depth {
        0 => vec![],
        _ => refs(&words).map(|id| unfolded(view, TypeId(id), depth - 1)).collect(),
    };
    map_names(&mut words, |_| StrId::EMPTY);
    map_refs(&mut words, |_| 0);
    format!("{words:?} {} {} ({})", t.vlen(), names.join(","), parts.join("; "))
}

type Draft = (u8, u8, u8, u8);

fn build(b: &mut Blob, drafts: &[Draft], first: u32, last: u32) {
    for &(what, name, x, y) in drafts {
        let name = ["a", "b", "ab", "c"][name as usize % 4];
        let id = |n: u8| {
            let n = u32::from(n) % (last + 1);
            if n < first { n } else { first + (n - first) }
        };
        let (p, q) = (id(x), id(y));
        let size = 4 * (u32::from(x) % 2 + 1);
        match what % 17 {
            0 => b.int(name, size),
            1 => b.float(name, size),
            2 => b.ptr(p),
            3 => b.konst(p),
            4 => b.typedef(name, p),
            5 => b.type_tag(name, p),
            6 => b.array(p, q, 2),
            7 | 8 => b.structure(name, size, &[("m", p, 0), ("ab", q, 0)]),
            9 => b.structure("", size, &[("m", p, 0), ("b", q, 0)]),
            10 => b.composite(Kind::Union, name, x % 2 == 0, size, &[("", p, 0)]),
            11 => b.enumeration(["", name][y as usize % 2], false, &[("A", 1)]),
            12 => b.enumeration64(name, true, &[("B", -1)]),
            13 => b.fwd(name, x % 2 == 0),
            14 => b.proto(p, &[("x", q), ("", 0)]),
            15 => b.structure(name, size, &[]),
            _ => b.composite(Kind::Struct, name, true, size, &[("bit", p, 3 << 24)]),
        };
    }
}

proptest! {
    /// A kernel gets back exactly what was distilled, and what moved.
    #[test]
    fn random_types_come_back(
        base in vec((0u8..17, 0u8..4, 0u8..40, 0u8..40), 1..25),
        own in vec((0u8..17, 0u8..4, 0u8..60, 0u8..60), 1..15),
    ) {
        let mut blob = Blob::new();
        build(&mut blob, &base, 1, base.len() as u32);
        let bytes = blob.bytes();
        let base = BtfView::parse(&bytes).expect("a base");
        let mut blob = Blob::on(&base);
        build(&mut blob, &own, base.end_id().0, base.end_id().0 + own.len() as u32 - 1);
        let bytes = blob.bytes();
        let split = BtfView::parse_split(&bytes, &base).expect("a split BTF");
        let result = distill(&split, Ambiguous::IntoSplit).expect("it can be distilled");
        let plain = distill(&split, Ambiguous::Refuse);
        prop_assert_eq!(plain.is_ok(), result.ambiguous.is_empty());
        let distilled = BtfView::parse(&result.base).expect("a base");
        let new = BtfView::parse_split(&result.split, &distilled).expect("a split BTF");
        let relocated = relocate(&new, &base).expect("a kernel finds all types");
        let relocated = BtfView::parse_split(&relocated, &base).expect("a split BTF");
        let count = |view: &BtfView<'_>| {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            view.types().for_each(|(id, _)| *counts.entry(unfolded(view, id, 4)).or_default() += 1);
            counts
        };
        let (mut before, after, of_base) = (count(&split), count(&relocated), count(&base));
        for (what, n) in after {
            let old = before.remove(&what).unwrap_or(0);
            prop_assert!(n >= old && (n == old || of_base.contains_key(&what)), "{}: {} before, {} after", what, old, n);
        }
        prop_assert!(before.is_empty(), "lost: {:?}", before);
        // The same once more, from what came back: only the moved types are no longer the base's.
        let again = distill(&relocated, Ambiguous::IntoSplit).expect("it can be distilled");
        prop_assert_eq!(again.moved, 0);
    }
}
