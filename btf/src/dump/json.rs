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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Endian;
    use crate::testing::{Blob, every_kind};

    fn json(blob: &Blob, chosen: Option<&[TypeId]>) -> String {
        let data = blob.bytes();
        let mut out = Vec::new();
        dump_json(&BtfView::parse(&data).unwrap(), chosen, &mut out).unwrap();
        String::from_utf8(out).unwrap().replace("},{\"id\"", "},\n{\"id\"")
    }

    /// What bpftool 7.8 prints for `every_kind`.
    const EVERY_KIND: &str = r#"{"types":[{"id":1,"kind":"INT","name":"int","size":4,"bits_offset":0,"nr_bits":32,"encoding":"SIGNED"},
{"id":2,"kind":"INT","name":"long","size":8,"bits_offset":0,"nr_bits":64,"encoding":"SIGNED"},
{"id":3,"kind":"PTR","name":"(anon)","type_id":1},
{"id":4,"kind":"ARRAY","name":"(anon)","type_id":1,"index_type_id":2,"nr_elems":3},
{"id":5,"kind":"UNION","name":"u","size":4,"vlen":2,"members":[{"name":"a","type_id":1,"bits_offset":0},{"name":"b","type_id":1,"bits_offset":0}]},
{"id":6,"kind":"STRUCT","name":"s","size":24,"vlen":3,"members":[{"name":"a","type_id":1,"bits_offset":0},{"name":"(anon)","type_id":3,"bits_offset":64},{"name":"c","type_id":4,"bits_offset":96}]},
{"id":7,"kind":"STRUCT","name":"bits","size":16,"vlen":3,"members":[{"name":"x","type_id":1,"bits_offset":0,"bitfield_size":3},{"name":"y","type_id":1,"bits_offset":3,"bitfield_size":29},{"name":"p","type_id":3,"bits_offset":64}]},
{"id":8,"kind":"ENUM","name":"e","encoding":"UNSIGNED","size":4,"vlen":2,"values":[{"name":"A","val":1},{"name":"B","val":18446744073709551615}]},
{"id":9,"kind":"ENUM","name":"(anon)","encoding":"SIGNED","size":4,"vlen":2,"values":[{"name":"C","val":1},{"name":"D","val":-1}]},
{"id":10,"kind":"ENUM64","name":"e64","encoding":"UNSIGNED","size":8,"vlen":2,"values":[{"name":"E","val":1},{"name":"F","val":18446744073709551615}]},
{"id":11,"kind":"ENUM64","name":"es64","encoding":"SIGNED","size":8,"vlen":2,"values":[{"name":"G","val":-9223372036854775808},{"name":"H","val":-1}]},
{"id":12,"kind":"FWD","name":"f","fwd_kind":"struct"},
{"id":13,"kind":"FWD","name":"g","fwd_kind":"union"},
{"id":14,"kind":"CONST","name":"(anon)","type_id":6},
{"id":15,"kind":"TYPE_TAG","name":"user","type_id":14},
{"id":16,"kind":"PTR","name":"(anon)","type_id":15},
{"id":17,"kind":"VOLATILE","name":"(anon)","type_id":14},
{"id":18,"kind":"RESTRICT","name":"(anon)","type_id":3},
{"id":19,"kind":"TYPEDEF","name":"t","type_id":6},
{"id":20,"kind":"FUNC_PROTO","name":"(anon)","ret_type_id":1,"vlen":3,"params":[{"name":"x","type_id":1},{"name":"y","type_id":3},{"name":"(anon)","type_id":0}]},
{"id":21,"kind":"FUNC","name":"f1","type_id":20,"linkage":"global"},
{"id":22,"kind":"VAR","name":"v","type_id":1,"linkage":"static"},
{"id":23,"kind":"DATASEC","name":".data","size":16,"vlen":1,"vars":[{"type_id":22,"offset":8,"size":4}]},
{"id":24,"kind":"FLOAT","name":"double","size":8},
{"id":25,"kind":"DECL_TAG","name":"tag","type_id":21,"component_idx":1},
{"id":26,"kind":"DECL_TAG","name":"tag","type_id":22,"component_idx":-1}]}
"#;

    #[test]
    fn has_what_bpftool_has() {
        for endian in [Endian::Little, Endian::Big] {
            assert_eq!(json(&every_kind(endian), None), EVERY_KIND);
        }
    }

    #[test]
    fn is_text_whatever_the_names() {
        let mut b = Blob::new();
        let name = b.name(b"a\"\\\n\xff");
        b.raw(name, Kind::Float, 0, false, 4, &[]);
        b.raw(999, Kind::Ptr, 0, false, 7, &[]);
        let expected = "{\"types\":[{\"id\":1,\"kind\":\"FLOAT\",\"name\":\"a\\\"\\\\\\u000a\u{fffd}\",\"size\":4},\n\
            {\"id\":2,\"kind\":\"PTR\",\"name\":\"(invalid)\",\"type_id\":7}]}\n";
        assert_eq!(json(&b, None), expected);
        assert_eq!(json(&b, Some(&[TypeId(9)])), "{\"types\":[]}\n");
    }
}
