//! Tier M: each record by itself, without following references.

use super::log::Line;
use super::{Check, KernelVersion};
use crate::ids::{StrOff, TypeId};
use crate::kind::{Info, Kind, RECORD_BYTES};
use crate::view::{IntData, TypeView};

/// Largest number of bits that an INT may have, offset included.
const MAX_INT_BITS: u32 = 128;
/// Bits of the info word that kernels with 5 bits of kind and 16 of vlen want to be 0.
const NARROW_RESERVED: u32 = 0x60ff_0000;

/// Checks every own record.
pub(super) fn check_records(check: &mut Check<'_, '_>) {
    for (id, ty) in check.view.types() {
        if check.is_full() {
            return;
        }
        if !check_common(check, id, ty) {
            continue;
        }
        match ty.kind() {
            Kind::Int => check_int(check, id, ty),
            Kind::Ptr | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::Typedef | Kind::TypeTag => {
                check_reference(check, id, ty);
            }
            Kind::Fwd => check_fwd(check, id, ty),
            Kind::Array => check_array(check, id, ty),
            Kind::Struct | Kind::Union => check_composite(check, id, ty),
            Kind::Enum | Kind::Enum64 => check_enum(check, id, ty),
            Kind::FuncProto => {
                check_anonymous(check, "M70", id, ty);
                check_no_kflag(check, "M71", id, ty);
            }
            Kind::Func => check_func(check, id, ty),
            Kind::Var => check_var(check, id, ty),
            Kind::Datasec => check_datasec(check, id, ty),
            Kind::Float => check_float(check, id, ty),
            Kind::DeclTag => check_decl_tag(check, id, ty),
        }
    }
}

/// The rules that hold for all kinds. Whether the rest of the record can be judged.
fn check_common(check: &mut Check<'_, '_>, id: TypeId, ty: TypeView<'_>) -> bool {
    let kind = ty.info_word() >> 24 & 0x7f;
    let wrong = head_violation(check, ty.info_word(), kind, ty.name_off());
    match wrong {
        Some((rule, text)) => check.report(rule, id, None, Line::Id, text),
        None => return true,
    }
    false
}

/// M2 to M4, which are asked before the rest of a record is looked at.
fn head_violation(check: &Check<'_, '_>, info: u32, kind: u32, name: StrOff) -> Option<(&'static str, String)> {
    let kernel = check.options.kernel;
    if kernel < KernelVersion::WIDE && info & NARROW_RESERVED != 0 {
        return Some(("M3", format!("Invalid btf_info:{info:x}")));
    }
    if Kind::from_number(kind).is_none_or(|kind| !kernel.knows(kind)) {
        return Some(("M2", format!("Invalid kind:{kind}")));
    }
    (!is_string(check, name)).then(|| ("M4", format!("Invalid name_offset:{}", name.0)))
}

/// What is wrong with the record at which reading ended, which is the one after the view's last: M1, unless its head is wrong.
pub(super) fn report_stop(check: &mut Check<'_, '_>) {
    let (view, id) = (check.view, check.view.end_id());
    let rest = view.rest();
    let word = |at| view.endian().read_u32(rest, at).unwrap_or(0);
    let left = rest.len();
    if left < RECORD_BYTES {
        return check.report("M1", id, None, Line::Id, format!("meta_left:{left} meta_needed:{RECORD_BYTES}"));
    }
    let (name, info) = (StrOff(word(0)), word(4));
    let kind = info >> 24 & 0x7f;
    if let Some((rule, text)) = head_violation(check, info, kind, name) {
        return check.report(rule, id, None, Line::Id, text);
    }
    let Some(kind) = Kind::from_number(kind) else { return };
    let (fixed, each) = kind.trailer();
    let needed = fixed as u64 + each as u64 * u64::from(Info::from_word(info).vlen);
    let text = format!("meta_left:{} meta_needed:{needed}", left - RECORD_BYTES);
    check.report("M1", id, None, Line::Id, format!("{} {} {text}", kind.name(), super::log::name(view, name)));
    if let Some(finding) = check.findings.last_mut().filter(|finding| finding.rule == "M1") {
        (finding.kind, finding.text) = (Some(kind), text);
        finding.name = super::shown(view, name);
    }
}

/// Whether there is a string here that the kernel would look at.
fn is_string(check: &Check<'_, '_>, name: StrOff) -> bool {
    name <= StrOff::MAX && check.view.string_tail(name).is_some()
}

