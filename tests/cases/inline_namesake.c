// An inline function that was never emitted does not vote against another unit's real function of that name (W8: the reference
// loses both).
// units: A B
// link: rel
// opt: -O2 - without optimisation nothing is inlined
// expect: FUNC conf(value: long_t) -> int
// expect-not: FUNC conf(x
// expect: FUNC user(y: int) -> int
// args: --compat=pahole
// expect-not: FUNC conf
typedef long long_t;
#ifdef A
static inline __attribute__((always_inline)) int conf(int x) { return x + 1; }
int user(int y) { return conf(y); }
#else
int conf(long_t value) { return value != 3; }
#endif
