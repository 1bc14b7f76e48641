// The feature true_signature: the compiler's clones under their full names, by the parameters that are left (W25: the reference keeps those
// that became constants, has no effect on modules, and makes two clones of one name one function).
// units: A B
// cc: gcc - clang makes no such clones
// opt: -O2 - the optimiser does it
// link: rel
// expect: FUNC constant(v: int) -> int
// expect-not: FUNC both(
// args: --btf_features=+true_signature
// expect: FUNC constant.constprop.0(v: int) -> int
// expect-not: FUNC constant(
// expect-not: FUNC both.constprop.0(
// expect-not: FUNC taken_apart
// expect: FUNC user_A(p: *struct s, v: int) -> int
// expect: FUNC user_B(p: *struct s, v: int) -> int
// stderr: ambiguous address: several functions have this name; first `both.constprop.0`
// args: --btf_features=+true_signature --compat=pahole
// expect-not: FUNC constant.constprop.0
// expect: FUNC user_A
// stderr: feature `true_signature` is ignored with --compat
struct s { int a, b; };
extern int sink(int, int);
#define CLONE static __attribute__((noinline)) int
CLONE both(int k, int v) { return sink(k, v) * sink(v, k); }
#ifdef A
CLONE constant(int k, int v) { return sink(k, v) + sink(v, k); }
CLONE taken_apart(struct s *p, int v) { return sink(p->a, v) + sink(v, 2); }
int user_A(struct s *p, int v)
{
	return constant(5, v) + constant(5, v + 2) + taken_apart(p, v) + taken_apart(p, v + 1) + both(1, v) + both(1, v + 1);
}
#else
int user_B(struct s *p, int v) { return both(2, v) + both(2, v + 1) + p->a; }
#endif
