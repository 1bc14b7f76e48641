// Clones of the compiler, by the calling convention of each machine: .constprop without the parameter that became a constant, .isra, whose
// parameters are others, not at all.
// cc: gcc - clang makes no such clones
// machines: all
// opt: -O2 - the optimiser does it
// link: rel
// expect-not: FUNC apart
// expect[native,arm64,armhf,loongarch64,mips,mips64el,ppc64el,riscv64,s390x]: FUNC constant(v: int, w: *int) -> int
// expect: FUNC user(p: *struct s, v: int, w: *int) -> int
struct s { int a, b; };
extern int sink(int, int, int *);
static __attribute__((noinline)) int apart(struct s *p, int v) { return sink(p->a, v, 0) + sink(v, 2, 0); }
static __attribute__((noinline)) int constant(int k, int v, int *w) { return sink(k, v, w) + sink(v, k, w); }
int user(struct s *p, int v, int *w)
{
	return apart(p, v) + apart(p, v + 1) + constant(5, v, w) + constant(5, v + 2, w);
}
