// Types in functions are types like all others, also in functions that were inlined away (clang drops those that are not used).
// expect: STRUCT in_function size=4 { x: int @0 }
// expect[gcc,64]: STRUCT in_block size=8 { y: *void @0 }
// expect[gcc,32]: STRUCT in_block size=4 { y: *void @0 }
// expect[gcc]: STRUCT in_inlined size=2 { a: char @0; b: char @8 }
static inline int inlined(int v) { struct in_inlined { char a, b; } z = { v, 2 }; return z.a + z.b; }
int f(int v) {
    struct in_function { int x; } a = { v };
    if (v) { struct in_block { void *y; } b = { &v }; return b.y == &a; }
    return a.x + inlined(v);
}
