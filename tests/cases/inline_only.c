// An inline function without code of its own has no symbol, and is not described; its types are.
// opt: -O2 - without optimisation nothing is inlined
// expect: FUNC user(p: *struct arg) -> int
// expect: STRUCT arg size=4 { x: int @0 }
// expect-not: FUNC helper
// expect-not: FUNC never_used
struct arg { int x; };
static inline __attribute__((always_inline)) int helper(struct arg *p) { return p->x + 1; }
static inline int never_used(int a) { return a; }
int user(struct arg *p) { return helper(p); }
