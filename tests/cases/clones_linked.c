// The same in a linked file.
// cc: gcc - clang makes no such clones
// opt: -O2 - the optimiser does it
// link: yes
// ldflags: --unresolved-symbols=ignore-all
// expect-not: FUNC scalar
// expect: FUNC constant(v: int) -> int
// expect: FUNC user(p: *struct s, v: int) -> int
struct s { int a, b; };
extern int sink(int, int);
static __attribute__((noinline)) int scalar(struct s *p, int v) { return sink(p->a, v) + sink(v, 2); }
static __attribute__((noinline)) int constant(int k, int v) { return sink(k, v) + sink(v, k); }
int user(struct s *p, int v) { return scalar(p, v) + scalar(p, v + 1) + constant(5, v) + constant(5, v + 2); }
