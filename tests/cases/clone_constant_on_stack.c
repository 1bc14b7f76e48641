// A constant instead of a parameter that the calling convention puts on the stack: the clone does not take it, wherever it was. The reference,
// in a linked file, takes note of a DW_AT_const_value, but not of a location that is a constant (here since the parameter is assigned to), if
// the parameter is beyond those that have registers.
// machines: native - how many parameters have registers differs
// cc: gcc - clang makes no such clones
// opt: -O2 - the optimiser does it
// link: yes
// expect: FUNC last_assigned(a: int, b: int, c: int, d: int, e: int, f: int) -> int
// expect: FUNC assigned(a: int, b: int, c: int, d: int, e: int, g: int) -> int
// expect: FUNC last_gone(a: int, b: int, c: int, d: int, e: int, f: int) -> int
// args: --compat=pahole
// expect: FUNC last_assigned(a: int, b: int, c: int, d: int, e: int, f: int, g: int) -> int
// expect-not: FUNC assigned
// expect-not: FUNC last_gone
int __attribute__((noipa)) sink(int a, ...) { return a; }
#define CLONED static __attribute__((noinline)) int
CLONED last_assigned(int a, int b, int c, int d, int e, int f, int g)
{
	sink(a + b, c, d, e, f, g);
	if (a > 3)
		g = sink(b);
	return sink(g) + sink(a);
}
CLONED assigned(int a, int b, int c, int d, int e, int f, int g)
{
	sink(a + b, c, d, e, f, g);
	if (a > 3)
		f = sink(b);
	return sink(f) + sink(a);
}
CLONED last_gone(int a, int b, int c, int d, int e, int f, int g)
{
	sink(a + b, c, d, e, f, g);
	return sink(g) + sink(a);
}
int user(int a, int b, int c, int d, int e, int f)
{
	int n = last_assigned(a, b, c, d, e, f, 16) + last_assigned(b, a, c, d, e, f, 16);
	n += assigned(a, b, c, d, e, 16, f) + assigned(b, a, c, d, e, 16, f);
	return n + last_gone(a, b, c, d, e, f, 16) + last_gone(b, a, c, d, e, f, 16);
}
