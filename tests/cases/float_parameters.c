// Floating-point parameters shift no registers that matter: the symbol is called as the source says (W4).
// expect: FUNC mix(a: int, d: double, b: int) -> double
// expect: FUNC ld(l: long double, a: int) -> int
double mix(int a, double d, int b) { return a + d + b; }
int ld(long double l, int a) { return l > a; }
