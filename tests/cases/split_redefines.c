// A struct of the same name that differs is the module's own, with what contains it; -v counts it.
// base: K
// units: M
// link: rel
// expect: STRUCT config size=8 { a: int @0; b: int @32 }
// expect[64]: STRUCT user size=8 { c: *struct config @0 }
// expect[32]: STRUCT user size=4 { c: *struct config @0 }
// expect-not: STRUCT same
// twice: PTR *struct config
// stderr: 1 redefined
struct same { int x; } s;
#ifdef K
struct config { int a; } c;
struct config *pc;
#else
struct config { int a, b; } c;
struct user { struct config *c; } u;
struct same *ps;
#endif
