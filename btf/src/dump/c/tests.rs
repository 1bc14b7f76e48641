//! What no compiler writes, and what a compiler's answer alone does not show; compilers judge in tests/dump.rs.

use super::dump_c;
use crate::error::ErrorKind;
use crate::header::Endian;
use crate::ids::TypeId;
use crate::kind::Kind;
use crate::testing::{Blob, every_kind};
use crate::view::{BtfView, IntData};

/// The text between the frame's first and last lines.
fn body(blob: &Blob) -> String {
    let data = blob.bytes();
    let header = String::from_utf8(dump_c(&BtfView::parse(&data).unwrap(), None).unwrap()).unwrap();
    let start = header.find("#define __bpf_fastcall\n#endif\n#endif\n\n").unwrap();
    let start = start + "#define __bpf_fastcall\n#endif\n#endif\n\n".len();
    let end = header.rfind("#ifndef BPF_NO_PRESERVE_ACCESS_INDEX").unwrap();
    header[start..end].trim_end().replace("\n\n", "\n")
}

fn failure(blob: &Blob) -> String {
    let data = blob.bytes();
    dump_c(&BtfView::parse(&data).unwrap(), None).unwrap_err().to_string()
}

#[test]
fn a_little_of_every_kind() {
    let expected = "\
enum e {
	A = 1,
	B = 4294967295,
};
enum e64 {
	E = 1,
	F = 18446744073709551615ULL,
};
enum es64 {
	G = -9223372036854775807LL - 1,
	H = -1,
};
struct bits {
	int x: 3;
	int y: 29;
	int *p;
};
struct s {
	/* not in C: members overlap */
	unsigned char __pad_0[24];
};
typedef struct s t;
union u {
	int a;
	int b;
};
enum {
	C = 1,
	D = -1,
};";
    for endian in [Endian::Little, Endian::Big] {
        assert_eq!(body(&every_kind(endian)), expected);
    }
}

