// Compressed debug sections are read like others.
// cflags: -gz=zlib
// expect[64]: STRUCT s size=16 { a: int @0; next: *struct s @64 }
// expect[32]: STRUCT s size=8 { a: int @0; next: *struct s @32 }
// expect: FUNC f(p: *struct s) -> int
struct s { int a; struct s *next; };
int f(struct s *p) { return p->a; }
