// _Atomic is left out, what it qualifies stays (W28: the reference encodes nothing at all because of it).
// Before DWARF 5 the compilers do not say _Atomic.
// expect: MEMBER counters.a: int @0
// expect[64]: MEMBER counters.p: *int @64
// expect[32]: MEMBER counters.p: *int @32
// expect: FUNC next(c: *int) -> int
// expect[dwarf5]: TYPEDEF atomic_t = int
// stderr[dwarf5]: qualifiers that BTF does not know (_Atomic), left out
typedef _Atomic int atomic_t;
struct counters { _Atomic int a; _Atomic int *p; atomic_t t; } c;
int next(_Atomic int *c) { return *c; }
