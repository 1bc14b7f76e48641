// Types in units of their own (-fdebug-types-section) are read like others, also one that only a variable refers to, whose DIE nobody
// else has a use for. (The reference writes empty structs.)
// cflags: -fdebug-types-section
// expect[64]: STRUCT s size=16 { a: int @0; next: *struct s @64 }
// expect[32]: STRUCT s size=8 { a: int @0; next: *struct s @32 }
// expect[64]: STRUCT known_by_variable size=24 { s: struct s @0; e: enum e @128 }
// expect[32]: STRUCT known_by_variable size=12 { s: struct s @0; e: enum e @64 }
// expect: ENUM e size=4 { A=0 }
// expect: FUNC f(p: *struct s) -> int
// count: STRUCT 2
struct s { int a; struct s *next; };
struct known_by_variable { struct s s; enum e { A } e; } x;
int f(struct s *p) { return p->a; }
