// Without a symbol table functions and variables are left out, with a warning; the types are there.
// objcopy: --strip-symbol=f --strip-symbol=g
// expect: STRUCT s size=4
// expect-not: FUNC f
struct s { int x; } g;
int f(struct s *p) { return p->x; }
// link: yes
