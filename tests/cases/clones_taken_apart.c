// What IPA-SRA (.isra) may have done does not show in debug information: a result that nobody uses is gone, a struct passed by
// value is reduced to the member that is used. Such clones are not described, even if every parameter that is left is in place.
// cc: gcc - clang makes no such clones
// opt: -O2 - the optimiser does it
// link: rel
// expect-not: FUNC result_gone
// expect-not: FUNC by_value
// expect: FUNC user(p: *struct s, y: int)
struct s { long a, c, d[10]; struct s *n; };
struct pair { long a, b; };
extern void ext(long, ...);
static __attribute__((noinline)) int result_gone(struct s *p, int y) { ext(p->a, p, y); ext(y); return y * 5; }
static __attribute__((noinline)) long by_value(struct pair s, long y) { ext(s.a, y); ext(y); return y + 1; }
void user(struct s *p, int y) { result_gone(p, y); result_gone(p->n, y + 1); }
long user2(long a, long b, long y)
{
	struct pair s = { a, b }, t = { b, a };
	return by_value(s, y) + by_value(t, y + 2);
}
