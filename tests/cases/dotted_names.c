// What follows a dot may be the assembler's own: a function of C that was inlined everywhere has nothing to do with a symbol that begins like it, or
// that the assembler calls the same (W13: the reference describes these symbols by the functions of C).
// units: C asm:S
// link: rel
// expect: FUNC use(a: int) -> int
// expect-not: FUNC dotted
// expect-not: FUNC alike
#ifdef __ASSEMBLER__
    .text
    .globl alike
    .type alike, STT_FUNC
    .type dotted.name, STT_FUNC
alike:
dotted.name:
    .space 4
    .size alike, . - alike
    .size dotted.name, . - dotted.name
#else
static inline __attribute__((always_inline)) int dotted(int a, int b) { return a * b; }
static inline __attribute__((always_inline)) int alike(int a) { return a + 1; }
int use(int a) { return dotted(a, 3) + alike(a); }
#endif
