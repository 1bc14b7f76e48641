//! Test support: BTF written record by record, right or wrong.
//!
//! [`Blob`] writes what it is told without looking at it, so that a test can build any damage. It is independent of
//! the graph and the writer on purpose: it also serves to test these.

use crate::header::{Endian, HEADER_BYTES, MAGIC, VERSION};
use crate::kind::{Info, Kind};
use crate::view::{BtfView, IntData};

/// A BTF under construction.
#[derive(Clone)]
pub struct Blob {
    pub endian: Endian,
    pub types: Vec<u8>,
    pub strings: Vec<u8>,
    str_start: u32,
    next_id: u32,
}

impl Blob {
    /// An empty little-endian BTF that stands alone.
    pub fn new() -> Blob {
        Blob::with_endian(Endian::Little)
    }

    /// An empty BTF that stands alone.
    pub fn with_endian(endian: Endian) -> Blob {
        Blob { endian, types: Vec::new(), strings: vec![0], str_start: 0, next_id: 1 }
    }

    /// An empty split BTF.
    pub fn on(base: &BtfView<'_>) -> Blob {
        let (str_start, next_id) = (base.str_end().0, base.end_id().0);
        Blob { endian: base.endian(), types: Vec::new(), strings: Vec::new(), str_start, next_id }
    }

    /// The id of the type that comes next.
    pub fn next_id(&self) -> u32 {
        self.next_id
    }

    /// Offset of a string that is added; 0 for the empty one.
    pub fn name(&mut self, name: impl AsRef<[u8]>) -> u32 {
        let name = name.as_ref();
        if name.is_empty() {
            return 0;
        }
        let offset = self.str_start + self.strings.len() as u32;
        self.strings.extend_from_slice(name);
        self.strings.push(0);
        offset
    }

    /// Appends any words to the type section.
    pub fn words(&mut self, words: &[u32]) {
        for &word in words {
            self.endian.push_u32(&mut self.types, word);
        }
    }

    /// A record of any shape; the trailer is taken as it is. Returns the id, as all that follow do.
    pub fn raw(&mut self, name_off: u32, kind: Kind, vlen: u32, kflag: bool, word: u32, trailer: &[u32]) -> u32 {
        self.words(&[name_off, Info::to_word(kind, vlen, kflag), word]);
        self.words(trailer);
        self.next_id += 1;
        self.next_id - 1
    }

    /// A record with vlen 0, no kflag and a name that may be empty.
    pub fn plain(&mut self, kind: Kind, name: &str, word: u32, trailer: &[u32]) -> u32 {
        let name = self.name(name);
        self.raw(name, kind, 0, false, word, trailer)
    }

    pub fn int(&mut self, name: &str, byte_size: u32) -> u32 {
        self.plain(Kind::Int, name, byte_size, &[IntData::new(IntData::SIGNED, 0, byte_size * 8).0])
    }

    pub fn float(&mut self, name: &str, byte_size: u32) -> u32 {
        self.plain(Kind::Float, name, byte_size, &[])
    }

    pub fn ptr(&mut self, target: u32) -> u32 {
        self.plain(Kind::Ptr, "", target, &[])
    }

    pub fn konst(&mut self, target: u32) -> u32 {
        self.plain(Kind::Const, "", target, &[])
    }

    pub fn typedef(&mut self, name: &str, target: u32) -> u32 {
        self.plain(Kind::Typedef, name, target, &[])
    }

    pub fn type_tag(&mut self, name: &str, target: u32) -> u32 {
        self.plain(Kind::TypeTag, name, target, &[])
    }

    pub fn array(&mut self, elem: u32, index: u32, nelems: u32) -> u32 {
        self.plain(Kind::Array, "", 0, &[elem, index, nelems])
    }

    /// STRUCT or UNION, with members (name, type, offset word).
    pub fn composite(
        &mut self,
        kind: Kind,
        name: &str,
        kflag: bool,
        byte_size: u32,
        members: &[(&str, u32, u32)],
    ) -> u32 {
        let name = self.name(name);
        let mut trailer = Vec::new();
        for &(name, ty, offset) in members {
            trailer.extend_from_slice(&[self.name(name), ty, offset]);
        }
        self.raw(name, kind, members.len() as u32, kflag, byte_size, &trailer)
    }

    /// STRUCT without bit-fields, with members (name, type, bit offset).
    pub fn structure(&mut self, name: &str, byte_size: u32, members: &[(&str, u32, u32)]) -> u32 {
        self.composite(Kind::Struct, name, false, byte_size, members)
    }

    /// Signed or unsigned ENUM of 4 bytes.
    pub fn enumeration(&mut self, name: &str, signed: bool, values: &[(&str, i32)]) -> u32 {
        let name = self.name(name);
        let mut trailer = Vec::new();
        for &(name, value) in values {
            trailer.extend_from_slice(&[self.name(name), value as u32]);
        }
        self.raw(name, Kind::Enum, values.len() as u32, signed, 4, &trailer)
    }

    /// Signed or unsigned ENUM64 of 8 bytes.
    pub fn enumeration64(&mut self, name: &str, signed: bool, values: &[(&str, i64)]) -> u32 {
        let name = self.name(name);
        let mut trailer = Vec::new();
        for &(name, value) in values {
            trailer.extend_from_slice(&[self.name(name), value as u32, (value >> 32) as u32]);
        }
        self.raw(name, Kind::Enum64, values.len() as u32, signed, 8, &trailer)
    }

    pub fn fwd(&mut self, name: &str, union: bool) -> u32 {
        let name = self.name(name);
        self.raw(name, Kind::Fwd, 0, union, 0, &[])
    }

