// Parameters in memory on entry, on a machine whose registers end early. Where they are later says nothing about how the function is called, and an
// expression that begins with the value of a register on entry is not that register. The reference takes ARM to have eight registers
// for parameters, and the registers that a number of two words moves to for those that it is passed in.
// cc: gcc - it is about what gcc writes
// machines: armhf - the machine it is about
// opt: -O2 - without optimisation all parameters are in memory
// expect[armhf]: FUNC moved(a: int, b: int, c: int, wide: long long int, e: int) -> int
// expect: FUNC scalar(a: int, b: int, c: int, d: int, e: int) -> int
// args: --compat=pahole
// expect-not[armhf]: FUNC moved
// expect: FUNC scalar(a: int, b: int, c: int, d: int, e: int) -> int
extern int sink(int, ...);
int moved(int a, int b, int c, long long wide, int e)
{
	for (int i = 0; i < a; i++) {
		wide += sink(b, c, wide);
		sink(e);
	}
	return sink(a, wide) + sink(c);
}
int scalar(int a, int b, int c, int d, int e)
{
	sink(e, b);
	e = b - 1; /* not computed: the debug information says how */
	sink(a, c, d);
	return sink(c);
}
