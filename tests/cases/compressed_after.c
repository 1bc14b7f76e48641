// Debug sections that objcopy compressed, also in the old form (.zdebug).
// link: rel
// objcopy: --compress-debug-sections=zlib-gnu
// expect: STRUCT s size=16 { a: int @0; next: *struct s @64 }
// expect: FUNC f(p: *struct s) -> int
struct s { int a; struct s *next; };
int f(struct s *p) { return p->a; }
