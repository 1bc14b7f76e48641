//! The last thing that each rule allows: what would break it with one bit, byte or link more.

use super::aimed::{coin, get, holder, in_a_row, lengthen_header, proto, set, structs_in_a_row, var};
use super::kind::{
    ARRAY, CONST, DATASEC, DECL_TAG, ENUM, ENUM64, FLOAT, FUNC, FUNC_PROTO, FWD, INT, PTR, RESTRICT, STRUCT, TYPE_TAG,
    TYPEDEF, UNION, VAR, VOLATILE,
};
use super::{Change, Doc};

/// The rules, and changes that just keep them.
pub const ALLOWED: &[(&str, Change)] = &[
    ("H3", |d| {
        // Bytes that no kernel knows, all of them 0.
        d.finally = Some(|out, rng| {
            let longer = get(out, 4) as usize + *rng.pick(&[4, 8, 12, 40]);
            lengthen_header(out, longer);
        });
    }),
    ("H9", |d| {
        // Strings before the types, which a header of 32 bytes allows.
        d.layout = None;
        while d.strings.len() % 4 != 0 {
            d.strings.push(0);
        }
        d.finally = Some(|out, _| {
            let (types, strings) = (get(out, 12), get(out, 20));
            lengthen_header(out, 32);
            out[32..].rotate_left(types as usize);
            set(out, 8, strings);
            set(out, 16, 0);
        });
    }),
    ("L2", |d| d.layout = Some(vec![0; 4])),
    ("L2", |d| d.layout = Some(vec![0xff; 80])),
    ("S2", |d| d.strings.extend([0; 100])),
    ("M4", |d| {
        // The empty string at the end.
        let last = d.str_start + d.strings.len() as u32 - 1;
        d.raw(last, INT, 0, false, 4, &[32]);
    }),
    ("M10", |d| _ = d.plain(INT, "any text <T>: -", 4, &[32])),
    ("M13", |d| {
        let data = d.pick(&[128, 0x007f_0001, 0x0100_0080, 0]);
        d.raw(0, INT, 0, false, 16, &[data]);
    }),
    ("M14", |d| {
        let data = d.pick(&[32, 0x0010_0010, 0x001f_0001]);
        d.raw(0, INT, 0, false, 4, &[data]);
    }),
    ("M15", |d| {
        let encoding = d.pick(&[0, 1, 2, 4]);
        d.raw(0, INT, 0, false, 4, &[encoding << 24 | 32]);
    }),
    ("M21", |d| {
        let name = d.name("any text");
        d.raw(name, TYPE_TAG, 0, true, 0, &[]);
    }),
    ("M23", |d| {
        let name = match d.rng.below(4) {
            0 => d.name("x".repeat(512)),
            1 => d.name(".a.0_"),
            // Latin-1 letters.
            2 => d.name(b"caf\xe9"),
            _ => d.name(b"\xff\xc0"),
        };
        d.raw(name, TYPEDEF, 0, false, 0, &[]);
    }),
    ("M24", |d| _ = d.plain(TYPE_TAG, "\t", 0, &[])),
    ("M25", |d| {
        let kind = d.pick(&[PTR, CONST, VOLATILE, RESTRICT]);
        d.raw(0, kind, 0, false, 0, &[]);
    }),
    ("M32", |d| {
        let (name, kflag) = (d.name("mutant_fwd"), coin(d));
        d.raw(name, FWD, 0, kflag, 0, &[]);
    }),
    ("M50", |d| {
        let kind = d.pick(&[STRUCT, UNION]);
        d.raw(0, kind, 0, false, 0, &[]);
    }),
    ("M56", |d| {
        // A member at the end, which has no size.
        let int = d.int();
        let none = d.raw(0, ARRAY, 0, false, 0, &[int, int, 0]);
        d.raw(0, STRUCT, 2, false, 4, &[0, int, 0, 0, none, 32]);
    }),
    ("M60", |d| {
        let (kind, size) = (d.pick(&[ENUM, ENUM64]), d.pick(&[1, 2, 4, 8]));
        d.raw(0, kind, 0, true, size, &[]);
    }),
    ("M73", |d| {
        let (proto, name, linkage) = (proto(d, &[]), d.name("mutant_func"), d.pick(&[0, 1]));
        d.raw(name, FUNC, linkage, false, proto, &[]);
    }),
    ("M83", |d| {
        let (int, linkage) = (d.int(), d.pick(&[0, 1]));
        d.plain(VAR, "mutant_var", int, &[linkage]);
    }),
    ("M92", |d| {
        let name = match d.rng.below(3) {
            0 => d.name("? any <text>"),
            1 => d.name("s".repeat(512)),
            _ => d.name(b"\xa0\xd7\xf7"),
        };
        d.raw(name, DATASEC, 0, false, 4, &[]);
    }),
    ("M96", |d| {
        let var = var(d);
        d.list(DATASEC, ".mutant", false, 8, &[&[var, 0, 4], &[var, 4, 4]]);
    }),
    ("M96", |d| {
        // An end that does not fit 32 bits.
        let (var, half) = (var(d), 0x8000_0000);
        d.list(DATASEC, ".mutant", false, u32::MAX, &[&[var, half, half]]);
    }),
    ("M101", |d| {
        let size = d.pick(&[2, 4, 8, 12, 16]);
        d.plain(FLOAT, "any text", size, &[]);
    }),
    ("M110", |d| {
        let var = var(d);
        let name = d.name("any text");
        let kflag = coin(d);
        d.raw(name, DECL_TAG, 0, kflag, var, &[u32::MAX]);
    }),
    ("C2", |d| in_a_row(d, CONST, 32)),
    ("R1", |d| in_a_row(d, PTR, 32)),
    ("R1", |d| structs_in_a_row(d, 32)),
    ("R2", |d| {
        // Through a pointer.
        let own = d.end_id();
        d.raw(0, PTR, 0, false, own + 1, &[]);
        d.raw(0, STRUCT, 1, false, 8, &[0, own, 0]);
    }),
    ("R2", |d| {
        let own = d.end_id();
        d.raw(0, STRUCT, 1, false, 8, &[0, own + 1, 0]);
        d.raw(0, PTR, 0, false, own, &[]);
    }),
    ("R4", |d| {
        let fwd = d.plain(FWD, "mutant_fwd", 0, &[]);
        let proto = proto(d, &[]);
        let target = d.pick(&[fwd, proto, 0]);
        d.raw(0, PTR, 0, false, target, &[]);
    }),
    ("R4", |d| {
        // To a function, directly: it is resolved on the way.
        let proto = proto(d, &[]);
        let func = d.plain(FUNC, "mutant_func", proto, &[]);
        let kind = d.pick(&[CONST, PTR]);
        d.raw(0, kind, 0, false, func, &[]);
    }),
    ("R4", |d| {
        // And a modifier, though no pointer, of one that comes later.
        let next = d.end_id() + 1;
        d.raw(0, CONST, 0, false, next, &[]);
        d.plain(FUNC, "mutant_func", next + 1, &[]);
        proto(d, &[]);
    }),
    ("R5", |d| {
        let ptr = d.raw(0, PTR, 0, false, 0, &[]);
        d.plain(VAR, "mutant_var", ptr, &[0]);
    }),
    ("R6", |d| {
        let int = d.int();
        let index = d.plain(TYPEDEF, "mutant_index", int, &[]);
        d.raw(0, ARRAY, 0, false, 0, &[int, index, 0]);
    }),
    ("R9", |d| {
        let int = d.int();
        d.raw(0, ARRAY, 0, false, 0, &[int, int, 0x3fff_ffff]);
    }),
    ("R12", |d| {
        let (int, kflag) = (d.int(), coin(d));
        holder(d, kflag, 8, int, 32);
    }),
    ("R12", |d| {
        // Bits of an odd INT up to the last one.
        let odd = d.raw(0, INT, 0, false, 4, &[3]);
        holder(d, false, 1, odd, 5);
    }),
    ("R15", |d| {
        let int = d.int();
        let bits = d.pick(&[1, 31, 32]);
        holder(d, true, 8, int, bits << 24 | 3);
    }),
    ("R15", |d| {
        let member = d.raw(0, ENUM, 0, false, 4, &[]);
        holder(d, true, 8, member, 32 << 24 | 7);
    }),
    ("R17", |d| {
        let wide = d.raw(0, INT, 0, false, 16, &[128]);
        holder(d, false, 17, wide, 8);
    }),
    ("R19", |d| {
        let float = d.plain(FLOAT, "mutant_float", 4, &[]);
        holder(d, false, 12, float, 32);
    }),
    ("R21", |d| {
        let (int, name) = (d.int(), d.name("named"));
        let proto = proto(d, &[&[name, int], &[0, 0]]);
        d.plain(FUNC, "mutant_func", proto, &[]);
    }),
    ("R22", |d| {
        let int = d.int();
        let ret = d.pick(&[0, int]);
        d.raw(0, FUNC_PROTO, 0, false, ret, &[]);
    }),
    ("R23", |d| _ = proto(d, &[&[0, 0]])),
    ("R24", |d| {
        let int = d.int();
        proto(d, &[&[0, int], &[0, int]]);
    }),
    ("R26", |d| {
        let var = var(d);
        d.list(DATASEC, ".mutant", false, 8, &[&[var, 0, 4], &[var, 4, 4]]);
    }),
    ("R26", |d| {
        // A variable that comes later is too large for its entry, and nobody looks.
        let (int, next) = (d.int(), d.end_id() + 1);
        d.list(DATASEC, ".mutant", false, 8, &[&[next, 0, 1]]);
        d.plain(VAR, "mutant_var", int, &[0]);
    }),
    ("R28", |d| {
        let int = d.int();
        let s = d.raw(0, UNION, 2, false, 4, &[0, int, 0, 0, int, 0]);
        let component = d.pick(&[u32::MAX, 0, 1]);
        d.plain(DECL_TAG, "mutant_tag", s, &[component]);
    }),
    ("R28", |d: &mut Doc| {
        let (int, name) = (d.int(), d.name("named"));
        let proto = proto(d, &[&[name, int]]);
        let func = d.plain(FUNC, "mutant_func", proto, &[]);
        d.plain(DECL_TAG, "mutant_tag", func, &[0]);
    }),
];
