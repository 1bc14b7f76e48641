use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::diff::diff;
use crate::ids::TypeId;
use crate::testing::{Blob, RandomType, build};

fn of<'i, 'a>(view: &'i BtfView<'a>) -> Input<'i, 'a> {
    Input { view, places: None }
}

fn merged(views: &[&BtfView<'_>], base: Option<&BtfView<'_>>) -> Vec<u8> {
    let inputs: Vec<Input<'_, '_>> = views.iter().map(|view| of(view)).collect();
    merge(&inputs, base).expect("they can be merged")
}

fn dump(bytes: &[u8], base: Option<&BtfView<'_>>) -> Vec<String> {
    let view = BtfView::parse_on(bytes, base).expect("it is BTF");
    let mut out = Vec::new();
    crate::dump::dump_raw(&view, &mut out).expect("memory");
    String::from_utf8(out).expect("ASCII").lines().map(str::to_owned).collect()
}

fn count(lines: &[String], what: &str) -> usize {
    lines.iter().filter(|line| line.contains(what)).count()
}

#[test]
fn what_one_declares_and_another_defines() {
    let mut a = Blob::new();
    let int = a.int("int", 4);
    let fwd = a.fwd("s", false);
    let ptr = a.ptr(fwd);
    let proto = a.proto(int, &[("p", ptr)]);
    let unnamed = a.proto(int, &[("", ptr)]);
    a.func("f", 2, unnamed);
    a.func("g", 0, proto);
    let mut b = Blob::new();
    let int = b.int("int", 4);
    let s = b.structure("s", 4, &[("x", int, 0)]);
    let ptr = b.ptr(s);
    let proto = b.proto(int, &[("p", ptr)]);
    let f = b.func("f", 1, proto);
    b.func("g", 0, proto);
    b.decl_tag("tag", f, 0);
    b.decl_tag("tag", s, 0);
    let (a, b) = (a.bytes(), b.bytes());
    let (a, b) = (BtfView::parse(&a).expect("it is BTF"), BtfView::parse(&b).expect("it is BTF"));
    for views in [[&a, &b], [&b, &a]] {
        let lines = dump(&merged(&views, None), None);
        assert_eq!((count(&lines, "FWD"), count(&lines, "STRUCT 's'"), count(&lines, "FUNC_PROTO")), (0, 1, 2));
        assert_eq!((count(&lines, "FUNC 'f'"), count(&lines, "linkage=global"), count(&lines, "FUNC 'g'")), (1, 1, 1));
        assert_eq!(count(&lines, "DECL_TAG 'tag'"), 2, "{lines:#?}");
    }
}

/// A section as a compiler leaves it has no size, and its variables no places.
#[derive(Debug)]
struct Known;

impl Places for Known {
    fn section(&self, name: &[u8]) -> Option<(u32, u32)> {
        (name == b".data").then_some((12, 16))
    }

    fn variable(&self, section: &[u8], name: &[u8]) -> Option<u32> {
        match (section, name) {
            (b".data", b"v") => Some(8),
            (b".data", b"w") => Some(0),
            _ => None,
        }
    }
}

#[test]
fn sections_stand_one_behind_the_other() {
    let object = |name: &str, size: u32| {
        let mut b = Blob::new();
        let int = b.int("int", 4);
        let vars = [b.var("v", 1, int), b.var(name, 1, int)];
        b.datasec(".data", size, &[(vars[0], size.saturating_sub(4), 4), (vars[1], 0, 4)]);
        let elsewhere = [b.var("outside", 2, int), b.var("other", 2, int)];
        b.datasec(".kconfig", 0, &[(elsewhere[0], 0, 4), (elsewhere[1], 0, 4)]);
        b.var("alone", 0, int);
        b.bytes()
    };
    let (a, b) = (object("w", 0), object("x", 8));
    let (a, b) = (BtfView::parse(&a).expect("it is BTF"), BtfView::parse(&b).expect("it is BTF"));
    let inputs = [Input { view: &a, places: Some(&Known) }, of(&b), of(&b)];
    let bytes = merge(&inputs, None).expect("they can be merged");
    let view = BtfView::parse(&bytes).expect("it is BTF");
    let name = |id: TypeId| {
        String::from_utf8_lossy(view.string(view.get(id).expect("there").name_off()).unwrap()).into_owned()
    };
    let sections = view.types_of(|kind| kind == Kind::Datasec);
    let sections: Vec<_> = sections
        .map(|(id, t)| {
            let vars = t.vars().map(|v| (name(v.type_id), v.byte_offset, v.byte_size));
            (name(id), t.byte_size(), vars.collect())
        })
        .collect();
    let entry = |name: &str, offset: u32| (name.to_owned(), offset, 4);
    // The first one's ends at 12, since v is at 8; the next one begins where its alignment, which nothing tells, has it.
    let data = vec![entry("w", 0), entry("v", 8), entry("x", 16), entry("v", 20)];
    let kconfig = vec![entry("outside", 0), entry("other", 4)];
    let expected = [(".data".to_owned(), Some(24), data), (".kconfig".to_owned(), Some(8), kconfig)];
    assert_eq!(sections, expected);
    let lines = dump(&bytes, None);
    assert_eq!((count(&lines, "VAR 'v'"), count(&lines, "VAR 'alone'"), count(&lines, "VAR 'outside'")), (2 * 2, 1, 2));
}

#[test]
fn what_the_base_has_is_left_out_or_put_in() {
    let mut base = Blob::new();
    let int = base.int("int", 4);
    base.structure("s", 4, &[("x", int, 0)]);
    let base = base.bytes();
    let base = BtfView::parse(&base).expect("a base");
    let mut split = Blob::on(&base);
    let s = split.structure("s", 4, &[("x", int, 0)]);
    let nothing = split.bytes();
    split.ptr(s);
    let own = split.structure("own", 4, &[("x", int, 0)]);
    split.typedef("t", own);
    let split = split.bytes();
    let split = BtfView::parse_split(&split, &base).expect("a split BTF");
    let nothing = BtfView::parse_split(&nothing, &base).expect("a split BTF");
    assert_eq!(merged(&[&base, &nothing], None), merged(&[&base], None));
    assert_eq!(dump(&merged(&[&nothing, &nothing], Some(&base)), Some(&base)), [""; 0]);
    let lines = dump(&merged(&[&split, &nothing, &split], Some(&base)), Some(&base));
    assert_eq!((count(&lines, "STRUCT"), count(&lines, "PTR"), count(&lines, "TYPEDEF")), (1, 1, 1), "{lines:#?}");
    let lines = dump(&merged(&[&base, &split], None), None);
    assert_eq!((count(&lines, "STRUCT"), count(&lines, "INT")), (2, 1), "{lines:#?}");
}

#[test]
fn byte_orders_do_not_mix() {
    let blobs = [crate::header::Endian::Little, crate::header::Endian::Big].map(|endian| {
        let mut b = Blob::with_endian(endian);
        b.int("int", 4);
        b.bytes()
    });
    let views: Vec<BtfView<'_>> = blobs.iter().map(|bytes| BtfView::parse(bytes).expect("it is BTF")).collect();
    let error = merge(&[of(&views[0]), of(&views[1])], None).expect_err("they differ");
    assert_eq!(error.to_string(), "BTF: the byte orders of what is to be merged differ");
}

proptest! {
    /// Once more of the same is nothing, also of what was merged before.
    #[test]
    fn twice_is_once(types in vec(any::<RandomType>(), 1..30)) {
        let order: Vec<usize> = (0..types.len()).collect();
        let bytes = build(&types, &order);
        let view = BtfView::parse(&bytes).expect("it is BTF");
        let once = merged(&[&view], None);
        prop_assert_eq!(&merged(&[&view, &view], None), &once);
        prop_assert_eq!(&merged(&[&view, &view, &view], None), &once);
    }

    /// The order of the inputs, and that of their types, is nothing.
    #[test]
    fn order_does_not_matter(a in vec(any::<RandomType>(), 1..15), b in vec(any::<RandomType>(), 1..15)) {
        let in_order = |types: &[RandomType]| (0..types.len()).collect::<Vec<usize>>();
        let backwards = |types: &[RandomType]| (0..types.len()).rev().collect::<Vec<usize>>();
        let (first, second) = (build(&a, &in_order(&a)), build(&b, &in_order(&b)));
        let reversed = build(&a, &backwards(&a));
        fn parse(bytes: &[u8]) -> BtfView<'_> {
            BtfView::parse(bytes).expect("it is BTF")
        }
        let (first, second, reversed) = (parse(&first), parse(&second), parse(&reversed));
        let one = merged(&[&first, &second], None);
        for other in [merged(&[&second, &first], None), merged(&[&reversed, &second], None)] {
            let differs = diff(&parse(&one), &parse(&other)).expect("both are sound");
            prop_assert!(differs.is_empty(), "{:#?}", differs);
        }
    }
}