/// Whether the id is in the kernel's range and not void; that it exists is asked later.
fn is_id(id: TypeId) -> bool {
    id != TypeId::VOID && id <= TypeId::MAX
}

fn check_no_vlen(check: &mut Check<'_, '_>, rule: &'static str, id: TypeId, ty: TypeView<'_>) {
    if ty.vlen() != 0 {
        check.bad(rule, id, "vlen != 0");
    }
}

fn check_no_kflag(check: &mut Check<'_, '_>, rule: &'static str, id: TypeId, ty: TypeView<'_>) {
    if ty.kflag() {
        check.bad(rule, id, "Invalid btf_info kind_flag");
    }
}

fn check_anonymous(check: &mut Check<'_, '_>, rule: &'static str, id: TypeId, ty: TypeView<'_>) {
    if ty.name_off() != StrOff::EMPTY {
        check.bad(rule, id, "Invalid name");
    }
}

fn check_named(check: &mut Check<'_, '_>, rule: &'static str, id: TypeId, ty: TypeView<'_>) {
    if ty.name_off() == StrOff::EMPTY || !check.is_identifier(ty.name_off()) {
        check.bad(rule, id, "Invalid name");
    }
}

fn check_anonymous_or_named(check: &mut Check<'_, '_>, rule: &'static str, id: TypeId, ty: TypeView<'_>) {
    if ty.name_off() != StrOff::EMPTY && !check.is_identifier(ty.name_off()) {
        check.bad(rule, id, "Invalid name");
    }
}

fn check_int(check: &mut Check<'_, '_>, id: TypeId, ty: TypeView<'_>) {
    let int = ty.int_data().unwrap_or_default();
    check_no_vlen(check, "M10", id, ty);
    check_no_kflag(check, "M11", id, ty);
    if int.0 >> 28 != 0 {
        check.report("M12", id, None, Line::Basic, format!("Invalid int_data:{:x}", int.0));
    }
    let bits = int.bit_offset() + int.nr_bits();
    if bits > MAX_INT_BITS {
        check.bad("M13", id, "nr_bits exceeds 128");
    }
    if bits.div_ceil(8) > ty.size_or_type() {
        check.bad("M14", id, "nr_bits exceeds type_size");
    }
    if !matches!(int.encoding(), 0 | IntData::SIGNED | IntData::CHAR | IntData::BOOL) {
        check.bad("M15", id, "Unsupported encoding");
    }
}

/// PTR and the modifiers.
fn check_reference(check: &mut Check<'_, '_>, id: TypeId, ty: TypeView<'_>) {
    check_no_vlen(check, "M20", id, ty);
    if ty.kind() != Kind::TypeTag || check.options.kernel < KernelVersion::ATTRIBUTE_TAGS {
        check_no_kflag(check, "M21", id, ty);
    }
    if ty.size_or_type() > TypeId::MAX.0 {
        check.bad("M22", id, "Invalid type_id");
    }
    if ty.kind() == Kind::Typedef {
        check_named(check, "M23", id, ty);
    } else if ty.kind() != Kind::TypeTag {
        check_anonymous(check, "M25", id, ty);
    } else if check.is_empty_name(ty.name_off()) {
        check.bad("M24", id, "Invalid name");
    }
}

fn check_fwd(check: &mut Check<'_, '_>, id: TypeId, ty: TypeView<'_>) {
    check_no_vlen(check, "M30", id, ty);
    if ty.size_or_type() != 0 {
        check.bad("M31", id, "type != 0");
    }
    check_named(check, "M32", id, ty);
}

fn check_array(check: &mut Check<'_, '_>, id: TypeId, ty: TypeView<'_>) {
    let array = ty.array().unwrap_or_default();
    check_anonymous(check, "M40", id, ty);
    check_no_vlen(check, "M41", id, ty);
    check_no_kflag(check, "M41", id, ty);
    if ty.size_or_type() != 0 {
        check.bad("M41", id, "size != 0");
    }
    if !is_id(array.elem) {
        check.bad("M42", id, "Invalid elem");
    }
    if !is_id(array.index) {
        check.bad("M43", id, "Invalid index");
    }
}

