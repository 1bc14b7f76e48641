// A weak per-CPU variable and the strong one that replaced it: one entry at the place, with the type whose size
// its symbol confirms (W19: the
// reference writes both, which kernels refuse).
// units: A B
// link: yes
// count: VAR wv 1
// expect: VAR wv: struct wv global
#define PERCPU __attribute__((section(".data..percpu")))
struct wv { int a, b; };
#ifdef A
PERCPU __attribute__((weak)) int wv = 1;
int use(void) { return wv; }
#else
PERCPU struct wv wv = { 2 };
#endif
