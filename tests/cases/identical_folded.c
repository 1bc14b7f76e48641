// Functions with the same code that gcc merged (-fipa-icf): each keeps its own prototype.
// cc: gcc - clang merges no functions without link-time optimisation
// opt: -O2 - the optimiser does it
// link: rel
// expect: FUNC first(x: int) -> int
// expect: FUNC second(y: int) -> int
__attribute__((noinline)) int first(int x) { return x * 31 + 7; }
__attribute__((noinline)) int second(int y) { return y * 31 + 7; }
