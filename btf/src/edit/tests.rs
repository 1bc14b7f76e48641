use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::graph::names;
use crate::ids::StrOff;
use crate::testing::Blob;

/// The types of a BTF after it was edited, as lines of a dump; references to own types by their numbers.
fn merged(base: &Blob, split: &dyn Fn(&mut Blob)) -> Vec<String> {
    let base = base.bytes();
    let base = BtfView::parse(&base).expect("a base");
    let mut blob = Blob::on(&base);
    split(&mut blob);
    let bytes = blob.bytes();
    let view = BtfView::parse_split(&bytes, &base).expect("a split BTF");
    let written = Edit::of(&view).expect("it is sound").write().expect("it fits");
    let view = BtfView::parse_split(&written, &base).expect("a split BTF");
    let mut out = Vec::new();
    crate::dump::dump_raw(&view, &mut out).expect("memory");
    String::from_utf8(out).expect("ASCII").lines().filter(|line| line.starts_with('[')).map(str::to_owned).collect()
}

/// `struct NAME { struct NAME *next; int x; }`; the id of the struct.
fn ring(b: &mut Blob, name: &str, int: u32, member: &str) -> u32 {
    let (ptr, ring) = (b.ptr(0), b.structure(name, 16, &[("next", 0, 0), (member, int, 64)]));
    // Both references lead to types that did not have an id when they were needed.
    let words = b.types.len() / 4;
    for (word, id) in [(words - 9 - 1, ring), (words - 5, ptr)] {
        b.types[4 * word..4 * word + 4].copy_from_slice(&id.to_le_bytes());
    }
    ring
}

#[test]
fn rings_are_one_and_the_base_has_them() {
    let mut base = Blob::new();
    let int = base.int("int", 4);
    // Another one of the same shape comes first.
    let other = base.int("other", 4);
    ring(&mut base, "in_base", other, "x");
    let there = ring(&mut base, "in_base", int, "x");
    let lines = merged(&base, &|b| {
        let own = [ring(b, "own", int, "x"), ring(b, "own", int, "x"), ring(b, "own", int, "y")];
        let found = [ring(b, "in_base", int, "x"), ring(b, "in_base", int, "x")];
        own.iter().chain(&found).for_each(|&id| _ = b.typedef(&format!("t{id}"), id));
    });
    let own: Vec<&String> = lines.iter().filter(|line| line.contains("STRUCT")).collect();
    assert_eq!(own.len(), 2, "{lines:#?}");
    let to_base = lines.iter().filter(|line| line.ends_with(&format!("type_id={there}"))).count();
    assert_eq!(to_base, 2, "{lines:#?}");
}

#[test]
fn tags_are_one_and_functions_are_not() {
    let mut base = Blob::new();
    let int = base.int("int", 4);
    let s = base.structure("s", 4, &[("x", int, 0)]);
    let proto = base.proto(int, &[]);
    base.func("f", 1, proto);
    base.decl_tag("known", s, -1);
    base.decl_tag("known", s, 0);
    let lines = merged(&base, &|b| {
        let s = b.structure("s", 4, &[("x", int, 0)]);
        let own = [b.structure("own", 4, &[("x", int, 0)]), b.structure("own", 4, &[("x", int, 0)])];
        let proto = b.proto(int, &[]);
        let functions = [b.func("f", 1, proto), b.func("f", 1, proto)];
        for id in [s, own[0], own[1], functions[0], functions[1]] {
            b.decl_tag("known", id, -1);
        }
        b.decl_tag("new", s, -1);
    });
    let count = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!((count("FUNC 'f'"), count("FUNC_PROTO"), count("STRUCT")), (2, 0, 1), "{lines:#?}");
    assert_eq!((count("'known'"), count("'new'")), (3, 1), "{lines:#?}");
}

/// K11: a function whose last argument the verifier passes is described twice: without it, and as the source has it, with all its tags.
#[test]
fn tags_of_parameters_go_to_the_implementation() {
    let mut b = Blob::new();
    let int = b.int("int", 4);
    let aux = b.structure("bpf_prog_aux", 4, &[("x", int, 0)]);
    let ptr = b.ptr(aux);
    let proto = b.proto(int, &[("a", int), ("aux", ptr), ("b", int)]);
    let func = b.func("kf", 1, proto);
    b.decl_tag("of the whole", func, -1);
    b.decl_tag("of the first", func, 0);
    b.decl_tag("bpf_kfunc", func, -1);
    let bytes = b.bytes();
    let view = BtfView::parse(&bytes).expect("it is BTF");
    let mut edit = Edit::of(&view).expect("it is sound");
    let flags = kfunc::Flags(kfunc::Flags::IMPLICIT_ARGS);
    edit.describe_kfuncs(&[kfunc::Kfunc { function: func as usize - 1, flags }], true).expect("it can be done");
    let bytes = edit.write().expect("it fits");
    let view = BtfView::parse(&bytes).expect("it is BTF");
    let name =
        |t: crate::view::TypeView<'_>| String::from_utf8_lossy(view.string(t.name_off()).unwrap_or(b"")).into_owned();
    let mut tags = Vec::new();
    let mut parameters = BTreeMap::new();
    for (_, t) in view.types() {
        let target = t.type_id().and_then(|id| view.get(id));
        match (t.kind(), target) {
            (Kind::DeclTag, Some(target)) => tags.push((name(target), name(t), t.component_index())),
            (Kind::Func, Some(prototype)) => _ = parameters.insert(name(t), prototype.params().count()),
            _ => {}
        }
    }
    tags.sort();
    let tag = |function: &str, text: &str, at| (function.to_owned(), text.to_owned(), Some(at));
    let both = |function: &str| [tag(function, "of the first", 0), tag(function, "of the whole", -1)];
    let expected: Vec<_> = [tag("kf", "bpf_kfunc", -1)].into_iter().chain(both("kf")).chain(both("kf_impl")).collect();
    assert_eq!(tags, expected);
    assert_eq!(parameters, BTreeMap::from([("kf".to_owned(), 1), ("kf_impl".to_owned(), 3)]));
}

