// Functions in any section count: each alone in its own, init code that is freed, code at offset 0.
// link: rel
// cflags: -ffunction-sections
// expect: FUNC starts_up(a: int) -> int
// expect: FUNC ends() -> void
// expect: FUNC normal(b: int) -> int
__attribute__((section(".init.text"))) int starts_up(int a) { return a; }
__attribute__((section(".exit.text"))) void ends(void) { }
int normal(int b) { return b; }
