use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::testing::{Blob, RandomType, build};

/// What differs, a line per entry, as `btfgen diff` has it.
fn lines(first: &Blob, second: &Blob) -> Vec<String> {
    let (first, second) = (first.bytes(), second.bytes());
    let first = BtfView::parse(&first).expect("it is BTF");
    let second = BtfView::parse(&second).expect("it is BTF");
    lines_of(&diff(&first, &second).expect("both are sound"))
}

fn lines_of(diff: &Diff) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in &diff.entries {
        let name = format!("{} {}", entry.space.word(), entry.name);
        match &entry.fate {
            Fate::Removed(what) => lines.push(format!("- {name}: {what}")),
            Fate::Added(what) => lines.push(format!("+ {name}: {what}")),
            Fate::Changed(changes) => lines.extend(changes.iter().map(|change| format!("! {name}{change}"))),
        }
    }
    lines.extend(diff.tags.removed.iter().map(|text| format!("- tag {text}")));
    lines.extend(diff.tags.added.iter().map(|text| format!("+ tag {text}")));
    lines.extend(diff.unnamed.removed.iter().map(|text| format!("- unnamed {text}")));
    lines.extend(diff.unnamed.added.iter().map(|text| format!("+ unnamed {text}")));
    lines
}

#[test]
fn a_change_shows_where_it_is_and_nowhere_else() {
    let make = |wide: bool| {
        let mut b = Blob::new();
        let (int, long) = (b.int("int", 4), b.int("long", 8));
        let inner = b.structure("inner", 16, &[("x", if wide { long } else { int }, 0), ("y", int, 64)]);
        let ptr = b.ptr(inner);
        b.structure("outer", 24, &[("by_value", inner, 0), ("by_pointer", ptr, 128)]);
        b.typedef("inner_t", inner);
        let proto = b.proto(int, &[("p", ptr)]);
        b.func("f", 1, proto);
        b
    };
    assert_eq!(lines(&make(false), &make(true)), ["! struct inner.x: int -> long"]);
    assert_eq!(lines(&make(true), &make(true)), [""; 0]);
}

#[test]
fn what_has_no_name_is_part_of_what_refers_to_it() {
    let make = |second: bool| {
        let mut b = Blob::new();
        let int = b.int("int", 4);
        let members = [("a", int, 0), (if second { "c" } else { "b" }, int, 32)];
        let anonymous = b.composite(Kind::Union, "", false, 4, &members[..1]);
        let inner = b.structure("", 8, &members);
        b.structure("s", 16, &[("", anonymous, 0), ("named", inner, 64)]);
        let params: &[(&str, u32)] = if second { &[("n", int), ("flags", int)] } else { &[("count", int)] };
        let proto = b.proto(int, params);
        b.func("f", 1, proto);
        let callback = b.ptr(proto);
        b.typedef("callback_t", callback);
        b.enumeration("e", second, &[("A", 1), ("B", if second { 3 } else { 2 })]);
        b.enumeration("", false, &[("X", 1), ("Y", if second { 3 } else { 2 })]);
        b
    };
    let expected = [
        "! struct s.named.b: removed (int)",
        "! struct s.named.c: added (int)",
        "! enum e: unsigned -> signed",
        "! enum e: B: 2 -> 3",
        "! enum {X, ...}: Y: 2 -> 3",
        "! typedef callback_t: int (*)(int) -> int (*)(int, int)",
        "! func f(): parameter 1 n: name count -> n",
        "! func f(): parameter 2 flags: added (int flags)",
    ];
    let mut found = lines(&make(false), &make(true));
    // A member that is gone stands where it was.
    found[..2].sort_by_key(|line| line.contains("added"));
    assert_eq!(found, expected);
}

#[test]
fn several_types_of_one_name_are_matched_by_what_they_are() {
    let make = |order: [u32; 2], extra: bool| {
        let mut b = Blob::new();
        let int = b.int("int", 4);
        for which in order {
            let member = if which == 0 { "x" } else { "y" };
            let s = b.structure("s", 4 + 4 * which, &[(member, int, 0)]);
            let ptr = b.ptr(s);
            let name = format!("user{which}");
            b.structure(&name, 8, &[("p", ptr, 0)]);
        }
        if extra {
            b.structure("s", 4, &[("z", int, 0)]);
        }
        b
    };
    assert_eq!(lines(&make([0, 1], false), &make([1, 0], false)), [""; 0]);
    assert_eq!(lines(&make([0, 1], false), &make([1, 0], true)), ["+ struct s: 4 bytes, 1 member"]);
}

#[test]
fn declarations_and_tags() {
    let make = |second: bool| {
        let mut b = Blob::new();
        let int = b.int("int", 4);
        let s = if second { b.structure("s", 4, &[("x", int, 0)]) } else { b.fwd("s", false) };
        let ptr = b.ptr(s);
        b.structure("user", 8, &[("p", ptr, 0)]);
        let proto = b.proto(int, &[("p", ptr)]);
        let func = b.func("f", 1, proto);
        b.decl_tag(if second { "new" } else { "old" }, func, 0);
        b
    };
    let expected = [
        "! struct s: only declared -> 4 bytes, 1 member",
        "- tag old on func f, component 0",
        "+ tag new on func f, component 0",
    ];
    assert_eq!(lines(&make(false), &make(true)), expected);
}

/// Whether each type of one has an equal in the other.
fn same_types(first: &BtfView<'_>, second: &BtfView<'_>) -> bool {
    let Ok(joint) = Joint::of(&[first, second]) else { panic!("both are sound") };
    let parts = joint.strict_parts();
    let of = |side: usize| joint.own(side).map(|node| parts[node as usize]).collect::<BTreeSet<u32>>();
    of(0) == of(1)
}

proptest! {
    /// Ids and order are nothing.
    #[test]
    fn a_copy_in_another_order_does_not_differ(
        (types, order) in vec(any::<RandomType>(), 1..40).prop_flat_map(|types| {
            let order: Vec<usize> = (0..types.len()).collect();
            (Just(types), Just(order).prop_shuffle())
        })
    ) {
        let in_order: Vec<usize> = (0..types.len()).collect();
        let (first, second) = (build(&types, &in_order), build(&types, &order));
        let first = BtfView::parse(&first).expect("it is BTF");
        let second = BtfView::parse(&second).expect("it is BTF");
        let found = lines_of(&diff(&first, &second).expect("both are sound"));
        prop_assert_eq!(found, Vec::<String>::new());
    }

    /// Nothing differs if and only if each type of one has its equal in the other.
    #[test]
    fn nothing_is_overlooked(types in vec(any::<RandomType>(), 1..12), at in any::<usize>(), new in any::<RandomType>()) {
        let order: Vec<usize> = (0..types.len()).collect();
        let mut changed = types.clone();
        let at = at % changed.len();
        changed[at] = new;
        let (first, second) = (build(&types, &order), build(&changed, &order));
        let first = BtfView::parse(&first).expect("it is BTF");
        let second = BtfView::parse(&second).expect("it is BTF");
        let found = diff(&first, &second).expect("both are sound");
        prop_assert_eq!(found.is_empty(), same_types(&first, &second), "{:#?}", lines_of(&found));
    }
}
