//! The writer: types go out and come back.

use btf::base::Base;
use btf::dedup::resolve::Target;
use btf::graph::{Head, Records, map_names, map_refs, names, refs};
use btf::header::Endian;
use btf::ids::{StrOff, TypeId};
use btf::kind::Kind;
use btf::strings::{StrId, Strings};
use btf::view::BtfView;
use btf::writer::{self, Extensions, Types};

use crate::bytes::{Bytes, pair};

/// A base BTF (or none), and types.
pub fn run(data: &[u8]) {
    let (base, types) = pair(data);
    let mut bytes = Bytes(types);
    let view = BtfView::parse(base).ok().filter(|base| !base.is_dangling() && base.endian() == Endian::Little);
    let endian = if view.is_none() && bytes.byte() & 1 != 0 { Endian::Big } else { Endian::Little };
    let base = view.as_ref().map(Base::new);
    let mut strings = match &base {
        Some(base) => Strings::on(base.strings()),
        None => Strings::new(),
    };
    let records = records(&mut bytes, &mut strings, view.as_ref());
    let bits = bytes.byte();
    let extensions = Extensions { layout: bits & 1 != 0, wide_vlen: bits & 2 != 0 };
    let types = Types { records: &records, strings: &strings, base: base.as_ref(), endian, extensions };
    let Ok((written, sizes)) = types.write() else { return };
    let new = BtfView::parse_on(&written, view.as_ref()).expect("what was written can be parsed");
    assert_eq!((sizes.types, new.type_count()), (records.len(), records.len()));
    assert_eq!(new.strings().len(), sizes.string_bytes);
    same_types(&records, &strings, &new);
    let padded = writer::pad(written.clone(), written.len() as u64 + 40);
    let padded_view = BtfView::parse_on(&padded, view.as_ref()).expect("what was padded can be parsed");
    assert_eq!((padded.len(), padded_view.type_count()), (written.len() + 40, new.type_count()));
}

/// Each record is there once, with its names and what it refers to, in the order of names.
fn same_types(records: &Records, strings: &Strings<'_>, new: &BtfView<'_>) {
    let name = |record: &[u32]| names(record).next().map_or(&b""[..], |n| strings.get(n));
    let first = |record: &[u32]| match Head::of(record).kind {
        Kind::Array | Kind::Ptr | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::FuncProto => &b""[..],
        _ => name(record),
    };
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_by_key(|&i| first(records.get(i)));
    let mut place = vec![0; records.len()];
    order.iter().zip(new.first_id().0..).for_each(|(&i, id)| place[i] = id);
    for (&i, (_, found)) in order.iter().zip(new.types()) {
        let mut expected = records.get(i).to_vec();
        map_refs(&mut expected, |word| match Target::of(word) {
            Target::Own(own) => place[own as usize],
            Target::Base(id) => id.0,
        });
        assert_eq!((Head::of(&expected).kind, Head::of(&expected).kflag), (found.kind(), found.kflag()));
        let mut words = Vec::new();
        found.read_record(&mut words);
        if found.kind() == Kind::Func {
            words.push(found.vlen());
        }
        let texts: Vec<&[u8]> = names(&expected).map(|n| strings.get(n)).collect();
        let found_texts: Vec<&[u8]> = names(&words).map(|n| new.string(StrOff(n.0)).expect("it is there")).collect();
        assert_eq!(texts, found_texts);
        assert_eq!(refs(&expected).collect::<Vec<_>>(), refs(&words).collect::<Vec<_>>());
        for words in [&mut expected, &mut words] {
            map_names(words, |_| StrId(0));
        }
        assert_eq!(expected, words);
    }
}

fn records(bytes: &mut Bytes<'_>, strings: &mut Strings<'_>, base: Option<&BtfView<'_>>) -> Records {
    // References may be forward ones, so their number comes first.
    let count = u32::from(bytes.byte());
    let base_types = base.map_or(1, |base| base.end_id().0);
    let mut records = Records::default();
    for _ in 0..count {
        let what = bytes.byte();
        let kind = Kind::ALL[usize::from(what & 0x1f) % Kind::ALL.len()];
        let target = |bytes: &mut Bytes<'_>| match bytes.half() {
            number if number & 1 == 0 => Target::Own(u32::from(number >> 1) % count).word(),
            number => Target::Base(TypeId(u32::from(number >> 1) % base_types)).word(),
        };
        let mut name = |bytes: &mut Bytes<'_>| {
            let length = usize::from(bytes.byte() % 8);
            let text: Vec<u8> = bytes.split(length).iter().copied().filter(|&byte| byte != 0).collect();
            strings.intern(&text).0
        };
        let elements = usize::from(what >> 5);
        let mut record = vec![Head { kind, kflag: bytes.byte() & 1 != 0 }.word(), 0, 0];
        if !matches!(kind, Kind::Ptr | Kind::Array | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::FuncProto) {
            record[1] = name(bytes);
        }
        match kind {
            Kind::Int => record.extend([bytes.word()]),
            Kind::Fwd => {}
            Kind::Float | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Datasec => {
                record[2] = bytes.word();
            }
            Kind::Array => record.extend([target(bytes), target(bytes), bytes.word()]),
            _ => record[2] = target(bytes),
        }
        match kind {
            Kind::Struct | Kind::Union => {
                (0..elements).for_each(|_| record.extend([name(bytes), target(bytes), bytes.word()]));
            }
            Kind::Enum => (0..elements).for_each(|_| record.extend([name(bytes), bytes.word()])),
            Kind::Enum64 => (0..elements).for_each(|_| record.extend([name(bytes), bytes.word(), bytes.word()])),
            Kind::FuncProto => (0..elements).for_each(|_| record.extend([name(bytes), target(bytes)])),
            Kind::Datasec => (0..elements).for_each(|_| record.extend([target(bytes), bytes.word(), bytes.word()])),
            Kind::Func => record.push(u32::from(bytes.byte() % 3)),
            Kind::Var | Kind::DeclTag => record.push(bytes.word()),
            _ => {}
        }
        records.push_record(&record);
    }
    records
}
