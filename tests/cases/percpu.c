// Per-CPU variables: those of `.data..percpu`, with a data section that lists them in order. Other variables are none, nor are
// those in functions, or only declared.
// link: rel
// expect: VAR runqueue: struct rq global
// expect: VAR counter: int static
// expect: VAR zeroed: [4]int global
// expect: VAR pointer: *struct rq static
// expect: DATASEC .data..percpu size=?
// expect-not: VAR ordinary
// expect-not: VAR elsewhere
// expect-not: VAR in_function
// count: VAR 4
// count: DATASEC 1
// args: --btf_features=float,enum64
// expect-not: VAR
// expect-not: DATASEC
// expect[64]: STRUCT rq size=16
// expect[32]: STRUCT rq size=8
#define DEFINE_PER_CPU(type, name) __attribute__((section(".data..percpu"))) __attribute__((used)) __typeof__(type) name
struct rq { int nr; void *curr; };
DEFINE_PER_CPU(struct rq, runqueue) = { 1, 0 };
static DEFINE_PER_CPU(int, counter) = 2;
DEFINE_PER_CPU(int[4], zeroed) = { 0 };
static DEFINE_PER_CPU(struct rq *, pointer) = &runqueue;
extern DEFINE_PER_CPU(int, elsewhere);
int ordinary = 3;
int f(void) {
    static DEFINE_PER_CPU(int, in_function) __attribute__((used)) = 5;
    return counter + in_function + elsewhere + (pointer != 0);
}
