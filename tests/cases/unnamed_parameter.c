// A parameter without a name: the prototype is true, but with an empty name the kernel would take it for none. (W12)
// cflags: -std=gnu2x
// expect-not: FUNC unnamed
// expect: FUNC other(a: int) -> int
// stderr: unnamed parameter: the debug information does not name it; first `unnamed`
int unnamed(int, int b) { return b; }
int other(int a) { return unnamed(a, a); }
