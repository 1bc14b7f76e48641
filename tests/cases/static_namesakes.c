// Static functions of one name in two files: the name would not tell which is meant, also when one stands at offset 0 of its
// section (W7: the reference keeps it then, under the prototype of the first).
// units: A B
// link: rel
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
