// An alias of a function that shares its name with another: it is not ambiguous itself, and the function's symbol is not the first of
// its name. (clang leaves the alias only of those that nothing else calls, so that another unit's function is the one of its name.)
// units: FIRST SECOND
// link: rel
// expect: FUNC init_module() -> int
// expect: FUNC weak_alias(a: int, b: *char) -> void
// expect-not[gcc]: FUNC start
// expect-not: FUNC target
#ifdef FIRST
__attribute__((used)) static long start(void) { return 0; }
__attribute__((used)) static void target(int a) { (void)a; }
int _start(void) { return 0; }
#else
__attribute__((used)) static int start(void) { return 0; }
__attribute__((used)) static void target(int a, char *b) { *b = a; }
int init_module(void) __attribute__((alias("start")));
void weak_alias(int a, char *b) __attribute__((weak, alias("target")));
#endif
