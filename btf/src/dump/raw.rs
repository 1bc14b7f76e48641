//! BTF as text, byte for byte what `bpftool btf dump file F format raw` prints.
//!
//! One line per type, one indented line per member, value, parameter or data section entry. With a base only the split
//! BTF's own types are printed, as bpftool does with `-B`. Checked against bpftool 7.5 and 7.8, which print the same.
//!
//! Names are bytes and are written as they are, so the output is only text if they are.

use std::io::{self, Write};

use super::CHUNK_BYTES;
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::view::{BtfView, IntData, TypeView};

/// Writes all own types of `view`. Only the writer can fail.
pub fn dump_raw(view: &BtfView<'_>, out: &mut impl Write) -> io::Result<()> {
    dump_raw_of(view, None, out)
}

/// Writes all own types of `view`, or these of it and its base. Only the writer can fail.
pub fn dump_raw_of(view: &BtfView<'_>, chosen: Option<&[TypeId]>, out: &mut impl Write) -> io::Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + 4096);
    each(view, chosen, |id, ty| {
        write_type(view, id, ty, &mut chunk)?;
        if chunk.len() >= CHUNK_BYTES {
            out.write_all(&chunk)?;
            chunk.clear();
        }
        Ok(())
    })?;
    out.write_all(&chunk)
}

/// Calls `write` for the own types, or for these.
pub(super) fn each<'a>(
    view: &BtfView<'a>,
    chosen: Option<&[TypeId]>,
    mut write: impl FnMut(TypeId, TypeView<'a>) -> io::Result<()>,
) -> io::Result<()> {
    match chosen {
        None => view.types().try_for_each(|(id, ty)| write(id, ty)),
        Some(ids) => ids.iter().filter_map(|&id| Some((id, view.get(id)?))).try_for_each(|(id, ty)| write(id, ty)),
    }
}

/// The lines of one type of `view` or its base, as [`dump_raw`] writes them; None if there is no such type.
pub fn dump_type(view: &BtfView<'_>, id: TypeId) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write_type(view, id, view.get(id)?, &mut out).ok()?;
    Some(out)
}

fn write_type(view: &BtfView<'_>, id: TypeId, ty: TypeView<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    let kind = ty.kind();
    write!(out, "[{id}] {} ", kind.name())?;
    push_name(out, view, ty.name_off());
    match kind {
        Kind::Int => {
            let int = ty.int_data().unwrap_or_default();
            write!(
                out,
                " size={} bits_offset={} nr_bits={} encoding={}",
                ty.size_or_type(),
                int.bit_offset(),
                int.nr_bits(),
                encoding_name(int)
            )?;
        }
        Kind::Ptr | Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => {
            write!(out, " type_id={}", ty.size_or_type())?
        }
        Kind::Array => {
            let a = ty.array().unwrap_or_default();
            write!(out, " type_id={} index_type_id={} nr_elems={}", a.elem, a.index, a.nelems)?;
        }
        Kind::Struct | Kind::Union => {
            write!(out, " size={} vlen={}", ty.size_or_type(), ty.vlen())?;
            for m in ty.members() {
                out.extend_from_slice(b"\n\t");
                push_name(out, view, m.name_off);
                write!(out, " type_id={} bits_offset={}", m.type_id, m.bit_offset(ty.kflag()))?;
                let bits = m.bit_size(ty.kflag());
                if bits != 0 {
                    write!(out, " bitfield_size={bits}")?;
                }
            }
        }
        Kind::Enum | Kind::Enum64 => {
            let encoding = if ty.kflag() { "SIGNED" } else { "UNSIGNED" };
            write!(out, " encoding={encoding} size={} vlen={}", ty.size_or_type(), ty.vlen())?;
            for e in ty.enumerators() {
                out.extend_from_slice(b"\n\t");
                push_name(out, view, e.name_off);
                match (kind == Kind::Enum64, ty.kflag()) {
                    (true, true) => write!(out, " val={}LL", e.value)?,
                    (true, false) => write!(out, " val={}ULL", e.value as u64)?,
                    (false, _) => write!(out, " val={}", e.value)?,
                }
            }
        }
        Kind::Fwd => write!(out, " fwd_kind={}", if ty.kflag() { "union" } else { "struct" })?,
        Kind::Func => {
            write!(out, " type_id={} linkage={}", ty.size_or_type(), linkage_name(ty))?;
        }
        Kind::FuncProto => {
            write!(out, " ret_type_id={} vlen={}", ty.size_or_type(), ty.vlen())?;
            for p in ty.params() {
                out.extend_from_slice(b"\n\t");
                push_name(out, view, p.name_off);
                write!(out, " type_id={}", p.type_id)?;
            }
        }
        Kind::Var => write!(out, " type_id={}, linkage={}", ty.size_or_type(), linkage_name(ty))?,
        Kind::Datasec => {
            write!(out, " size={} vlen={}", ty.size_or_type(), ty.vlen())?;
            for v in ty.vars() {
                let (id, target) = (v.type_id, view.get(v.type_id));
                write!(out, "\n\ttype_id={id} offset={} size={}", v.byte_offset, v.byte_size)?;
                // bpftool knows void (id 0) as a type without a kind, and leaves an id that does not exist alone.
                if target.is_some() || id == TypeId::VOID {
                    write!(out, " ({} ", target.map_or("UNKNOWN", |t| t.kind().name()))?;
                    push_name(out, view, target.map_or(StrOff::EMPTY, TypeView::name_off));
                    out.push(b')');
                }
            }
        }
        Kind::Float => write!(out, " size={}", ty.size_or_type())?,
        Kind::DeclTag => {
            let component = ty.component_index().unwrap_or(-1);
            write!(out, " type_id={} component_idx={component}", ty.size_or_type())?;
        }
    }
    out.push(b'\n');
    Ok(())
}

