// Members that are not in the order of their offsets, and functions whose parameters are not those of the source, nor in its order: a
// declaration tag stands on what the source tagged, under the number that this has in the end. Tags of what is left out are left out. As children (clang)
// and as chains (gcc 16). Assembled, since no compiler does all of it.
// cc: gcc - assembled as it is
// dwarf: 5 - assembled as it is
// opt: -O0 - assembled as it is
// machines: native - assembled as it is
// units: asm:S
// expect: STRUCT s size=12 { a: int @0; b: int @32; c: int @64 }
// expect: DECL_TAG "a" on STRUCT s #0
// expect: DECL_TAG "link" on STRUCT s #1
// expect: DECL_TAG "c" on STRUCT s #2
// expect: FUNC constant(v: int, w: int) -> void
// expect: DECL_TAG "link" on FUNC constant #0
// expect: DECL_TAG "w" on FUNC constant #1
// expect: FUNC reordered(w: int, v: int) -> void
// expect: DECL_TAG "w of reordered" on FUNC reordered #0
// expect: DECL_TAG "v of reordered" on FUNC reordered #1
// expect: FUNC declared(v: int) -> void
// expect: DECL_TAG "declared" on FUNC declared #0
// count: DECL_TAG 8
    .section .debug_abbrev, "", @progbits
.macro abbrev number, tag, children, attributes:vararg
    .uleb128 \number, \tag
    .byte \children
    .uleb128 \attributes
    .byte 0, 0
.endm
/* attributes: const_value 0x1c, declaration 0x3c, abstract_origin 0x31, specification 0x47, annotation 0x2139 */
    abbrev 1, 0x11, 1, 0x03, 0x08, 0x13, 0x0b
    abbrev 2, 0x24, 0, 0x03, 0x08, 0x0b, 0x0b, 0x3e, 0x0b
    abbrev 3, 0x6000, 0, 0x03, 0x08, 0x1c, 0x08
    abbrev 4, 0x13, 1, 0x03, 0x08, 0x0b, 0x0b
    abbrev 5, 0x0d, 1, 0x03, 0x08, 0x49, 0x13, 0x38, 0x0b
    abbrev 6, 0x0d, 0, 0x03, 0x08, 0x49, 0x13, 0x38, 0x0b, 0x2139, 0x13
    abbrev 7, 0x2e, 1, 0x03, 0x08
    abbrev 8, 0x05, 1, 0x03, 0x08, 0x49, 0x13
    abbrev 9, 0x05, 0, 0x03, 0x08, 0x49, 0x13, 0x2139, 0x13
    abbrev 10, 0x2e, 1, 0x31, 0x13, 0x11, 0x01, 0x12, 0x06
    abbrev 11, 0x05, 0, 0x31, 0x13, 0x1c, 0x0b
    abbrev 12, 0x05, 0, 0x31, 0x13, 0x02, 0x18
    abbrev 13, 0x2e, 1, 0x03, 0x08, 0x3c, 0x19
    abbrev 14, 0x2e, 1, 0x47, 0x13, 0x11, 0x01, 0x12, 0x06
    abbrev 15, 0x05, 0, 0x03, 0x08, 0x49, 0x13
    .byte 0
    .section .debug_info, "", @progbits
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
.macro tag text
    die 3, "btf_decl_tag"
    .string "\text"
.endm
.macro child_tag text
    tag "\text"
    .byte 0
.endm
    die 1, "unit.c"
    .byte 0x1d
int: die 2, "int"
    .byte 4, 5
link: tag "link"

    die 4, "s"
    .byte 12
    die 5, "c"
    ref int
    .byte 8
    child_tag "c"
    die 6, "b"
    ref int
    .byte 4
    ref link
    die 5, "a"
    ref int
    .byte 0
    child_tag "a"
/* A member whose place is not known before the program runs would be dropped, too; this one lies behind the end. */
    die 5, "behind"
    ref int
    .byte 200
    child_tag "behind"
    .byte 0

constant: die 7, "constant"
k:  die 8, "k"
    ref int
    child_tag "k"
v:  die 9, "v"
    ref int
    ref link
w:  die 8, "w"
    ref int
    child_tag "w"
    .byte 0
    .uleb128 10
    ref constant
    .quad constant.constprop.0
    .long 1
/* DW_AT_const_value; DW_OP_reg5, DW_OP_reg4 */
    .uleb128 11
    ref k
    .byte 5
    .uleb128 12
    ref v
    .byte 1, 0x55
    .uleb128 12
    ref w
    .byte 1, 0x54
    .byte 0

reordered_: die 7, "reordered"
v2: die 8, "v"
    ref int
    child_tag "v of reordered"
w2: die 8, "w"
    ref int
    child_tag "w of reordered"
    .byte 0
    .uleb128 10
    ref reordered_
    .quad reordered
    .long 1
    .uleb128 12
    ref w2
    .byte 1, 0x55
    .uleb128 12
    ref v2
    .byte 1, 0x54
    .byte 0

declared_: die 13, "declared"
    die 8, "v"
    ref int
    child_tag "declared"
    .byte 0
    .uleb128 14
    ref declared_
    .quad declared
    .long 1
    die 15, "v"
    ref int
    .byte 0
    .byte 0
end:
    .text
    .globl constant.constprop.0, reordered, declared
    .type constant.constprop.0, @function
    .type reordered, @function
    .type declared, @function
constant.constprop.0: ret
    .size constant.constprop.0, 1
reordered: ret
    .size reordered, 1
declared: ret
    .size declared, 1
