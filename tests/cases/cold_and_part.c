// Fragments (.cold, .part) are no functions.
// cc: gcc - clang makes no such fragments
// opt: -O2 - the optimiser does it
// link: rel
// expect: FUNC hot(x: int) -> int
// count: FUNC hot 1
// expect-not: FUNC hot.cold
extern void oops(void) __attribute__((cold));
int hot(int x) { if (x < 0) { oops(); oops(); return -1; } return x; }
