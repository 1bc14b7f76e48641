// A function whose cold part stands elsewhere: its DIE has a list of ranges, and its symbol is at the hot one.
// cc: gcc - clang makes no such fragments
// opt: -O2 - the optimiser does it
// link: yes
// ldflags: --unresolved-symbols=ignore-all
// expect: FUNC hot(x: int) -> int
// count: FUNC hot 1
extern void oops(int) __attribute__((cold));
int hot(int x) { if (x < 0) { oops(x); oops(x + 1); return -1; } return x; }
