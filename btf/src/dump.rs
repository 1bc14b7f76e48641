//! BTF as text, byte for byte what `bpftool btf dump file F format raw` prints.
//!
//! One line per type, one indented line per member, value, parameter or data section entry. With a base only the split
//! BTF's own types are printed, as bpftool does with `-B`. Checked against bpftool 7.5 and 7.8, which print the same.
//!
//! Names are bytes and are written as they are, so the output is only text if they are.

use std::io::{self, Write};

use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::view::{BtfView, IntData, TypeView};

/// Bytes collected before they are handed to the writer; any size that makes calls rare does.
const CHUNK_BYTES: usize = 1 << 16;

/// Writes all own types of `view`. Only the writer can fail.
pub fn dump_raw(view: &BtfView<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + 4096);
    for (id, ty) in view.types() {
        write_type(view, id, ty, &mut chunk)?;
        if chunk.len() >= CHUNK_BYTES {
            out.write_all(&chunk)?;
            chunk.clear();
        }
    }
    out.write_all(&chunk)
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
        Kind::Ptr
        | Kind::Typedef
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::TypeTag => write!(out, " type_id={}", ty.size_or_type())?,
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

fn encoding_name(int: IntData) -> &'static str {
    match int.encoding() {
        0 => "(none)",
        IntData::SIGNED => "SIGNED",
        IntData::CHAR => "CHAR",
        IntData::BOOL => "BOOL",
        _ => "UNKN",
    }
}

fn linkage_name(ty: TypeView<'_>) -> &'static str {
    match ty.linkage() {
        Some(0) => "static",
        Some(1) => "global",
        Some(2) => "extern",
        _ => "(unknown)",
    }
}