#[test]
fn names_that_clash_or_are_none_in_c() {
    let mut b = Blob::new();
    let int = b.int("int", 4);
    let first = b.structure("s", 4, &[("a", int, 0)]);
    let second = b.structure("s", 4, &[("b", int, 0)]);
    b.composite(Kind::Union, "s", false, 4, &[("c", int, 0)]);
    b.structure("s___2", 4, &[("register", int, 0)]);
    b.enumeration("s", false, &[("ONE", 1)]);
    b.enumeration("", false, &[("ONE", 1), ("t", 2), ("while", 3)]);
    let fwd = b.fwd("s", false);
    b.typedef("t", first);
    b.typedef("t", second);
    let fwd = b.ptr(fwd);
    b.typedef("a.b\n", fwd);
    let text = body(&b);
    for part in [
        "struct s {\n\tint a;\n};",
        "struct s___3 {\n\tint b;\n};",
        "union s___4 {",
        "struct s___2 {\n\tint register_;\n};",
        "enum s___5 {\n\tONE = 1,\n};",
        "enum {\n\tONE___2 = 1,\n\tt___3 = 2,\n\twhile___2 = 3,\n};",
        "typedef struct s t;",
        "typedef struct s___3 t___2;",
        "struct s___6;\ntypedef struct s___6 *a_b_;",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
}

#[test]
fn a_declaration_of_the_base_is_of_the_definition_on_top() {
    let mut b = Blob::new();
    let fwd = b.fwd("s", false);
    let ptr = b.ptr(fwd);
    b.structure("user", 8, &[("s", ptr, 0)]);
    let base_data = b.bytes();
    let base = BtfView::parse(&base_data).unwrap();
    let mut b = Blob::on(&base);
    let int = b.int("int", 4);
    b.structure("s", 4, &[("a", int, 0)]);
    let data = b.bytes();
    let view = BtfView::parse_split(&data, &base).unwrap();
    let header = String::from_utf8(dump_c(&view, None).unwrap()).unwrap();
    assert!(header.contains("struct user {\n\tstruct s *s;\n};"), "{header}");
    let only = String::from_utf8(dump_c(&view, Some(&[TypeId(3)])).unwrap()).unwrap();
    assert!(only.contains("struct s;\n\nstruct user {") && !only.contains("int a"), "{only}");
}

#[test]
fn what_mentions_itself_needs_a_declaration_only_before_others() {
    let mut b = Blob::new();
    let s = b.structure("s", 24, &[("next", 2, 0), ("handler", 3, 64), ("again", 2, 128)]);
    let ptr = b.ptr(s);
    let typedef = b.typedef("handler_t", 5);
    assert_eq!((ptr, typedef), (2, 3));
    let proto = b.proto(0, &[("", ptr)]);
    assert_eq!(b.ptr(proto), 5);
    // The pointer was met inside of the struct, where it needs no declaration; the typedef, which comes first, does.
    let text = body(&b);
    assert!(
        text.starts_with("struct s;\ntypedef void (*handler_t)(struct s *);\nstruct s {\n\tstruct s *next;"),
        "{text}"
    );
    let mut b = Blob::new();
    b.structure("list", 8, &[("next", 2, 0)]);
    b.ptr(1);
    assert_eq!(body(&b), "struct list {\n\tstruct list *next;\n};");
}

#[test]
fn embedded_by_name_alone() {
    let mut b = Blob::new();
    let int = b.int("int", 4);
    let inner = b.structure("inner", 4, &[("a", int, 0)]);
    let typedef = b.typedef("inner_t", inner);
    b.structure("outer", 8, &[("", inner, 0), ("", int, 32)]);
    b.structure("other", 4, &[("", typedef, 0)]);
    let text = body(&b);
    assert!(text.contains("struct outer {\n\tstruct {\n\t\tint a;\n\t};\n\tint __unnamed_1;\n};"), "{text}");
    assert!(text.contains("struct other {\n\tstruct {\n\t\tint a;\n\t};\n};"), "{text}");
}

#[test]
fn integers_and_floats_that_compilers_do_not_have() {
    let mut b = Blob::new();
    let odd = b.plain(Kind::Int, "__Poly8_t", 1, &[IntData::new(0, 0, 8).0]);
    let three = b.plain(Kind::Int, "int", 3, &[IntData::new(0, 0, 24).0]);
    let long = b.float("long double", 16);
    let own = b.float("__bf16", 2);
    b.structure("s", 32, &[("a", odd, 0), ("b", three, 8), ("c", long, 128)]);
    b.structure("t", 2, &[("a", own, 0)]);
    let text = body(&b);
    for part in [
        "typedef unsigned char __Poly8_t;",
        "typedef struct { unsigned char bytes[3]; } int___2;",
        "#if defined(__SIZEOF_LONG_DOUBLE__) && __SIZEOF_LONG_DOUBLE__ == 16\n#define __btf_long_double_16 long double\n#else\n",
        "struct s {\n\t__Poly8_t a;\n\tint___2 b;\n\t__btf_long_double_16 c",
        "typedef struct { unsigned char bytes[2]; } __attribute__((aligned(2))) __btf___bf16_2;",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
}

#[test]
fn tags() {
    let mut b = Blob::new();
    let int = b.int("int", 4);
    let user = b.type_tag("us\"er", int);
    let ptr = b.ptr(user);
    let name = b.name("address_space(1)");
    let space = b.raw(name, Kind::TypeTag, 0, true, int, &[]);
    let ptr_space = b.ptr(space);
    let s = b.structure("s", 16, &[("a", ptr, 0), ("b", ptr_space, 64)]);
    b.decl_tag("whole", s, -1);
    b.decl_tag("part", s, 1);
    let proto = b.proto(0, &[("volatile", ptr)]);
    let func = b.func("kfunc", 1, proto);
    b.decl_tag("bpf_kfunc", func, -1);
    b.decl_tag("bpf_fastcall", func, -1);
    let text = body(&b);
    for part in [
        "struct s {\n\tint __btf_type_tag(\"us\\\"er\") *a;\n\tint __btf_attribute(address_space(1)) *b __btf_decl_tag(\"part\");\n} __btf_decl_tag(\"whole\");",
        "extern __bpf_fastcall void kfunc(int __btf_type_tag(\"us\\\"er\") *volatile_) __weak __ksym;",
        "#define __btf_type_tag(tag) __attribute__((btf_type_tag(tag)))",
        "#define __btf_decl_tag(tag) __attribute__((btf_decl_tag(tag)))",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
}

#[test]
fn bit_fields_of_old_compilers() {
    let mut b = Blob::new();
    let three = b.plain(Kind::Int, "int", 4, &[IntData::new(1, 0, 3).0]);
    let five = b.plain(Kind::Int, "int", 4, &[IntData::new(1, 3, 5).0]);
    b.structure("s", 4, &[("a", three, 0), ("b", five, 0)]);
    assert_eq!(body(&b), "struct s {\n\tint a: 3;\n\tint b: 5;\n};");
}

#[test]
fn what_c_has_no_types_for() {
    let mut b = Blob::new();
    b.structure("s", 8, &[("a", 2, 0)]);
    b.structure("t", 8, &[("a", 1, 0)]);
    assert_eq!(failure(&b), "BTF type 2: it is made of type 1, which is made of it: C has no such types");
    let mut b = Blob::new();
    b.typedef("t", 2);
    b.ptr(1);
    assert_eq!(failure(&b), "BTF type 2: it is made of type 1, which is made of it: C has no such types");
    let mut b = Blob::new();
    b.structure("s", 8, &[("a", 0, 0)]);
    assert_eq!(failure(&b), "BTF type 1: member 0 is of type 0, which has no size");
    let mut b = Blob::new();
    b.structure("s", 8, &[("a", 9, 0)]);
    assert_eq!(failure(&b), "BTF type 1: it refers to type 9, which is not there");
    let mut b = Blob::new();
    let fwd = b.fwd("f", false);
    b.structure("s", 8, &[("a", fwd, 0)]);
    assert_eq!(failure(&b), "BTF type 2: it has a part of type 1, which is declared only");
    let mut b = Blob::new();
    let var = b.var("v", 0, 0);
    b.typedef("t", var);
    assert_eq!(failure(&b), "BTF type 2: it refers to type 1, which is a VAR and no type of C");
    let mut b = Blob::new();
    let name = b.name("e");
    let value = b.name("A");
    b.raw(name, Kind::Enum, 1, false, 1, &[value, 256]);
    assert_eq!(failure(&b), "BTF type 1: a value does not fit into the 1 bytes of the enum, or no enum has this size");
}

#[test]
fn layouts_that_c_does_not_have_are_bytes() {
    let mut b = Blob::new();
    let int = b.int("int", 4);
    b.structure("beyond", 2, &[("a", int, 0)]);
    b.structure("between", 8, &[("a", int, 3)]);
    b.composite(Kind::Union, "late", false, 8, &[("a", int, 32)]);
    b.composite(Kind::Struct, "wide", true, 8, &[("a", int, 40 << 24)]);
    let text = body(&b);
    assert_eq!(text.matches("/* not in C: ").count(), 4, "{text}");
    assert!(
        text.contains("struct beyond {\n\t/* not in C: a member is beyond the end */\n\tunsigned char __pad_0[2];\n};"),
        "{text}"
    );
}

#[test]
fn depth_and_repetition_are_bounded() {
    // A chain as long as the input allows is written without recursion.
    let mut b = Blob::new();
    let mut id = b.int("int", 4);
    for _ in 0..100_000 {
        id = b.ptr(id);
    }
    b.typedef("deep", id);
    let text = body(&b);
    assert!(text.len() > 100_000);
    // Thirty levels that double each time would be a billion members.
    let mut b = Blob::new();
    let mut id = b.int("int", 4);
    for level in 0..30 {
        let bits = 32u32 << level.min(20);
        id = b.composite(Kind::Union, "", false, 4, &[("a", id, 0), ("b", id, 0)]);
        assert!(bits > 0);
    }
    b.structure("s", 4, &[("a", id, 0)]);
    let data = b.bytes();
    let error = dump_c(&BtfView::parse(&data).unwrap(), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    // Structs in each other, all of which mention themselves.
    let mut b = Blob::new();
    let int = b.int("int", 4);
    let count = 50_000;
    for n in 0..count {
        let (inner, own) = if n + 1 < count { (4 + 2 * n, 3 + 2 * n) } else { (int, 3 + 2 * n) };
        b.structure(&format!("s{n}"), 8 * (count - n) + 8, &[("own", own, 0), ("inner", inner, 64)]);
        b.ptr(own - 1);
    }
    assert!(body(&b).ends_with("};"));
    // A long chain that many members have costs its length each time.
    let mut b = Blob::new();
    let mut id = b.int("int", 4);
    for _ in 0..20_000 {
        id = b.konst(id);
    }
    let members: Vec<(&str, u32, u32)> = (0..20_000).map(|n| ("m", id, n * 32)).collect();
    b.structure("s", 80_000, &members);
    let data = b.bytes();
    let error = dump_c(&BtfView::parse(&data).unwrap(), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
}

#[test]
fn a_huge_struct_is_no_long_text() {
    let mut b = Blob::new();
    let char_ = b.plain(Kind::Int, "char", 1, &[IntData::new(0, 0, 8).0]);
    b.structure("s", u32::MAX, &[("a", char_, 0), ("b", char_, 0x7fff_fff8)]);
    b.composite(Kind::Union, "u", false, 1000, &[("a", char_, 0)]);
    let text = body(&b);
    assert!(text.contains("unsigned char __pad_1[268435454];\n\tchar b;"), "{text}");
    assert!(text.contains("union u {\n\tchar a;\n\tunsigned char __pad_0[1000];\n};"), "{text}");
}
