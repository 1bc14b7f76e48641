// One symbol, two prototypes: a weak definition and the strong one that replaced it. The address decides for the strong one (W9: the
// reference gives up on both).
// units: A B
// link: yes
// expect: FUNC hook(p: u32, flags: *volatile int) -> int
// expect-not: FUNC hook(old
typedef unsigned int u32;
#ifdef A
__attribute__((weak)) int hook(unsigned int old, int *flags) { return old + *flags; }
int caller(void) { int z = 0; return hook(1, &z); }
#else
int hook(u32 p, volatile int *flags) { return p - *flags; }
#endif