/// A type at random: its kind and name are of few, its references anything.
type Random = (u8, u8, u32, u32);

fn push(b: &mut Blob, &(kind, name, first, second): &Random, end: u32) {
    let name = ["a", "b", "c"][usize::from(name % 3)];
    let (first, second) = (first % end, second % end);
    _ = match kind % 7 {
        0 => b.ptr(first),
        1 => b.konst(first),
        2 => b.typedef(name, first),
        3 => b.structure(name, 16, &[("x", first, 0), ("y", second, 64)]),
        4 => b.structure("", 16, &[("x", first, 0), ("y", second, 64)]),
        5 => b.proto(first, &[(name, second)]),
        _ => b.fwd(name, false),
    };
}

/// Per type of the views, which share a base, its part: what nothing tells apart. Rounds over all types until nothing splits.
fn parts(views: &[&BtfView<'_>]) -> Vec<BTreeMap<u32, usize>> {
    let base = views[0].base().expect("split BTF");
    let mut nodes: Vec<(usize, u32)> = base.types().map(|(id, _)| (0, id.0)).collect();
    for (number, view) in views.iter().enumerate() {
        nodes.extend(view.types().map(|(id, _)| (number, id.0)));
    }
    let first = base.end_id().0;
    let key = |view: usize, id: u32| if id < first { (0, id) } else { (view, id) };
    let mut part: BTreeMap<(usize, u32), usize> = nodes.iter().map(|&node| (node, 0)).collect();
    let mut count = 0;
    loop {
        let mut seen = BTreeMap::new();
        let mut next = BTreeMap::new();
        for &(view, id) in &nodes {
            let mut record = Vec::new();
            views[view].get(TypeId(id)).expect("it is there").read_record(&mut record);
            let name = |n: StrId| views[view].string(StrOff(n.0)).expect("it is there").to_vec();
            let names: Vec<Vec<u8>> = names(&record).map(name).collect();
            let below: Vec<usize> =
                crate::graph::refs(&record).map(|to| part.get(&key(view, to)).map_or(0, |p| p + 1)).collect();
            crate::graph::map_names(&mut record, |_| StrId::EMPTY);
            map_refs(&mut record, |_| 0);
            let fresh = seen.len();
            next.insert((view, id), *seen.entry((record, names, below)).or_insert(fresh));
        }
        part = next;
        if std::mem::replace(&mut count, seen.len()) == seen.len() {
            break;
        }
    }
    let of = |view: usize| views[view].types().map(|(id, _)| (id.0, part[&(view, id.0)])).collect();
    let mut all = vec![base.types().map(|(id, _)| (id.0, part[&(0, id.0)])).collect()];
    all.extend((0..views.len()).map(of));
    all
}

proptest! {
    /// What is left is what was there, once, without what the base has.
    #[test]
    fn exactly_what_is_new(base in vec(any::<Random>(), 1..25), own in vec(any::<Random>(), 1..25)) {
        let mut blob = Blob::new();
        base.iter().for_each(|random| push(&mut blob, random, 1 + base.len() as u32));
        let bytes = blob.bytes();
        // One that has nothing twice.
        let base = BtfView::parse(&bytes).expect("a base");
        let bytes = Edit::of(&base).expect("it is sound").write().expect("it fits");
        let base = BtfView::parse(&bytes).expect("a base");
        let mut blob = Blob::on(&base);
        own.iter().for_each(|random| push(&mut blob, random, base.end_id().0 + own.len() as u32));
        let bytes = blob.bytes();
        let before = BtfView::parse_split(&bytes, &base).expect("a split BTF");
        let written = Edit::of(&before).expect("it is sound").write().expect("it fits");
        let after = BtfView::parse_split(&written, &base).expect("a split BTF");
        let parts = parts(&[&before, &after]);
        let distinct = |number: usize| parts[number].values().copied().collect::<BTreeSet<usize>>();
        let new: BTreeSet<usize> = distinct(1).difference(&distinct(0)).copied().collect();
        prop_assert_eq!(&distinct(2), &new);
        prop_assert_eq!(parts[2].len(), new.len());
    }
}
