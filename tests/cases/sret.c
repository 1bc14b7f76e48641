// Structs that are returned in memory, or passed in any way: the prototype is the source's (W3: the reference leaves out those
// with a hidden pointer).
// expect: FUNC ret24(a: int, b: int) -> struct s24
// expect: FUNC ret16(a: int) -> struct s16
// expect: FUNC take24(s: struct s24, a: int) -> int
// expect: FUNC take16(s: struct s16, a: int) -> int
// expect: FUNC take_union(u: union u24, a: int) -> int
// expect: FUNC take_packed(a: int, b: int, c: int, d: int, e: int, f: int, p: struct packed) -> int
struct s24 { void *a, *b; int c, d; };
struct s16 { void *a; int c, d; };
union u24 { struct s24 s; int i; };
struct packed { char c; int i; } __attribute__((packed));
struct s24 ret24(int a, int b) { return (struct s24){ 0, 0, a, b }; }
struct s16 ret16(int a) { return (struct s16){ 0, a, a }; }
int take24(struct s24 s, int a) { return s.c + a; }
int take16(struct s16 s, int a) { return s.c + a; }
int take_union(union u24 u, int a) { return u.i + a; }
int take_packed(int a, int b, int c, int d, int e, int f, struct packed p) { return a + b + c + d + e + f + p.i; }