fn check_composite(check: &mut Check<'_, '_>, id: TypeId, ty: TypeView<'_>) {
    check_anonymous_or_named(check, "M50", id, ty);
    let mut previous = 0;
    for (n, member) in ty.members().enumerate() {
        if !is_string(check, member.name_off) {
            let text = format!("Invalid member name_offset:{}", member.name_off.0);
            check.bad_element("M51", id, n, text);
        } else if member.name_off != StrOff::EMPTY && !check.is_identifier(member.name_off) {
            check.bad_element("M52", id, n, "Invalid name");
        }
        if !is_id(member.type_id) {
            check.bad_element("M53", id, n, "Invalid type_id");
        }
        let offset = member.bit_offset(ty.kflag());
        if ty.kind() == Kind::Union && offset != 0 {
            check.bad_element("M54", id, n, "Invalid member bits_offset");
        }
        if ty.kind() == Kind::Struct && offset < previous {
            check.bad_element("M55", id, n, "Invalid member bits_offset");
        }
        if offset.div_ceil(8) > ty.size_or_type() {
            check.bad_element("M56", id, n, "Member bits_offset exceeds its struct size");
        }
        previous = offset;
    }
}

fn check_enum(check: &mut Check<'_, '_>, id: TypeId, ty: TypeView<'_>) {
    if !matches!(ty.size_or_type(), 1 | 2 | 4 | 8) {
        check.bad("M60", id, "Unexpected size");
    }
    if ty.kind() == Kind::Enum && check.options.kernel < KernelVersion::SIGNED_ENUMS {
        check_no_kflag(check, "M64", id, ty);
    }
    check_anonymous_or_named(check, "M61", id, ty);
    for (n, value) in ty.enumerators().enumerate() {
        if !is_string(check, value.name_off) {
            check.bad_element("M62", id, n, format!("Invalid name_offset:{}", value.name_off.0));
        } else if value.name_off == StrOff::EMPTY || !check.is_identifier(value.name_off) {
            check.bad_element("M63", id, n, "Invalid name");
        }
    }
}

fn check_func(check: &mut Check<'_, '_>, id: TypeId, ty: TypeView<'_>) {
    check_named(check, "M72", id, ty);
    if ty.vlen() > 1 {
        check.bad("M73", id, "Invalid func linkage");
    }
    check_no_kflag(check, "M74", id, ty);
}

fn check_var(check: &mut Check<'_, '_>, id: TypeId, ty: TypeView<'_>) {
    check_no_vlen(check, "M80", id, ty);
    check_no_kflag(check, "M80", id, ty);
    check_named(check, "M81", id, ty);
    if !is_id(TypeId(ty.size_or_type())) {
        check.bad("M82", id, "Invalid type_id");
    }
    if !matches!(ty.linkage(), Some(0 | 1)) {
        check.bad("M83", id, "Linkage not supported");
    }
}

fn check_datasec(check: &mut Check<'_, '_>, id: TypeId, ty: TypeView<'_>) {
    let size = ty.size_or_type();
    if size == 0 {
        check.bad("M90", id, "size == 0");
    }
    check_no_kflag(check, "M91", id, ty);
    let named = if check.options.kernel >= KernelVersion::PRINTABLE_SECTIONS {
        check.is_printable(ty.name_off())
    } else {
        check.is_identifier(ty.name_off())
    };
    if !named {
        check.bad("M92", id, "Invalid name");
    }
    let (mut free, mut sum) = (0u32, 0u64);
    for (n, var) in ty.vars().enumerate() {
        if !is_id(var.type_id) {
            check.bad_element("M93", id, n, "Invalid type_id");
        }
        if var.byte_offset < free || var.byte_offset >= size {
            check.bad_element("M94", id, n, "Invalid offset");
        }
        if var.byte_size == 0 || var.byte_size > size {
            check.bad_element("M95", id, n, "Invalid size");
        }
        // In 32 bits, as the kernel does it: an end beyond them is a small one.
        free = var.byte_offset.wrapping_add(var.byte_size);
        if free > size {
            check.bad_element("M96", id, n, "Invalid offset+size");
        }
        sum += u64::from(var.byte_size);
    }
    if sum > u64::from(size) {
        check.bad("M97", id, "Invalid btf_info size");
    }
}

