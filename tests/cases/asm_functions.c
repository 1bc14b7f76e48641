// The assembler's debug information says `void f(void)` of every function. That is not true, and is left out (W5), unless C code
// describes what is at the address.
// cc: gcc - clang's assembler describes no functions
// units: C asm:S
// link: rel
// expect: FUNC in_c(a: int) -> int
// expect-not: FUNC in_asm
// stderr: assembler function: its debug information knows no prototype; first `in_asm`
// args: --compat=pahole
// expect: FUNC in_asm() -> void
// expect: FUNC in_c(a: int) -> int
#ifdef __ASSEMBLER__
    .text
    .globl in_asm
    .type in_asm, STT_FUNC
in_asm:
#ifdef __s390x__
    br %r14
#else
    nop
#endif
    .size in_asm, . - in_asm
#else
extern int in_asm(int, void *);
int in_c(int a) { return in_asm(a, 0); }
#endif
