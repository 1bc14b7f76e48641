// The same types on every machine: its sizes, its byte order, its relocations.
// machines: all
// link: rel
// expect: STRUCT bits size=8 { a: int @
// expect: MEMBER bits.byte: char @40
// expect: MEMBER bits.b: unsigned int @3:5
// expect[native,arm64,loongarch64,mips64el,ppc64el,riscv64,s390x]: STRUCT words size=40
// expect[armhf,mips]: STRUCT words size=32
// expect[i386]: STRUCT words size=24
// expect[native,arm64,loongarch64,mips64el,ppc64el,riscv64,s390x]: MEMBER words.p: *struct bits @64
// expect[armhf,i386,mips]: MEMBER words.p: *struct bits @32
// expect: ENUM e size=4 signed { MINUS=-1, PLUS=1 }
// expect: ENUM64 wide size=8 { HIGH=1099511627776 }
// expect: UNION u size=8 { d: double @0; b: [8]unsigned char @0 }
// expect: VAR counter: int global
// expect[O0]: DATASEC .data..percpu size=? { first @0 +1; counter @4 +4 }
// expect: FUNC add(w: *struct words, x: int) -> int
struct bits { int a : 3; unsigned b : 5; unsigned c : 24; char pad, byte; };
enum e { MINUS = -1, PLUS = 1 };
enum wide { HIGH = 1ull << 40 };
union u { double d; unsigned char b[8]; };
struct words { long l; struct bits *p; int (*ull)(long long); union u u; enum wide *w; };
__attribute__((section(".data..percpu"))) char first = 1;
__attribute__((section(".data..percpu"))) int counter = 2;
union u u;
enum e e;
int add(struct words *w, int x) { return w->ull(x) + w->p->a + w->u.b[0] + *w->w + e + u.b[1]; }
