// A static function that several units include, but that has code in one of them only, is that one.
// units: A B
// link: rel
// opt: -O2 - without optimisation nothing is inlined
// expect: FUNC shared(v: int) -> int
// expect: FUNC user_a(v: int) -> int
static inline int shared(int v) { return v * 7; }
#ifdef A
int user_a(int v) { return shared(v); }
#else
int (*user_b)(int) = shared;
#endif
