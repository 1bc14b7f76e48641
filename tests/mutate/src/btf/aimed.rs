//! One rule broken each: by what is added to the blob, or by what its header says. Some take the place of rules that a kernel asks
//! later; which rule a kernel names depends on what it looks at (C2 is R1 or R2 for the BTF of a user).

use super::kind::{
    ARRAY, CONST, DATASEC, DECL_TAG, ENUM, ENUM64, FLOAT, FUNC, FUNC_PROTO, FWD, INT, PTR, RESTRICT, STRUCT, TYPE_TAG,
    TYPEDEF, UNION, VAR, VOLATILE,
};
use super::{Change, Doc, info};
use crate::rng::Rng;

/// An id beyond those that the kernel has room for.
const TOO_LARGE: u32 = 0x10_0000;
/// The data word of an INT with 24 bits.
const IRREGULAR: u32 = 24;
/// Names that are no identifiers.
const NO_IDENT: [&str; 6] = ["a b", "1a", "a-b", "a<b>", "$a", "\u{e9}t\u{e9}"];

/// The kernel's rules, and changes that break them; the header's first.
pub const AIMED: &[(&str, Change)] = &[
    ("H1", |d| d.finally = Some(|out, rng| out.truncate(1 + rng.below(7)))),
    ("H2", |d| d.finally = Some(|out, _| set(out, 4, 0x7fff_fff0))),
    ("H2", |d| d.finally = Some(|out, rng| out.truncate(8 + rng.below(16)))),
    ("H2", |d| d.finally = Some(|out, rng| set(out, 4, rng.below(8) as u32))),
    ("H3", |d| d.finally = Some(unknown_field)),
    ("H4", |d| d.finally = Some(|out, rng| out[rng.below(2)] ^= 1 << rng.below(8))),
    ("H5", |d| d.finally = Some(|out, rng| out[2] = *rng.pick(&[0, 2, 255]))),
    ("H6", |d| d.finally = Some(|out, rng| out[3] = 1 << rng.below(8))),
    ("H7", |d| {
        d.finally = Some(|out, _| {
            out.truncate(24);
            set(out, 4, 24);
        });
    }),
    ("H8", |d| {
        d.finally = Some(|out, _| {
            let end = out.len() as u32;
            set(out, 16, end);
        });
    }),
    ("H8", |d| d.finally = Some(|out, _| set(out, 8, u32::MAX - 3))),
    ("H9", |d| d.finally = Some(|out, rng| out.extend(vec![0; 1 + rng.below(8)]))),
    ("H9", |d| d.finally = Some(|out, _| change(out, 8, |offset| offset + 4))),
    ("H9", |d| {
        d.finally = Some(|out, _| {
            // A gap of 4 bytes before the strings.
            let at = out.len().min((get(out, 4) + get(out, 16)) as usize);
            out.splice(at..at, [0; 4]);
            change(out, 16, |offset| offset + 4);
        });
    }),
    ("H10", |d| {
        d.finally = Some(|out, _| {
            change(out, 16, |offset| offset.saturating_sub(4));
            change(out, 20, |len| len + 4);
        });
    }),
    ("H11", |d| d.finally = Some(|out, _| change(out, 20, |len| len.wrapping_add(1)))),
    ("H11", |d| d.finally = Some(|out, _| set(out, 20, u32::MAX))),
    ("S1", |d| {
        // Strings first, types behind them.
        d.layout = None;
        while d.strings.len() % 4 != 0 {
            d.strings.push(0);
        }
        d.finally = Some(|out, _| {
            let (types, strings) = (get(out, 12), get(out, 20));
            out[24..].rotate_left(types as usize);
            set(out, 8, strings);
            set(out, 16, 0);
        });
    }),
    ("S2", |d| d.strings.push(b'x')),
    ("S2", |d| d.strings.iter_mut().take(1).for_each(|first| *first = b'x')),
    ("S2", |d| d.strings.clear()),
    ("L1", |d| d.finally = Some(|out, _| layout_at(out, 2))),
    ("L1", |d| d.finally = Some(|out, _| layout_at(out, 1))),
    ("L2", |d| d.layout = Some(vec![0; 2])),
    ("L2", |d| d.layout = Some(vec![0; 6])),
    ("L2", |d| d.layout = Some(vec![0; 3])),
    ("R0a", |d| {
        // The types behind strings of an odd length, which a header of 32 bytes allows.
        d.layout = None;
        while d.strings.len() % 4 != 2 {
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
    ("R0b", |d| d.records.clear()),
    ("M1", |d| d.records.push(vec![0, info(INT, 0, false)])),
    ("M1", |d| d.records.push(vec![0, info(INT, 0, false), 4])),
    ("M1", |d| d.records.push(vec![0, info(ARRAY, 0, false), 0, 1, 1])),
    ("M1", |d| d.records.push(vec![0, info(STRUCT, 2, false), 0, 0, 1, 0])),
    ("M1", |d| d.records.push(vec![0, info(ENUM, 1, false), 4])),
    ("M1", |d| d.records.push(vec![0, info(ENUM64, 2, false), 8, 1, 1, 1])),
    ("M1", |d| d.records.push(vec![0, info(FUNC_PROTO, 0xff_ffff, false), 0])),
    ("M1", |d| d.records.push(vec![0, info(VAR, 0, false), 1])),
    ("M1", |d| d.records.push(vec![0, info(DATASEC, 0xffff, false), 4])),
    ("M1", |d| d.records.push(vec![0, info(DECL_TAG, 0, false), 1])),
    ("M2", |d| {
        let kind = d.pick(&[0, 20, 21, 31, 32, 64, 127]);
        d.raw(0, kind, 0, false, 0, &[]);
    }),
    ("M4", |d| {
        let beyond = d.str_start + d.strings.len() as u32;
        d.raw(beyond, PTR, 0, false, 0, &[]);
    }),
    ("M4", |d| {
        let name = d.pick(&[0x100_0000, u32::MAX, 0x8000_0000]);
        d.raw(name, INT, 0, false, 4, &[32]);
    }),
    ("M10", |d| _ = d.raw(0, INT, 1, false, 4, &[32])),
    ("M11", |d| _ = d.raw(0, INT, 0, true, 4, &[32])),
    ("M12", |d| {
        let bit = 28 + d.rng.below(4);
        d.raw(0, INT, 0, false, 4, &[1 << bit | 32]);
    }),
    ("M13", |d| {
        let data = d.pick(&[129, 0x0001_0080, 0x0080_0001, 0x00ff_00ff]);
        d.raw(0, INT, 0, false, 128, &[data]);
    }),
    ("M14", |d| {
        let data = d.pick(&[33, 0x0001_0020, 0x0020_0001]);
        d.raw(0, INT, 0, false, 4, &[data]);
    }),
    ("M15", |d| {
        let encoding = d.pick(&[3, 5, 6, 7, 8, 15]);
        d.raw(0, INT, 0, false, 4, &[encoding << 24 | 32]);
    }),
    ("M20", |d| {
        let kind = d.pick(&[PTR, CONST, VOLATILE, RESTRICT]);
        d.raw(0, kind, 1, false, 0, &[]);
    }),
    ("M20", |d| {
        let (name, kind) = (d.name("mutant_tag"), d.pick(&[TYPEDEF, TYPE_TAG]));
        d.raw(name, kind, 3, false, 0, &[]);
    }),
    ("M21", |d| {
        let kind = d.pick(&[PTR, CONST, VOLATILE, RESTRICT]);
        d.raw(0, kind, 0, true, 0, &[]);
    }),
    ("M21", |d| {
        let name = d.name("mutant_typedef");
        d.raw(name, TYPEDEF, 0, true, 0, &[]);
    }),
    ("M22", |d| {
        let (kind, target) = (d.pick(&[PTR, CONST, VOLATILE, RESTRICT]), d.pick(&[TOO_LARGE, u32::MAX]));
        d.raw(0, kind, 0, false, target, &[]);
    }),
    ("M23", |d| _ = d.raw(0, TYPEDEF, 0, false, 0, &[])),
    ("M23", |d| {
        let name = bad_name(d);
        d.raw(name, TYPEDEF, 0, false, 0, &[]);
    }),
    ("M24", |d| _ = d.raw(0, TYPE_TAG, 0, false, 0, &[])),
    ("M25", |d| {
        let (name, kind) = (d.name("named"), d.pick(&[PTR, CONST, VOLATILE, RESTRICT]));
        d.raw(name, kind, 0, false, 0, &[]);
    }),
    ("M30", |d| {
        let name = d.name("mutant_fwd");
        d.raw(name, FWD, 2, false, 0, &[]);
    }),
    ("M31", |d| _ = d.plain(FWD, "mutant_fwd", 1, &[])),
    ("M32", |d| _ = d.raw(0, FWD, 0, true, 0, &[])),
    ("M32", |d| {
        let name = bad_name(d);
        d.raw(name, FWD, 0, false, 0, &[]);
    }),
    ("M40", |d| {
        let int = d.int();
        d.plain(ARRAY, "named", 0, &[int, int, 1]);
    }),
    ("M41", |d| {
        let int = d.int();
        let (vlen, kflag, word) = d.pick(&[(1, false, 0), (0, true, 0), (0, false, 4)]);
        d.raw(0, ARRAY, vlen, kflag, word, &[int, int, 1]);
    }),
    ("M42", |d| {
        let (int, elem) = (d.int(), d.pick(&[0, TOO_LARGE]));
        d.raw(0, ARRAY, 0, false, 0, &[elem, int, 1]);
    }),
    ("M43", |d| {
        let (int, index) = (d.int(), d.pick(&[0, TOO_LARGE]));
        d.raw(0, ARRAY, 0, false, 0, &[int, index, 1]);
    }),
    ("M50", |d| {
        let (name, kind) = (bad_name(d), d.pick(&[STRUCT, UNION]));
        d.raw(name, kind, 0, false, 4, &[]);
    }),
    ("M51", |d| {
        let (int, beyond) = (d.int(), d.pick(&[0xff_fffe, u32::MAX]));
        d.raw(0, STRUCT, 1, false, 4, &[beyond, int, 0]);
    }),
    ("M52", |d| {
        let (int, name) = (d.int(), bad_name(d));
        d.raw(0, STRUCT, 2, false, 8, &[0, int, 0, name, int, 32]);
    }),
    ("M53", |d| {
        let (kind, target, name) = (d.pick(&[STRUCT, UNION]), d.pick(&[0, TOO_LARGE]), d.name("lost"));
        d.raw(0, kind, 1, false, 4, &[name, target, 0]);
    }),
    ("M54", |d| {
        let int = d.int();
        d.raw(0, UNION, 2, false, 8, &[0, int, 0, 0, int, 8]);
    }),
    ("M55", |d| {
        let int = d.int();
        d.raw(0, STRUCT, 2, false, 8, &[0, int, 32, 0, int, 0]);
    }),
    ("M56", |d| {
        let int = d.int();
        d.raw(0, STRUCT, 1, false, 4, &[0, int, 33]);
    }),
    ("M60", |d| {
        let (kind, size) = (d.pick(&[ENUM, ENUM64]), d.pick(&[0, 3, 5, 16]));
        d.raw(0, kind, 0, false, size, &[]);
    }),
    ("M61", |d| {
        let (name, kind) = (bad_name(d), d.pick(&[ENUM, ENUM64]));
        d.raw(name, kind, 0, false, 4, &[]);
    }),
    ("M62", |d| _ = d.raw(0, ENUM, 1, false, 4, &[0xff_fffe, 1])),
    ("M62", |d| _ = d.raw(0, ENUM64, 1, false, 8, &[0x100_0000, 1, 0])),
    ("M63", |d| _ = d.raw(0, ENUM, 1, false, 4, &[0, 1])),
    ("M63", |d| {
        let name = bad_name(d);
        d.raw(0, ENUM64, 1, false, 8, &[name, 1, 0]);
    }),
    ("M70", |d| _ = d.plain(FUNC_PROTO, "named", 0, &[])),
    ("M71", |d| _ = d.raw(0, FUNC_PROTO, 0, true, 0, &[])),
    ("M72", |d| {
        let (proto, name) = (proto(d, &[]), bad_name(d));
        d.raw(name, FUNC, 0, false, proto, &[]);
    }),
    ("M72", |d| {
        let proto = proto(d, &[]);
        d.raw(0, FUNC, 0, false, proto, &[]);
    }),
    ("M73", |d| {
        let (proto, name, linkage) = (proto(d, &[]), d.name("mutant_func"), d.pick(&[2, 3, 0xffff]));
        d.raw(name, FUNC, linkage, false, proto, &[]);
    }),
    ("M74", |d| {
        let (proto, name) = (proto(d, &[]), d.name("mutant_func"));
        d.raw(name, FUNC, 1, true, proto, &[]);
    }),
    ("M80", |d| {
        let (int, name, (vlen, kflag)) = (d.int(), d.name("mutant_var"), d.pick(&[(1, false), (0, true)]));
        d.raw(name, VAR, vlen, kflag, int, &[0]);
    }),
    ("M81", |d| {
        let (int, name) = (d.int(), bad_name(d));
        d.raw(name, VAR, 0, false, int, &[0]);
    }),
    ("M81", |d| {
        let int = d.int();
        d.raw(0, VAR, 0, false, int, &[0]);
    }),
    ("M82", |d| {
        let target = d.pick(&[0, TOO_LARGE]);
        d.plain(VAR, "mutant_var", target, &[0]);
    }),
    ("M83", |d| {
        let (int, linkage) = (d.int(), d.pick(&[2, 3, u32::MAX]));
        d.plain(VAR, "mutant_var", int, &[linkage]);
    }),
    ("M90", |d| _ = d.list(DATASEC, ".mutant", false, 0, &[])),
    ("M91", |d| _ = d.list(DATASEC, ".mutant", true, 4, &[])),
    ("M92", |d| _ = d.list(DATASEC, "", false, 4, &[])),
    ("M92", |d| {
        let name = match d.rng.below(4) {
            0 => d.name("a\tb"),
            1 => d.name(b"\x7f"),
            2 => d.name(b"a\x80b"),
            _ => d.name("s".repeat(513)),
        };
        d.raw(name, DATASEC, 0, false, 4, &[]);
    }),
    ("M93", |d| {
        let target = d.pick(&[0, TOO_LARGE]);
        d.list(DATASEC, ".mutant", false, 4, &[&[target, 0, 4]]);
    }),
    ("M94", |d| {
        let var = var(d);
        d.list(DATASEC, ".mutant", false, 8, &[&[var, 0, 4], &[var, 2, 4]]);
    }),
    ("M94", |d| {
        let var = var(d);
        d.list(DATASEC, ".mutant", false, 8, &[&[var, 8, 4]]);
    }),
    ("M95", |d| {
        let (var, size) = (var(d), d.pick(&[0, 9, u32::MAX]));
        d.list(DATASEC, ".mutant", false, 8, &[&[var, 0, size]]);
    }),
    ("M96", |d| {
        let var = var(d);
        d.list(DATASEC, ".mutant", false, 8, &[&[var, 6, 4]]);
    }),
    ("M97", |d| {
        // Ends that do not fit 32 bits may begin again at 0, so that only the sum tells.
        let (var, half) = (var(d), 0x8000_0000);
        d.list(DATASEC, ".mutant", false, u32::MAX, &[&[var, half, half], &[var, half, half]]);
    }),
    ("M100", |d| {
        let (vlen, kflag) = d.pick(&[(1, false), (0, true)]);
        d.raw(0, FLOAT, vlen, kflag, 4, &[]);
    }),
    ("M101", |d| {
        let size = d.pick(&[0, 1, 3, 6, 10, 32]);
        d.plain(FLOAT, "mutant_float", size, &[]);
    }),
    ("M110", |d| {
        let var = var(d);
        d.plain(DECL_TAG, "", var, &[u32::MAX]);
    }),
    ("M111", |d| {
        let (var, name) = (var(d), d.name("mutant_tag"));
        d.raw(name, DECL_TAG, 1, false, var, &[u32::MAX]);
    }),
    ("M113", |d| {
        let (var, component) = (var(d), d.pick(&[-2i32, i32::MIN]));
        d.plain(DECL_TAG, "mutant_tag", var, &[component as u32]);
    }),
    ("C1", |d| {
        let (kind, target) = (d.pick(&[CONST, VOLATILE, RESTRICT]), d.end_id() + 1 + d.rng.below(99) as u32);
        d.raw(0, kind, 0, false, target, &[]);
    }),
    ("C2", |d| in_a_row(d, CONST, 33)),
    ("C2", |d| {
        let first = d.end_id();
        d.raw(0, CONST, 0, false, first + 1, &[]);
        d.raw(0, VOLATILE, 0, false, first, &[]);
    }),
    ("R1", |d| in_a_row(d, PTR, 33)),
    ("R1", |d| structs_in_a_row(d, 33)),
    ("R2", |d| {
        let own = d.end_id();
        d.raw(0, PTR, 0, false, own, &[]);
    }),
    ("R2", |d| {
        let own = d.end_id();
        d.raw(0, STRUCT, 1, false, 4, &[0, own, 0]);
    }),
    ("R2", |d| {
        let (int, own) = (d.int(), d.end_id());
        d.raw(0, ARRAY, 0, false, 0, &[own + 1, int, 1]);
        d.raw(0, UNION, 1, false, 4, &[0, own, 0]);
    }),
    ("R2", |d| {
        let (own, name) = (d.end_id(), d.name("mutant_t"));
        d.raw(0, PTR, 0, false, own + 1, &[]);
        d.raw(name, TYPEDEF, 0, false, own, &[]);
    }),
    ("R3", |d| {
        let target = d.end_id() + 1 + d.rng.below(99) as u32;
        d.raw(0, PTR, 0, false, target, &[]);
    }),
    ("R3", |d| {
        let (var, kind) = (var(d), d.pick(&[PTR, CONST]));
        d.raw(0, kind, 0, false, var, &[]);
    }),
    ("R3", |d| {
        let section = d.list(DATASEC, ".mutant", false, 4, &[]);
        d.raw(0, PTR, 0, false, section, &[]);
    }),
    ("R4", |d| {
        // A pointer to a function that comes later, and so has not been looked at.
        let next = d.end_id();
        d.raw(0, PTR, 0, false, next + 1, &[]);
        d.plain(FUNC, "mutant_func", next + 2, &[]);
        proto(d, &[]);
    }),
    ("R4", |d| {
        // The same through a modifier.
        let (proto, name, next) = (proto(d, &[]), d.name("mutant_func"), d.end_id());
        d.raw(0, PTR, 0, false, next + 2, &[]);
        d.raw(name, FUNC, 0, false, proto, &[]);
        d.raw(0, CONST, 0, false, next + 1, &[]);
    }),
    ("R5", |d| {
        let fwd = d.plain(FWD, "mutant_fwd", 0, &[]);
        d.plain(VAR, "mutant_var", fwd, &[0]);
    }),
    ("R5", |d| {
        let void = d.raw(0, CONST, 0, false, 0, &[]);
        d.plain(VAR, "mutant_var", void, &[0]);
    }),
    ("R5", |d| {
        let var = var(d);
        d.plain(VAR, "mutant_var2", var, &[0]);
    }),
    ("R5", |d| {
        let target = d.end_id() + 1;
        d.plain(VAR, "mutant_var2", target, &[0]);
    }),
    ("R6", |d| {
        let (int, float) = (d.int(), d.plain(FLOAT, "mutant_float", 4, &[]));
        d.raw(0, ARRAY, 0, false, 0, &[int, float, 1]);
    }),
    ("R6", |d| {
        let (int, target) = (d.int(), d.end_id() + 7);
        d.raw(0, ARRAY, 0, false, 0, &[int, target, 1]);
    }),
    ("R6", |d| {
        let (int, odd) = (d.int(), d.raw(0, INT, 0, false, 4, &[IRREGULAR]));
        d.raw(0, ARRAY, 0, false, 0, &[int, odd, 1]);
    }),
    ("R6", |d| {
        let (int, ptr) = (d.int(), d.raw(0, PTR, 0, false, 0, &[]));
        d.raw(0, ARRAY, 0, false, 0, &[int, ptr, 1]);
    }),
    ("R7", |d| {
        let (int, fwd) = (d.int(), d.plain(FWD, "mutant_fwd", 0, &[]));
        d.raw(0, ARRAY, 0, false, 0, &[fwd, int, 1]);
    }),
    ("R7", |d| {
        let (int, void) = (d.int(), d.raw(0, VOLATILE, 0, false, 0, &[]));
        d.raw(0, ARRAY, 0, false, 0, &[void, int, 1]);
    }),
    ("R7", |d| {
        let (int, var) = (d.int(), var(d));
        d.raw(0, ARRAY, 0, false, 0, &[var, int, 1]);
    }),
    ("R8", |d| {
        let (int, odd) = (d.int(), d.raw(0, INT, 0, false, 4, &[IRREGULAR]));
        d.raw(0, ARRAY, 0, false, 0, &[odd, int, 1]);
    }),
    ("R9", |d| {
        let int = d.int();
        d.raw(0, ARRAY, 0, false, 0, &[int, int, 0x4000_0000]);
    }),
    ("R9", |d| {
        let int = d.int();
        let inner = d.raw(0, ARRAY, 0, false, 0, &[int, int, 0x1_0000]);
        d.raw(0, ARRAY, 0, false, 0, &[inner, int, 0x4000]);
    }),
    ("R10", |d| {
        let (fwd, kflag) = (d.plain(FWD, "mutant_fwd", 0, &[]), coin(d));
        holder(d, kflag, 4, fwd, 0);
    }),
    ("R10", |d| {
        let (target, kflag) = (d.end_id() + 9, coin(d));
        holder(d, kflag, 4, target, 0);
    }),
    ("R10", |d| {
        let (var, kflag) = (var(d), coin(d));
        holder(d, kflag, 4, var, 0);
    }),
    ("R10", |d| {
        let (void, kflag) = (d.raw(0, CONST, 0, false, 0, &[]), coin(d));
        holder(d, kflag, 4, void, 0);
    }),
    ("R11", |d| {
        let (ptr, kflag) = (d.raw(0, PTR, 0, false, 0, &[]), coin(d));
        holder(d, kflag, 16, ptr, 4);
    }),
    ("R11", |d| {
        let (kind, kflag) = (d.pick(&[ENUM, ENUM64]), coin(d));
        let member = d.raw(0, kind, 0, false, 4, &[]);
        holder(d, kflag, 16, member, 4);
    }),
    ("R11", |d| {
        let (int, kflag) = (d.int(), coin(d));
        let array = d.raw(0, ARRAY, 0, false, 0, &[int, int, 1]);
        holder(d, kflag, 16, array, 3);
    }),
    ("R12", |d| {
        let (int, kflag) = (d.int(), coin(d));
        holder(d, kflag, 7, int, 32);
    }),
    ("R12", |d| {
        let (ptr, kflag) = (d.raw(0, PTR, 0, false, 0, &[]), coin(d));
        holder(d, kflag, 7, ptr, 0);
    }),
    ("R12", |d| {
        let (int, kflag) = (d.int(), coin(d));
        let array = d.raw(0, ARRAY, 0, false, 0, &[int, int, 3]);
        holder(d, kflag, 11, array, 0);
    }),
    ("R12", |d| {
        let (kind, kflag) = (d.pick(&[ENUM, ENUM64]), coin(d));
        let member = d.raw(0, kind, 0, false, 4, &[]);
        holder(d, kflag, 3, member, 0);
    }),
    ("R12", |d| {
        let (float, kflag) = (d.plain(FLOAT, "mutant_float", 8, &[]), coin(d));
        holder(d, kflag, 7, float, 0);
    }),
    ("R13", |d| {
        let ptr = d.raw(0, PTR, 0, false, 0, &[]);
        holder(d, true, 8, ptr, 1 << 24);
    }),
    ("R13", |d| {
        let float = d.plain(FLOAT, "mutant_float", 4, &[]);
        holder(d, true, 8, float, 1 << 24);
    }),
    ("R14", |d| {
        let odd = d.raw(0, INT, 0, false, 4, &[IRREGULAR]);
        holder(d, true, 8, odd, 1 << 24);
    }),
    ("R15", |d| {
        let int = d.int();
        holder(d, true, 8, int, 33 << 24);
    }),
    ("R15", |d| {
        let kind = d.pick(&[ENUM, ENUM64]);
        let member = d.raw(0, kind, 0, false, 4, &[]);
        holder(d, true, 8, member, 33 << 24);
    }),
    ("R16", |d| {
        let int = d.int();
        holder(d, true, 8, int, 4);
    }),
    ("R17", |d| {
        let (wide, kflag) = (d.raw(0, INT, 0, false, 16, &[128]), coin(d));
        holder(d, kflag, 32, wide, if kflag { 128 << 24 | 1 } else { 1 });
    }),
    ("R18", |d| {
        let shifted = d.raw(0, INT, 0, false, 4, &[0x0008_0008]);
        holder(d, false, u32::MAX, shifted, u32::MAX);
    }),
    ("R19", |d| {
        let (float, kflag) = (d.plain(FLOAT, "mutant_float", 8, &[]), coin(d));
        holder(d, kflag, 12, float, 32);
    }),
    ("R20", |d| {
        let int = d.int();
        d.plain(FUNC, "mutant_func", int, &[]);
    }),
    ("R20", |d| {
        let target = d.pick(&[0, 0xf_ffff, u32::MAX]);
        d.plain(FUNC, "mutant_func", target, &[]);
    }),
    ("R21", |d| {
        let (int, name) = (d.int(), d.name("named"));
        let proto = proto(d, &[&[0, int], &[name, int]]);
        d.plain(FUNC, "mutant_func", proto, &[]);
    }),
    ("R22", |d| {
        let void = d.raw(0, CONST, 0, false, 0, &[]);
        d.raw(0, FUNC_PROTO, 0, false, void, &[]);
    }),
    ("R22", |d| {
        let target = d.pick(&[0xf_ffff, u32::MAX]);
        d.raw(0, FUNC_PROTO, 0, false, target, &[]);
    }),
    ("R22", |d| {
        let var = var(d);
        d.raw(0, FUNC_PROTO, 0, false, var, &[]);
    }),
    ("R23", |d| {
        let (int, name) = (d.int(), d.name("rest"));
        proto(d, &[&[name, int], &[name, 0]]);
    }),
    ("R24", |d| {
        let (int, name) = (d.int(), d.name("named"));
        proto(d, &[&[name, 0], &[name, int]]);
    }),
    ("R24", |d| {
        let (int, name) = (d.int(), bad_name(d));
        proto(d, &[&[name, int]]);
    }),
    ("R24", |d| {
        let (fwd, name) = (d.plain(FWD, "mutant_fwd", 0, &[]), d.name("named"));
        proto(d, &[&[name, fwd]]);
    }),
    ("R24", |d| {
        let (int, beyond) = (d.int(), d.pick(&[0xff_fffe, u32::MAX]));
        proto(d, &[&[beyond, int]]);
    }),
    ("R24", |d| {
        let (var, name) = (var(d), d.name("named"));
        proto(d, &[&[name, var]]);
    }),
    ("R25", |d| {
        let int = d.int();
        d.list(DATASEC, ".mutant", false, 4, &[&[int, 0, 4]]);
    }),
    ("R25", |d| {
        let target = d.end_id() + 5;
        d.list(DATASEC, ".mutant", false, 4, &[&[target, 0, 4]]);
    }),
    ("R26", |d| {
        let var = var(d);
        d.list(DATASEC, ".mutant", false, 4, &[&[var, 0, 3]]);
    }),
    ("R27", |d| {
        let int = d.int();
        d.plain(DECL_TAG, "mutant_tag", int, &[u32::MAX]);
    }),
    ("R27", |d| {
        let target = d.pick(&[0, 0xf_ffff, u32::MAX]);
        d.plain(DECL_TAG, "mutant_tag", target, &[u32::MAX]);
    }),
    ("R28", |d| {
        let var = var(d);
        d.plain(DECL_TAG, "mutant_tag", var, &[0]);
    }),
    ("R28", |d| {
        let int = d.int();
        let s = d.raw(0, STRUCT, 1, false, 4, &[0, int, 0]);
        d.plain(DECL_TAG, "mutant_tag", s, &[1]);
    }),
    ("R28", |d| {
        let (int, name) = (d.int(), d.name("named"));
        let proto = proto(d, &[&[name, int]]);
        let func = d.plain(FUNC, "mutant_func", proto, &[]);
        d.plain(DECL_TAG, "mutant_tag", func, &[1]);
    }),
];

/// The little-endian word at a byte offset of the finished BTF; 0 outside.
pub(super) fn get(out: &[u8], at: usize) -> u32 {
    out.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}

pub(super) fn set(out: &mut [u8], at: usize, word: u32) {
    if let Some(bytes) = out.get_mut(at..).and_then(|b| b.first_chunk_mut()) {
        *bytes = word.to_le_bytes();
    }
}

fn change(out: &mut [u8], at: usize, change: impl Fn(u32) -> u32) {
    let word = get(out, at);
    set(out, at, change(word));
}

/// A header with 8 more bytes than any kernel knows, one of which is in use.
fn unknown_field(out: &mut Vec<u8>, rng: &mut Rng) {
    lengthen_header(out, 40);
    out[32 + rng.below(8)] = 1;
}

/// Gives the header `bytes` bytes.
pub(super) fn lengthen_header(out: &mut Vec<u8>, bytes: usize) {
    let have = get(out, 4) as usize;
    out.splice(have..have, vec![0; bytes - have]);
    set(out, 4, bytes as u32);
}

/// Puts a layout section of 4 bytes behind the strings, `odd` bytes after a multiple of 4.
fn layout_at(out: &mut Vec<u8>, odd: usize) {
    if get(out, 4) == 24 {
        lengthen_header(out, 32);
    }
    let old = get(out, 28) as usize;
    let at = 32 + get(out, 12) as usize;
    out.drain(at..at + old);
    let types = get(out, 12);
    set(out, 16, types);
    while (out.len() - 32) % 4 != odd {
        out.push(0);
        change(out, 20, |len| len.wrapping_add(1));
    }
    let start = out.len() as u32 - 32;
    set(out, 24, start);
    set(out, 28, 4);
    out.extend([0; 4]);
}

pub(super) fn coin(d: &mut Doc) -> bool {
    d.rng.below(2) == 0
}

pub(super) fn proto(d: &mut Doc, params: &[&[u32]]) -> u32 {
    d.list(FUNC_PROTO, "", false, 0, params)
}

pub(super) fn var(d: &mut Doc) -> u32 {
    let int = d.int();
    d.plain(VAR, "mutant_var", int, &[0])
}

/// A struct of one member, which is of type `member` at `offset`.
pub(super) fn holder(d: &mut Doc, kflag: bool, size: u32, member: u32, offset: u32) {
    let name = d.name("mutant_member");
    d.list(STRUCT, "mutant", kflag, size, &[&[name, member, offset]]);
}

/// `count` PTRs or modifiers, each to the next, the last one to void.
pub(super) fn in_a_row(d: &mut Doc, kind: u32, count: u32) {
    let first = d.end_id();
    (1..=count).for_each(|n| _ = d.raw(0, kind, 0, false, if n < count { first + n } else { 0 }, &[]));
}

/// `count` structs, each a member of the one before.
pub(super) fn structs_in_a_row(d: &mut Doc, count: u32) {
    let (int, first) = (d.int(), d.end_id());
    for n in 1..=count {
        let member = if n < count { first + n } else { int };
        d.raw(0, STRUCT, 1, false, 4, &[0, member, 0]);
    }
}

fn bad_name(d: &mut Doc) -> u32 {
    let name = match d.rng.below(NO_IDENT.len() + 2) {
        0 => "x".repeat(513),
        1 => "y".repeat(5000),
        n => NO_IDENT[n - 2].into(),
    };
    d.name(name)
}
