// _BitInt keeps its width where the compiler tells it: types of the same bytes and other widths are not one (W24). Assembled as newer compilers write
// them, since clang 14 does not tell.
// cc: gcc - assembled by hand, which is the same
// dwarf: 5 - assembled by hand
// opt: -O0 - assembled by hand
// machines: native - assembled by hand, for this one
// units: asm:S
// expect: INT _BitInt size=4 SIGNED bits=17
// expect: INT _BitInt size=4 SIGNED bits=30
// expect: INT _BitInt size=4 SIGNED
// expect: MEMBER s.a: _BitInt @0
// expect: INT _Decimal64 size=8 UNSIGNED
// expect: MEMBER s.d: [40]unsigned char @128
// stderr: 2 base types that BTF does not know, written as integers or bytes
// count: INT _BitInt 3
    .section .debug_abbrev, "", %progbits
    .uleb128 1, 0x11
    .byte 1
    .uleb128 0x03, 0x08, 0x13, 0x0b, 0, 0
    .uleb128 2, 0x24
    .byte 0
    .uleb128 0x03, 0x08, 0x0b, 0x0b, 0x3e, 0x0b, 0x0d, 0x05, 0, 0
    .uleb128 3, 0x13
    .byte 1
    .uleb128 0x03, 0x08, 0x0b, 0x0b, 0, 0
    .uleb128 4, 0x0d
    .byte 0
    .uleb128 0x03, 0x08, 0x49, 0x13, 0x38, 0x0b, 0, 0
    .byte 0
    .section .debug_info, "", %progbits
start:
    .long end - start - 4
    .short 5
    .byte 1, 8
    .long .debug_abbrev
    .uleb128 1
    .string "unit.c"
    .byte 0x1d
/* base types: name, bytes, encoding, bits */
.macro base name, bytes, encoding, bits
    .uleb128 2
    .string "\name"
    .byte \bytes, \encoding
    .short \bits
.endm
narrow: base "_BitInt", 4, 5, 17
middle: base "_BitInt", 4, 5, 30
whole: base "_BitInt", 4, 5, 32
decimal: base "_Decimal64", 8, 0x0f, 64
huge: base "_BitInt", 40, 5, 300
.macro member name, type, offset
    .uleb128 4
    .string "\name"
    .long \type - start
    .byte \offset
.endm
    .uleb128 3
    .string "s"
    .byte 64
    member "a", narrow, 0
    member "b", middle, 4
    member "c", decimal, 8
    member "d", huge, 16
    member "e", whole, 56
    .byte 0, 0
end:
