// A definition with `()` says nothing about its parameters: it takes none that its code knows of.
// expect: FUNC old(
// expect: FUNC kr(a: int, b: *char) -> int
int old() { return 1; }
int kr(a, b) int a; char *b; { return a + *b; }
