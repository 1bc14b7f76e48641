// A function that C code defines with a piece of assembler at the top of a file has no debug information.
// expect: FUNC in_c(a: int) -> int
// expect-not: FUNC by_hand
// stderr: no debug information for the code at the symbol's address; first `by_hand`
asm(".text\n.globl by_hand\n.type by_hand, STT_FUNC\nby_hand: .space 4\n.size by_hand, . - by_hand");
int in_c(int a) { return a; }