fn push_name(out: &mut Vec<u8>, view: &BtfView<'_>, offset: StrOff) {
    match (offset, view.string(offset)) {
        (StrOff::EMPTY, _) => out.extend_from_slice(b"'(anon)'"),
        (_, None) => out.extend_from_slice(b"'(invalid)'"),
        (_, Some(name)) => {
            out.push(b'\'');
            out.extend_from_slice(name);
            out.push(b'\'');
        }
    }
}

pub(super) fn encoding_name(int: IntData) -> &'static str {
    match int.encoding() {
        0 => "(none)",
        IntData::SIGNED => "SIGNED",
        IntData::CHAR => "CHAR",
        IntData::BOOL => "BOOL",
        _ => "UNKN",
    }
}

pub(super) fn linkage_name(ty: TypeView<'_>) -> &'static str {
    match ty.linkage() {
        Some(0) => "static",
        Some(1) => "global",
        Some(2) => "extern",
        _ => "(unknown)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Endian;
    use crate::testing::{Blob, every_kind};

    fn text(view: &BtfView<'_>) -> String {
        let mut out = Vec::new();
        dump_raw(view, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// What bpftool 7.8 prints for `every_kind`.
    const EVERY_KIND: &str = "\
[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] INT 'long' size=8 bits_offset=0 nr_bits=64 encoding=SIGNED
[3] PTR '(anon)' type_id=1
[4] ARRAY '(anon)' type_id=1 index_type_id=2 nr_elems=3
[5] UNION 'u' size=4 vlen=2
\t'a' type_id=1 bits_offset=0
\t'b' type_id=1 bits_offset=0
[6] STRUCT 's' size=24 vlen=3
\t'a' type_id=1 bits_offset=0
\t'(anon)' type_id=3 bits_offset=64
\t'c' type_id=4 bits_offset=96
[7] STRUCT 'bits' size=16 vlen=3
\t'x' type_id=1 bits_offset=0 bitfield_size=3
\t'y' type_id=1 bits_offset=3 bitfield_size=29
\t'p' type_id=3 bits_offset=64
[8] ENUM 'e' encoding=UNSIGNED size=4 vlen=2
\t'A' val=1
\t'B' val=4294967295
[9] ENUM '(anon)' encoding=SIGNED size=4 vlen=2
\t'C' val=1
\t'D' val=-1
[10] ENUM64 'e64' encoding=UNSIGNED size=8 vlen=2
\t'E' val=1ULL
\t'F' val=18446744073709551615ULL
[11] ENUM64 'es64' encoding=SIGNED size=8 vlen=2
\t'G' val=-9223372036854775808LL
\t'H' val=-1LL
[12] FWD 'f' fwd_kind=struct
[13] FWD 'g' fwd_kind=union
[14] CONST '(anon)' type_id=6
[15] TYPE_TAG 'user' type_id=14
[16] PTR '(anon)' type_id=15
[17] VOLATILE '(anon)' type_id=14
[18] RESTRICT '(anon)' type_id=3
[19] TYPEDEF 't' type_id=6
[20] FUNC_PROTO '(anon)' ret_type_id=1 vlen=3
\t'x' type_id=1
\t'y' type_id=3
\t'(anon)' type_id=0
[21] FUNC 'f1' type_id=20 linkage=global
[22] VAR 'v' type_id=1, linkage=static
[23] DATASEC '.data' size=16 vlen=1
\ttype_id=22 offset=8 size=4 (VAR 'v')
[24] FLOAT 'double' size=8
[25] DECL_TAG 'tag' type_id=21 component_idx=1
[26] DECL_TAG 'tag' type_id=22 component_idx=-1
";

    #[test]
    fn prints_what_bpftool_prints() {
        for endian in [Endian::Little, Endian::Big] {
            let data = every_kind(endian).bytes();
            assert_eq!(text(&BtfView::parse(&data).unwrap()), EVERY_KIND);
        }
    }

    #[test]
    fn odd_values_are_printed_as_bpftool_does() {
        let mut b = Blob::new();
        let int = b.plain(Kind::Int, "i", 4, &[IntData::new(3, 1, 31).0]);
        b.var("v", 3, int);
        b.datasec(".d", 8, &[(0, 0, u32::MAX), (int, 4, 4)]);
        b.func("f", 7, 0);
        b.raw(b.strings.len() as u32 - 1, Kind::Typedef, 0, false, 0, &[]);
        let data = b.bytes();
        let expected = "\
[1] INT 'i' size=4 bits_offset=1 nr_bits=31 encoding=UNKN
[2] VAR 'v' type_id=1, linkage=(unknown)
[3] DATASEC '.d' size=8 vlen=2
\ttype_id=0 offset=0 size=4294967295 (UNKNOWN '(anon)')
\ttype_id=1 offset=4 size=4 (INT 'i')
[4] FUNC 'f' type_id=0 linkage=(unknown)
[5] TYPEDEF '' type_id=0
";
        assert_eq!(text(&BtfView::parse(&data).unwrap()), expected);
    }

    #[test]
    fn of_a_split_only_the_own_types_are_printed() {
        let mut b = Blob::new();
        let int = b.int("int", 4);
        let base_data = b.bytes();
        let base = BtfView::parse(&base_data).unwrap();
        let mut b = Blob::on(&base);
        let own = b.typedef("t", int);
        let data = b.bytes();
        let view = BtfView::parse_split(&data, &base).unwrap();
        assert_eq!(text(&view), "[2] TYPEDEF 't' type_id=1\n");
        assert_eq!(dump_type(&view, TypeId(own)).unwrap(), text(&view).as_bytes());
        assert!(dump_type(&view, TypeId(int)).unwrap().starts_with(b"[1] INT 'int'"));
        assert_eq!(dump_type(&view, TypeId(3)), None);
    }

    #[test]
    fn names_and_ids_that_lead_nowhere_are_told() {
        let mut b = Blob::new();
        b.raw(999, Kind::Ptr, 0, false, 77, &[]);
        b.datasec(".d", 8, &[(99, 0, 4)]);
        let data = b.bytes();
        let expected = "[1] PTR '(invalid)' type_id=77\n[2] DATASEC '.d' size=8 vlen=1\n\ttype_id=99 offset=0 size=4\n";
        assert_eq!(text(&BtfView::parse(&data).unwrap()), expected);
    }
}
