// Annotations as gcc 16 writes them: they stand by themselves, and each refers to the next. On everything that has tags (W24: the reference
// passes over those on unions, typedefs and variables), in the order of the chain; the first type tag is the outermost. A link of another sort
// ends a chain, and so does one that was there before.
// cc: gcc - assembled by hand, which is the same
// dwarf: 5 - assembled by hand
// opt: -O0 - assembled by hand
// machines: native - assembled by hand, for this one
// units: asm:S
// expect: MEMBER s.p: *tag(t1) tag(t2) int @0
// expect: MEMBER s.plain: *int @64
// expect: DECL_TAG "d1" on STRUCT s
// expect: DECL_TAG "d2" on STRUCT s
// expect: DECL_TAG "d2" on STRUCT s #1
// expect: DECL_TAG "d1" on UNION u
// expect: DECL_TAG "d2" on UNION u #0
// expect: DECL_TAG "d1" on TYPEDEF t
// expect: DECL_TAG "d2" on TYPEDEF t
// expect: DECL_TAG "d2" on VAR v
// expect: DECL_TAG "d1" on FUNC f
// expect: DECL_TAG "d2" on FUNC f
// expect: DECL_TAG "d2" on FUNC f #1
// expect: DECL_TAG "circle" on STRUCT c
// count: DECL_TAG 12
// args: --btf_features=var
// expect-not: DECL_TAG
// expect: MEMBER s.p: *int @0
    .section .debug_abbrev, "", %progbits
.macro abbrev number, tag, children, attributes:vararg
    .uleb128 \number, \tag
    .byte \children
    .uleb128 \attributes
    .byte 0, 0
.endm
/* attributes: name 3, size 0xb, const_value 0x1c, location 0x38, encoding 0x3e, external 0x3f, type 0x49, annotation 0x2139;
   forms: addr 1, data4 6, string 8, data1 0xb, ref4 0x13, exprloc 0x18, flag_present 0x19 */
    abbrev 1, 0x11, 1, 0x03, 0x08, 0x13, 0x0b
    abbrev 2, 0x24, 0, 0x03, 0x08, 0x0b, 0x0b, 0x3e, 0x0b
    abbrev 3, 0x0f, 0, 0x49, 0x13, 0x2139, 0x13
    abbrev 4, 0x0f, 0, 0x49, 0x13
    abbrev 5, 0x6000, 0, 0x03, 0x08, 0x1c, 0x08, 0x2139, 0x13
    abbrev 6, 0x6000, 0, 0x03, 0x08, 0x1c, 0x08
    abbrev 7, 0x13, 1, 0x03, 0x08, 0x0b, 0x0b, 0x2139, 0x13
    abbrev 8, 0x17, 1, 0x03, 0x08, 0x0b, 0x0b, 0x2139, 0x13
    abbrev 9, 0x0d, 0, 0x03, 0x08, 0x49, 0x13, 0x38, 0x0b
    abbrev 10, 0x0d, 0, 0x03, 0x08, 0x49, 0x13, 0x38, 0x0b, 0x2139, 0x13
    abbrev 11, 0x16, 0, 0x03, 0x08, 0x49, 0x13, 0x2139, 0x13
    abbrev 12, 0x34, 0, 0x03, 0x08, 0x49, 0x13, 0x3f, 0x19, 0x02, 0x18, 0x2139, 0x13
    abbrev 13, 0x2e, 1, 0x03, 0x08, 0x49, 0x13, 0x11, 0x01, 0x12, 0x06, 0x2139, 0x13
    abbrev 14, 0x05, 0, 0x03, 0x08, 0x49, 0x13
    abbrev 15, 0x05, 0, 0x03, 0x08, 0x49, 0x13, 0x2139, 0x13
    .byte 0
    .section .debug_info, "", %progbits
start:
    .long end - start - 4
    .short 5
    .byte 1, 8
    .long .debug_abbrev
.macro die number, name
    .uleb128 \number
    .string "\name"
.endm
.macro ref label
    .long \label - start
.endm
    die 1, "unit.c"
    .byte 0x1d
int: die 2, "int"
    .byte 4, 5
tagged: .uleb128 3
    ref int
    ref t1
pointer: .uleb128 4
    ref int
s:  die 7, "s"
    .byte 16
    ref d1
    die 9, "p"
    ref tagged
    .byte 0
    die 10, "plain"
    ref pointer
    .byte 8
    ref d2
    .byte 0
u:  die 8, "u"
    .byte 4
    ref dx
    die 10, "m"
    ref int
    .byte 0
    ref d2
    .byte 0
    die 7, "c"
    .byte 0
    ref circle
    .byte 0
t:  die 11, "t"
    ref s
    ref d1
    die 12, "v"
    ref u
    .byte 9, 3
    .quad v
    ref d2
    die 13, "f"
    ref int
    .quad f
    .long 1
    ref d1
    die 14, "a"
    ref int
    die 15, "b"
    ref t
    ref d2
    .byte 0
/* The chains: those of d1, of t1 and of dx, whose second link is of another sort; and a circle. */
.macro link name, text, next
    die 5, \name
    .string "\text"
    ref \next
.endm
d1: link "btf_decl_tag", "d1", d2
d2: die 6, "btf_decl_tag"
    .string "d2"
t1: link "btf_type_tag", "t1", t2
t2: link "btf_type_tag", "t2", d2
dx: link "btf_decl_tag", "d1", other
other: link "something", "else", d2
circle: link "btf_decl_tag", "circle", circle
    .byte 0
end:
    .text
    .globl f
    .type f, STT_FUNC
f:  ret
    .size f, 1
    .section .data..percpu, "aw"
    .globl v
    .type v, STT_OBJECT
v:  .long 7
    .size v, 4