    /// FUNC_PROTO with parameters (name, type).
    pub fn proto(&mut self, ret: u32, params: &[(&str, u32)]) -> u32 {
        let mut trailer = Vec::new();
        for &(name, ty) in params {
            trailer.extend_from_slice(&[self.name(name), ty]);
        }
        self.raw(0, Kind::FuncProto, params.len() as u32, false, ret, &trailer)
    }

    pub fn func(&mut self, name: &str, linkage: u32, proto: u32) -> u32 {
        let name = self.name(name);
        self.raw(name, Kind::Func, linkage, false, proto, &[])
    }

    pub fn var(&mut self, name: &str, linkage: u32, ty: u32) -> u32 {
        self.plain(Kind::Var, name, ty, &[linkage])
    }

    /// DATASEC with entries (variable, byte offset, byte size).
    pub fn datasec(&mut self, name: &str, byte_size: u32, vars: &[(u32, u32, u32)]) -> u32 {
        let name = self.name(name);
        let trailer: Vec<u32> = vars.iter().flat_map(|&(id, offset, size)| [id, offset, size]).collect();
        self.raw(name, Kind::Datasec, vars.len() as u32, false, byte_size, &trailer)
    }

    pub fn decl_tag(&mut self, name: &str, target: u32, component: i32) -> u32 {
        self.plain(Kind::DeclTag, name, target, &[component as u32])
    }

    /// The finished BTF: a header of 24 bytes, types, strings.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_laid_out(&[0, self.types.len() as u32, self.types.len() as u32, self.strings.len() as u32])
    }

    /// The finished BTF with these words in the header after its length: type_off, type_len, str_off, str_len and so on.
    pub fn bytes_laid_out(&self, header: &[u32]) -> Vec<u8> {
        let mut out = Vec::new();
        self.endian.push_u16(&mut out, MAGIC);
        out.extend_from_slice(&[VERSION, 0]);
        self.endian.push_u32(&mut out, (HEADER_BYTES - 16 + 4 * header.len()) as u32);
        for &word in header {
            self.endian.push_u32(&mut out, word);
        }
        out.extend_from_slice(&self.types);
        out.extend_from_slice(&self.strings);
        out
    }
}

/// A little of every kind, valid at every level and for every kernel since 6.0.
pub fn every_kind(endian: Endian) -> Blob {
    let mut b = Blob::with_endian(endian);
    let int = b.int("int", 4);
    let long = b.int("long", 8);
    let ptr = b.ptr(int);
    let array = b.array(int, long, 3);
    b.composite(Kind::Union, "u", false, 4, &[("a", int, 0), ("b", int, 0)]);
    let s = b.structure("s", 24, &[("a", int, 0), ("", ptr, 64), ("c", array, 96)]);
    b.composite(Kind::Struct, "bits", true, 16, &[("x", int, 3 << 24), ("y", int, 29 << 24 | 3), ("p", ptr, 64)]);
    b.enumeration("e", false, &[("A", 1), ("B", -1)]);
    b.enumeration("", true, &[("C", 1), ("D", -1)]);
    b.enumeration64("e64", false, &[("E", 1), ("F", -1)]);
    b.enumeration64("es64", true, &[("G", i64::MIN), ("H", -1)]);
    b.fwd("f", false);
    b.fwd("g", true);
    let konst = b.konst(s);
    let tag = b.type_tag("user", konst);
    b.ptr(tag);
    b.plain(Kind::Volatile, "", konst, &[]);
    b.plain(Kind::Restrict, "", ptr, &[]);
    b.typedef("t", s);
    let proto = b.proto(int, &[("x", int), ("y", ptr), ("", 0)]);
    let func = b.func("f1", 1, proto);
    let var = b.var("v", 0, int);
    b.datasec(".data", 16, &[(var, 8, 4)]);
    b.float("double", 8);
    b.decl_tag("tag", func, 1);
    b.decl_tag("tag", var, -1);
    b
}

/// A type at random: its kind and name are of few, its references anything.
pub type RandomType = (u8, u8, u32, u32);

/// A BTF of these types in an order of them: whatever the order, it means the same.
pub fn build(types: &[RandomType], order: &[usize]) -> Vec<u8> {
    build_on(Blob::new(), types, order).bytes()
}

/// The same behind what is there; references lead to the new types and void.
pub fn build_on(mut b: Blob, types: &[RandomType], order: &[usize]) -> Blob {
    let first = b.next_id();
    let mut ids = vec![0; types.len()];
    order.iter().zip(first..).for_each(|(&at, id)| ids[at] = id);
    let id = |reference: u32| match reference as usize % (types.len() + 1) {
        0 => 0,
        at => ids[at - 1],
    };
    for &at in order {
        let (kind, name, x, y) = types[at];
        let name = ["a", "b", "c"][usize::from(name % 3)];
        _ = match kind % 12 {
            0 => b.ptr(id(x)),
            1 => b.konst(id(x)),
            2 => b.typedef(name, id(x)),
            3 | 4 => b.structure(name, 16, &[("x", id(x), 0), ("y", id(y), 64)]),
            5 => b.structure("", 16, &[("x", id(x), 0), ("y", id(y), 64)]),
            6 => b.proto(id(x), &[(name, id(y))]),
            7 => b.fwd(name, false),
            8 => b.func(name, x % 2, id(y)),
            9 => b.decl_tag(name, id(x), -1),
            10 => b.enumeration(if x % 2 == 0 { "" } else { name }, false, &[("A", (y % 2) as i32)]),
            _ => b.int(name, 4),
        };
    }
    b
}
