//! BTF as JSON: one object with an array of types, with the fields that `bpftool -j btf dump file F` has, in one line.
//!
//! Names are bytes; where they are not UTF-8 the replacement character stands. Checked against bpftool 7.8, equal after parsing.

use std::io::{self, Write};

use super::CHUNK_BYTES;
use super::raw::{encoding_name, linkage_name};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::view::{BtfView, TypeView};

/// Writes all own types of `view`, or these of it and its base. Only the writer can fail.
pub fn dump_json(view: &BtfView<'_>, chosen: Option<&[TypeId]>, out: &mut impl Write) -> io::Result<()> {
    let mut json = Json { view, text: Vec::with_capacity(CHUNK_BYTES + 4096) };
    json.text.extend_from_slice(b"{\"types\":[");
    let mut first = true;
    super::raw::each(view, chosen, |id, ty| {
        if !std::mem::take(&mut first) {
            json.text.push(b',');
        }
        json.object(id, ty);
        if json.text.len() >= CHUNK_BYTES {
            out.write_all(&json.text)?;
            json.text.clear();
        }
        Ok(())
    })?;
    json.text.extend_from_slice(b"]}\n");
    out.write_all(&json.text)
}

struct Json<'v, 'a> {
    view: &'v BtfView<'a>,
    text: Vec<u8>,
}

impl Json<'_, '_> {
    fn object(&mut self, id: TypeId, ty: TypeView<'_>) {
        let kind = ty.kind();
        self.text.push(b'{');
        self.number("id", id.0);
        self.word("kind", kind.name());
        self.name(ty.name_off());
        match kind {
            Kind::Int => {
                let int = ty.int_data().unwrap_or_default();
                self.number("size", ty.size_or_type());
                self.number("bits_offset", int.bit_offset());
                self.number("nr_bits", int.nr_bits());
                self.word("encoding", encoding_name(int));
            }
            Kind::Ptr | Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => {
                self.number("type_id", ty.size_or_type());
            }
            Kind::Array => {
                let a = ty.array().unwrap_or_default();
                self.number("type_id", a.elem);
                self.number("index_type_id", a.index);
                self.number("nr_elems", a.nelems);
            }
            Kind::Struct | Kind::Union => {
                self.number("size", ty.size_or_type());
                self.number("vlen", ty.vlen());
                self.list("members", ty.members(), |json, m| {
                    json.name(m.name_off);
                    json.number("type_id", m.type_id);
                    json.number("bits_offset", m.bit_offset(ty.kflag()));
                    let bits = m.bit_size(ty.kflag());
                    if bits != 0 {
                        json.number("bitfield_size", bits);
                    }
                });
            }
            Kind::Enum | Kind::Enum64 => {
                self.word("encoding", if ty.kflag() { "SIGNED" } else { "UNSIGNED" });
                self.number("size", ty.size_or_type());
                self.number("vlen", ty.vlen());
                self.list("values", ty.enumerators(), |json, e| {
                    json.name(e.name_off);
                    match (kind == Kind::Enum64, ty.kflag()) {
                        (_, true) => json.number("val", e.value),
                        (true, false) => json.number("val", e.value as u64),
                        // bpftool takes the 32 bits as signed before it makes an unsigned number of 64 bits of them.
                        (false, false) => json.number("val", i64::from(e.lo as i32) as u64),
                    }
                });
            }
            Kind::Fwd => self.word("fwd_kind", if ty.kflag() { "union" } else { "struct" }),
            Kind::Func | Kind::Var => {
                self.number("type_id", ty.size_or_type());
                self.word("linkage", linkage_name(ty));
            }
            Kind::FuncProto => {
                self.number("ret_type_id", ty.size_or_type());
                self.number("vlen", ty.vlen());
                self.list("params", ty.params(), |json, p| {
                    json.name(p.name_off);
                    json.number("type_id", p.type_id);
                });
            }
            Kind::Datasec => {
                self.number("size", ty.size_or_type());
                self.number("vlen", ty.vlen());
                self.list("vars", ty.vars(), |json, v| {
                    json.number("type_id", v.type_id);
                    json.number("offset", v.byte_offset);
                    json.number("size", v.byte_size);
                });
            }
            Kind::Float => self.number("size", ty.size_or_type()),
            Kind::DeclTag => {
                self.number("type_id", ty.size_or_type());
                self.number("component_idx", ty.component_index().unwrap_or(-1));
            }
        }
        self.text.push(b'}');
    }

    fn list<T>(&mut self, field: &str, elements: impl Iterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.field(field);
        self.text.push(b'[');
        for (n, element) in elements.enumerate() {
            self.text.extend_from_slice(if n == 0 { b"{" } else { b",{" });
            write(self, element);
            self.text.push(b'}');
        }
        self.text.push(b']');
    }

    fn field(&mut self, name: &str) {
        if self.text.last() != Some(&b'{') {
            self.text.push(b',');
        }
        self.text.push(b'"');
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
    }

    fn number(&mut self, field: &str, number: impl std::fmt::Display) {
        self.field(field);
        _ = write!(self.text, "{number}");
    }

    fn word(&mut self, field: &str, word: &str) {
        self.field(field);
        self.string(word);
    }

    fn name(&mut self, offset: StrOff) {
        let name = match (offset, self.view.string(offset)) {
            (StrOff::EMPTY, _) => b"(anon)",
            (_, None) => &b"(invalid)"[..],
            (_, Some(name)) => name,
        };
        self.word("name", &String::from_utf8_lossy(name));
    }

    fn string(&mut self, text: &str) {
        self.text.push(b'"');
        for &byte in text.as_bytes() {
            match byte {
                b'"' | b'\\' => self.text.extend_from_slice(&[b'\\', byte]),
                0..=0x1f => _ = write!(self.text, "\\u{byte:04x}"),
                _ => self.text.push(byte),
            }
        }
        self.text.push(b'"');
    }
}
