// Static functions of one name in two files, linked: the name would not tell which is meant.
// units: A B
// link: yes
// expect-not: FUNC active_show
// expect: FUNC use_a() -> int
// expect: FUNC use_b() -> int
// stderr[gcc]: ambiguous address: several functions have this name; first `active_show`
// stderr[clang,O0]: ambiguous address: several functions have this name; first `active_show`
static __attribute__((noinline)) int active_show(int x) { return x; }
#ifdef A
int use_a(void) { return active_show(1); }
#else
int use_b(void) { return active_show(2); }
#endif
