//! A real BTF (`BTFGEN_TEST_BTF=file`, one that stands alone): all its types as one unit, by themselves and on top of the
//! BTF. Nothing merges, nothing is left to write. Without a file there is nothing to test.

use btf::base::Base;
use btf::dedup::fold::{Fold, Local};
use btf::dedup::resolve::Resolution;
use btf::graph::{Head, Records};
use btf::kind::Kind;
use btf::view::BtfView;

#[test]
fn a_real_btf_is_minimal_and_equal_to_itself() {
    let Some(file) = std::env::var_os("BTFGEN_TEST_BTF") else { return };
    let bytes = std::fs::read(file).unwrap();
    let view = BtfView::parse(&bytes).unwrap();
    let base = Base::new(&view);
    let local = |word: u32| word.checked_sub(1).map_or(Local::Void, Local::Type);
    let apart = [Kind::Func, Kind::Var, Kind::Datasec, Kind::DeclTag];
    let mut records = Records::default();
    for (_, record) in base.records() {
        records.push_record(record);
    }
    let types = records.iter().filter(|r| !apart.contains(&Head::of(r).kind)).count();

    let mut split = Fold::new(Some((base.strings(), base.classes())));
    split.fold_with(0, &records, local);
    let resolution = Resolution::new(&split, Some(&base));
    assert_eq!(resolution.records.len(), 0, "own types on top of itself");

    // By itself, with the base's table only for its names.
    let mut alone = Fold::new(None);
    for name in 0..base.strings().len() {
        alone.strings.intern(base.strings().get(btf::strings::StrId(name)));
    }
    alone.fold_with(0, &records, local);
    assert_eq!(Resolution::new(&alone, None).records.len(), types, "types by itself");
}
