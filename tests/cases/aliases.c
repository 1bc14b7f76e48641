// An alias has no debug information of its own: it is described by what its address belongs to (W12: the reference leaves it
// out).
// link: rel
// expect: FUNC real_init() -> int
// expect: FUNC init_module() -> int
// expect: FUNC weak_alias(a: int, b: *char) -> void
// expect: FUNC target(a: int, b: *char) -> void
int real_init(void) { return 0; }
int init_module(void) __attribute__((alias("real_init")));
void target(int a, char *b) { *b = a; }
void weak_alias(int a, char *b) __attribute__((weak, alias("target")));
// Aliases of one name with static linkage are fine, too.