fn check_float(check: &mut Check<'_, '_>, id: TypeId, ty: TypeView<'_>) {
    check_no_vlen(check, "M100", id, ty);
    check_no_kflag(check, "M100", id, ty);
    if !matches!(ty.size_or_type(), 2 | 4 | 8 | 12 | 16) {
        check.bad("M101", id, "Invalid type_size");
    }
}

fn check_decl_tag(check: &mut Check<'_, '_>, id: TypeId, ty: TypeView<'_>) {
    if check.is_empty_name(ty.name_off()) {
        check.bad("M110", id, "Invalid value");
    }
    check_no_vlen(check, "M111", id, ty);
    if check.options.kernel < KernelVersion::ATTRIBUTE_TAGS {
        check_no_kflag(check, "M112", id, ty);
    }
    if ty.component_index().is_some_and(|component| component < -1) {
        check.bad("M113", id, "Invalid component_idx");
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, broken_by};
    use super::super::{KernelVersion, Options, verify};
    use crate::kind::{Info, Kind};
    use crate::testing::Blob;
    use crate::view::{BtfView, IntData};

    type Broken = Vec<(&'static str, Option<u32>)>;
    type Case = (&'static str, fn(&mut Blob));

    /// Expects that each of these breaks exactly its rule, about the record and not about an element.
    fn expect(cases: &[Case]) {
        for &(rule, build) in cases {
            assert_eq!(broken(build), [(rule, None)] as [_; 1], "{rule}");
        }
    }

    fn element(rule: &'static str, n: u32) -> Broken {
        vec![(rule, Some(n))]
    }

    #[test]
    fn common_words() {
        expect(&[("M4", |b| _ = b.raw(b.strings.len() as u32, Kind::Ptr, 0, false, 1, &[]))]);
        // A base of the largest size leaves no offsets to a split BTF.
        let mut b = Blob::new();
        b.strings.resize(0x0100_0000, 0);
        let base_data = b.bytes();
        let base = BtfView::parse(&base_data).unwrap();
        let mut b = Blob::on(&base);
        b.fwd("f", false);
        let data = b.bytes();
        let found = verify(&BtfView::parse_split(&data, &base).unwrap(), &Options::default());
        assert_eq!(found[0].to_string(), "[1] FWD `f`: Invalid name_offset:16777216 (M4)");
        let wide = |b: &mut Blob| {
            b.words(&[0, Info::to_word(Kind::Struct, 0x1_0000, false), 0]);
            b.words(&[0, 1, 0].repeat(0x1_0000));
        };
        assert_eq!(broken_by(KernelVersion(6, 12), wide)[0].0, "M3");
        assert_eq!(
            broken_by(KernelVersion(7, 3), |b| {
                b.words(&[0, Info::to_word(Kind::Union, 0x1_0000, false), 4]);
                b.words(&[0, 1, 0].repeat(0x1_0000));
            }),
            []
        );
        for (kernel, kind, known) in
            [((5, 17), Kind::Enum64, false), ((5, 12), Kind::Float, false), ((5, 13), Kind::Float, true)]
        {
            let found = broken_by(KernelVersion(kernel.0, kernel.1), |b| _ = b.raw(0, kind, 0, false, 4, &[]));
            assert_eq!(found, if known { vec![] } else { vec![("M2", None)] });
        }
    }

    #[test]
    fn ints() {
        expect(&[
            ("M10", |b| _ = b.raw(0, Kind::Int, 1, false, 4, &[32])),
            ("M11", |b| _ = b.raw(0, Kind::Int, 0, true, 4, &[32])),
            ("M12", |b| _ = b.plain(Kind::Int, "", 4, &[0x1000_0020])),
            ("M13", |b| _ = b.plain(Kind::Int, "", 32, &[IntData::new(0, 1, 128).0])),
            ("M14", |b| _ = b.plain(Kind::Int, "", 4, &[IntData::new(0, 1, 32).0])),
            ("M15", |b| _ = b.plain(Kind::Int, "", 4, &[IntData::new(3, 0, 32).0])),
        ]);
        assert_eq!(broken(|b| _ = b.plain(Kind::Int, "any text", 16, &[IntData::new(4, 0, 128).0])), []);
    }

    #[test]
    fn references() {
        expect(&[
            ("M20", |b| _ = b.raw(0, Kind::Ptr, 1, false, 1, &[])),
            ("M21", |b| _ = b.raw(0, Kind::Const, 0, true, 1, &[])),
            ("M22", |b| _ = b.ptr(0x10_0000)),
            ("M23", |b| _ = b.typedef("", 1)),
            ("M23", |b| _ = b.typedef("a<b>", 1)),
            ("M23", |b| _ = b.typedef("1a", 1)),
            ("M23", |b| _ = b.typedef("caf\u{e9}", 1)),
            ("M23", |b| _ = b.typedef(&"x".repeat(513), 1)),
            ("M24", |b| _ = b.type_tag("", 1)),
            ("M25", |b| _ = b.plain(Kind::Volatile, "v", 1, &[])),
        ]);
        assert_eq!(broken(|b| _ = b.typedef(&".x_".repeat(170), 1)), []);
        assert_eq!(broken(|b| _ = b.typedef(&"x".repeat(512), 1)), []);
        assert_eq!(
            broken(|b| {
                let name = b.name(b"caf\xe9");
                b.raw(name, Kind::Typedef, 0, false, 1, &[]);
            }),
            []
        );
        assert_eq!(broken_by(KernelVersion(5, 19), |b| _ = b.typedef(&"x".repeat(129), 1)), [("M23", None)]);
        let attribute = |b: &mut Blob| {
            let name = b.name("address_space(1)");
            b.raw(name, Kind::TypeTag, 0, true, 1, &[]);
        };
        assert_eq!(broken_by(KernelVersion(6, 15), attribute), []);
        assert_eq!(broken_by(KernelVersion(6, 14), attribute), [("M21", None)]);
    }

    #[test]
    fn forwards_and_arrays() {
        expect(&[
            ("M30", |b| {
                _ = {
                    let name = b.name("f");
                    b.raw(name, Kind::Fwd, 1, false, 0, &[])
                }
            }),
            ("M31", |b| _ = b.plain(Kind::Fwd, "f", 1, &[])),
            ("M32", |b| _ = b.fwd("", true)),
            ("M40", |b| _ = b.plain(Kind::Array, "a", 0, &[1, 1, 1])),
            ("M41", |b| _ = b.raw(0, Kind::Array, 1, false, 0, &[1, 1, 1])),
            ("M41", |b| _ = b.raw(0, Kind::Array, 0, true, 0, &[1, 1, 1])),
            ("M41", |b| _ = b.plain(Kind::Array, "", 1, &[1, 1, 1])),
            ("M42", |b| _ = b.array(0, 1, 1)),
            ("M42", |b| _ = b.array(0x10_0000, 1, 1)),
            ("M43", |b| _ = b.array(1, 0, 1)),
        ]);
    }

    #[test]
    fn composites() {
        expect(&[("M50", |b| _ = b.structure("a b", 4, &[]))]);
        let member = |size, members: &[(&str, u32, u32)]| broken(|b| _ = b.structure("s", size, members));
        assert_eq!(broken(|b| _ = b.raw(0, Kind::Struct, 1, false, 4, &[9999, 1, 0])), element("M51", 0));
        assert_eq!(member(8, &[("a", 1, 0), ("b-c", 1, 32)]), element("M52", 1));
        assert_eq!(member(8, &[("a", 1, 0), ("b", 0, 32)]), element("M53", 1));
        assert_eq!(member(8, &[("a", 0x10_0000, 0)]), element("M53", 0));
        let union = broken(|b| _ = b.composite(Kind::Union, "u", false, 8, &[("a", 1, 0), ("b", 1, 8)]));
        assert_eq!(union, element("M54", 1));
        assert_eq!(member(8, &[("a", 1, 32), ("b", 1, 0)]), element("M55", 1));
        assert_eq!(member(4, &[("a", 1, 0), ("b", 1, 33)]), element("M56", 1));
        // The end is fine as a place.
        assert_eq!(
            broken(|b| {
                let a = b.array(1, 1, 0);
                b.structure("s", 4, &[("a", 1, 0), ("b", a, 32)]);
            }),
            []
        );
    }

    #[test]
    fn enums() {
        expect(&[
            ("M60", |b| _ = b.raw(0, Kind::Enum, 0, false, 3, &[])),
            ("M60", |b| _ = b.raw(0, Kind::Enum64, 0, false, 16, &[])),
            ("M61", |b| _ = b.enumeration("e e", false, &[])),
        ]);
        let signed = |b: &mut Blob| _ = b.raw(0, Kind::Enum, 0, true, 4, &[]);
        assert_eq!(broken_by(KernelVersion(5, 19), signed), [("M64", None)]);
        assert_eq!(broken_by(KernelVersion(6, 0), signed), []);
        assert_eq!(broken(|b| _ = b.raw(0, Kind::Enum64, 1, false, 8, &[9999, 0, 0])), element("M62", 0));
        assert_eq!(broken(|b| _ = b.enumeration("e", true, &[("A", 0), ("", 1)])), element("M63", 1));
        assert_eq!(broken(|b| _ = b.enumeration64("e", true, &[("A", 0), ("B:", 1)])), element("M63", 1));
    }

    #[test]
    fn functions_and_variables() {
        expect(&[
            ("M70", |b| _ = b.plain(Kind::FuncProto, "p", 0, &[])),
            ("M71", |b| _ = b.raw(0, Kind::FuncProto, 0, true, 0, &[])),
            ("M72", |b| {
                let p = b.proto(0, &[]);
                b.func("f$1", 0, p);
            }),
            ("M73", |b| {
                let p = b.proto(0, &[]);
                b.func("f", 2, p);
            }),
            ("M74", |b| {
                let (p, n) = (b.proto(0, &[]), b.name("f"));
                b.raw(n, Kind::Func, 0, true, p, &[]);
            }),
            ("M80", |b| {
                let n = b.name("v");
                b.raw(n, Kind::Var, 1, false, 1, &[0]);
            }),
            ("M80", |b| {
                let n = b.name("v");
                b.raw(n, Kind::Var, 0, true, 1, &[0]);
            }),
            ("M81", |b| _ = b.var("", 0, 1)),
            ("M82", |b| _ = b.var("v", 0, 0)),
            ("M83", |b| _ = b.var("v", 2, 1)),
        ]);
    }

    #[test]
    fn data_sections() {
        expect(&[
            ("M90", |b| _ = b.datasec(".d", 0, &[])),
            ("M91", |b| {
                let n = b.name(".d");
                b.raw(n, Kind::Datasec, 0, true, 4, &[]);
            }),
            ("M92", |b| _ = b.datasec("", 4, &[])),
            ("M92", |b| _ = b.datasec("a\tb", 4, &[])),
        ]);
        assert_eq!(broken(|b| _ = b.datasec("? any", 4, &[])), []);
        assert_eq!(broken_by(KernelVersion(6, 1), |b| _ = b.datasec("? any", 4, &[])), [("M92", None)]);
        let entries = |size, entries: &[(u32, u32, u32)]| {
            broken(|b| {
                b.var("v", 0, 1);
                b.datasec(".d", size, entries);
            })
        };
        assert_eq!(entries(8, &[(2, 0, 4), (0, 4, 4)]), element("M93", 1));
        assert_eq!(entries(16, &[(2, 8, 4), (2, 0, 4)]), element("M94", 1));
        assert_eq!(entries(8, &[(2, 0, 4), (2, 4, 0)]), element("M95", 1));
        assert_eq!(entries(8, &[(2, 6, 4)]), element("M96", 0));
        assert_eq!(entries(8, &[(2, 0, 8), (2, 0, 8)]), [("M94", Some(1)), ("M97", None)]);
    }

    #[test]
    fn floats_and_tags() {
        expect(&[
            ("M100", |b| _ = b.raw(0, Kind::Float, 1, false, 4, &[])),
            ("M100", |b| _ = b.raw(0, Kind::Float, 0, true, 4, &[])),
            ("M101", |b| _ = b.float("float", 6)),
            ("M110", |b| {
                let v = b.var("v", 0, 1);
                b.decl_tag("", v, -1);
            }),
            ("M111", |b| {
                let (v, n) = (b.var("v", 0, 1), b.name("t"));
                b.raw(n, Kind::DeclTag, 1, false, v, &[u32::MAX]);
            }),
            ("M113", |b| {
                let v = b.var("v", 0, 1);
                b.decl_tag("t", v, -2);
            }),
        ]);
        let attribute = |b: &mut Blob| {
            let (v, n) = (b.var("v", 0, 1), b.name("t"));
            b.raw(n, Kind::DeclTag, 0, true, v, &[u32::MAX]);
        };
        assert_eq!(broken_by(KernelVersion(6, 15), attribute), []);
        assert_eq!(broken_by(KernelVersion(6, 14), attribute), [("M112", None)]);
    }
}
