// A function that clang says nobody calls by the convention, and whose struct is not passed as a whole: its prototype is not true (W25: the
// reference keeps it). One whose struct is whole stays. Assembled, since clang 14 does not say so.
// cc: gcc - assembled by hand, which is the same
// dwarf: 5 - assembled by hand
// opt: -O0 - assembled by hand
// machines: native - assembled by hand, for this one
// units: asm:S
// expect-not: FUNC part
// expect: FUNC whole(s: struct s) -> void
// stderr: optimized parameters: the compiler's clone does not take what the source says; first `part`
    .section .debug_abbrev, "", %progbits
    .uleb128 1, 0x11
    .byte 1
    .uleb128 0x25, 0x08, 0x13, 0x0b, 0, 0
    .uleb128 2, 0x13
    .byte 0
    .uleb128 0x03, 0x08, 0x0b, 0x0b, 0, 0
    .uleb128 3, 0x2e
    .byte 1
    .uleb128 0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0x36, 0x0b, 0, 0
    .uleb128 4, 0x05
    .byte 0
    .uleb128 0x03, 0x08, 0x49, 0x13, 0x02, 0x18, 0, 0
    .byte 0
    .section .debug_info, "", %progbits
start:
    .long end - start - 4
    .short 5
    .byte 1, 8
    .long .debug_abbrev
    .uleb128 1
    .string "clang version 20"
    .byte 0x1d
s:  .uleb128 2
    .string "s"
    .byte 16
/* DW_AT_calling_convention: DW_CC_nocall */
    .uleb128 3
    .string "part"
    .quad part
    .long 1
    .byte 3
    .uleb128 4
    .string "s"
    .long s - start
/* DW_OP_piece 8, DW_OP_reg5, DW_OP_piece 8: the first half is nowhere. */
    .byte 5, 0x93, 8, 0x55, 0x93, 8
    .byte 0
    .uleb128 3
    .string "whole"
    .quad whole
    .long 1
    .byte 3
    .uleb128 4
    .string "s"
    .long s - start
    .byte 6, 0x55, 0x93, 8, 0x54, 0x93, 8
    .byte 0
    .byte 0
end:
    .text
    .globl part, whole
    .type part, STT_FUNC
    .type whole, STT_FUNC
part: ret
    .size part, 1
whole: ret
    .size whole, 1
