// Functions whose symbols have nothing appended are called as the source says on every machine (W1: with clang the reference loses all of
// them with a scalar on riscv64 and ppc64el; W3: those that return a struct in memory; W4: those with floating-point numbers, pairs of
// registers, structs, and more parameters than there are registers).
// machines: all
// link: rel
// expect: FUNC one(a: int) -> int
// expect: FUNC pair(a: int, b: long long
// expect: FUNC real(a: float, b: double, c: int) -> double
// expect: FUNC large(s: struct large, a: int) -> int
// expect: FUNC small(s: struct small, a: int) -> int
// expect: FUNC packed(a: int, b: int, c: int, d: int, e: int, f: int, s: struct packed) -> int
// expect: FUNC in_memory(a: int, b: int) -> struct large
// expect: FUNC many(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int, j: int) -> int
// expect: FUNC dead(a: int, b: *void, c: int) -> int
// expect: FUNC variadic(a: int, ...) -> int
// expect: FUNC united(u: union either, a: int) -> int
struct large { long a, b, c, d; };
struct small { int a, b; };
struct packed { char a; long b; } __attribute__((packed));
union either { long a[3]; char b; };
extern int sink(int, ...);
int one(int a) { return sink(a) + a; }
int pair(int a, long long b, int c) { return sink(a, b) + c; }
double real(float a, double b, int c) { return sink(c) + a * b; }
int large(struct large s, int a) { return sink(s.a) + s.d + a; }
int small(struct small s, int a) { return sink(s.a) + s.b + a; }
int packed(int a, int b, int c, int d, int e, int f, struct packed s) { return sink(f) + s.b; }
struct large in_memory(int a, int b) { sink(a); return (struct large){ a, b }; }
int many(int a, int b, int c, int d, int e, int f, int g, int h, int i, int j) { return sink(a) + i + j; }
int dead(int a, void *b, int c) { return sink(c); }
int variadic(int a, ...) { return sink(a); }
int united(union either u, int a) { return sink(u.a[1]) + a; }
