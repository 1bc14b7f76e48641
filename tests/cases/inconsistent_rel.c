// The same before linking: `ld -r` keeps both codes, and one symbol at the strong one.
// units: A B
// link: rel
// expect: FUNC hook(p: u32, flags: *volatile int) -> int
// expect-not: FUNC hook(old
typedef unsigned int u32;
#ifdef A
__attribute__((weak)) int hook(unsigned int old, int *flags) { return old + *flags; }
int caller(void) { int z = 0; return hook(1, &z); }
#else
int hook(u32 p, volatile int *flags) { return p - *flags; }
#endif
