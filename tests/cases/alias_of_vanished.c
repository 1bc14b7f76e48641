// clang leaves the alias only of a static function that nothing else calls, as `module_init()` makes it; gcc keeps both names. The DIE
// has the function's own name and its code's address.
// link: rel
// expect: FUNC init_module() -> int
// expect: FUNC cleanup_module() -> void
// expect[gcc]: FUNC start() -> int
// args: --compat=pahole
// expect-not: FUNC init_module
static __attribute__((used, section(".init.text"))) int start(void) { return 0; }
int init_module(void) __attribute__((alias("start")));
static __attribute__((used, section(".exit.text"))) void stop(void) { }
void cleanup_module(void) __attribute__((alias("stop")));
