//! The view of a BTF, the verifier, the dump, and all that takes a finished BTF.

use btf::base::Base;
use btf::dialect::Dialect;
use btf::distill::{Ambiguous, distill};
use btf::dump::{dump_c, dump_json, dump_raw, named};
use btf::edit::Edit;
use btf::error::ErrorKind;
use btf::verify::{Level, Options, verify};
use btf::view::BtfView;

use crate::bytes::pair;

/// Two BTFs, the second on top of the first; or one.
pub fn run(data: &[u8]) {
    let (base, split) = pair(data);
    let Ok(base) = BtfView::parse(base) else { return };
    look_at(&base);
    let Ok(split) = BtfView::parse_split(split, &base) else { return };
    look_at(&split);
    _ = Base::new(&base);
    if !accepts(&base, Level::Kernel) || !accepts(&split, Level::Kernel) {
        // Damaged BTF is refused or put right, but does no harm.
        _ = distill(&split, Ambiguous::IntoSplit);
        return;
    }
    match distill(&split, Ambiguous::IntoSplit) {
        Ok(distilled) => {
            let new_base = BtfView::parse(&distilled.base).expect("the distilled base can be parsed");
            assert!(accepts(&new_base, Level::Kernel), "the distilled base is valid");
            let new = BtfView::parse_split(&distilled.split, &new_base).expect("what is on it can be parsed");
            assert!(accepts(&new, Level::Kernel), "what is on it is valid");
        }
        // References to functions and variables of the base.
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}

fn look_at(view: &BtfView<'_>) {
    let mut text = Vec::new();
    dump_raw(view, &mut text).expect("memory takes everything");
    assert_eq!(text.is_empty(), view.type_count() == 0);
    dump_as_others(view);
    _ = (Dialect::of(view, Dialect::PAHOLE_1_32), view.word_size(), view.is_dangling());
    _ = accepts(view, Level::Kernel);
    // Nobody else looks at whether the variables of a DATASEC are there.
    // The verifier takes a base as good.
    let is_valid = accepts(view, Level::User) && view.base().is_none_or(|base| accepts(base, Level::User));
    let edit = Edit::of(view);
    assert!(!is_valid || edit.is_ok(), "what is valid can be taken apart");
    let Ok(edit) = edit else { return };
    match edit.write() {
        Ok(bytes) => {
            let new = BtfView::parse_on(&bytes, view.base()).expect("what was written can be parsed");
            assert!(new.type_count() <= view.type_count(), "no type is added");
            // By the rules about records. The others depend on the order, which is a new one: kernels measure a variable against its
            // DATASEC, or count a chain of modifiers, from wherever they come first.
            assert!(!is_valid || keeps_records(&new), "what was valid still is");
        }
        Err(e) => assert_eq!(e.kind(), ErrorKind::Limit, "{e}"),
    }
}

/// JSON of anything is text with an end; a header is there or an error, of all types and of those of one name.
fn dump_as_others(view: &BtfView<'_>) {
    let mut text = Vec::new();
    dump_json(view, None, &mut text).expect("memory takes everything");
    assert!(text.starts_with(b"{\"types\":[") && text.ends_with(b"]}\n") && std::str::from_utf8(&text).is_ok());
    let names: Vec<&[u8]> = view.types().filter_map(|(_, ty)| view.string(ty.name_off())).take(1).collect();
    let (chosen, _) = named(view, &names);
    for chosen in [None, Some(&chosen[..])] {
        match dump_c(view, chosen) {
            Ok(header) => assert!(header.ends_with(b"#endif /* __VMLINUX_H__ */\n")),
            Err(e) => assert!(matches!(e.kind(), ErrorKind::Record | ErrorKind::Limit), "{e}"),
        }
    }
}

fn keeps_records(view: &BtfView<'_>) -> bool {
    verify(view, &Options { level: Level::Kernel, ..Options::default() }).iter().all(|finding| finding.rule == "C2")
}

fn accepts(view: &BtfView<'_>, level: Level) -> bool {
    let findings = verify(view, &Options { level, ..Options::default() });
    findings.iter().for_each(|finding| assert!(!finding.to_string().is_empty()));
    findings.is_empty()
}
