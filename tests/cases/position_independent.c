// A kernel that is linked to run anywhere (ET_DYN), as on arm64 and s390x.
// link: yes
// cflags: -fPIE
// ldflags: -pie --no-dynamic-linker -z notext
// expect: FUNC f(s: *struct s) -> int
// expect: VAR counter: int global
// expect: DATASEC .data..percpu size=4 { counter @0 +4 }
struct s { int a; struct s *next; };
struct s first = { 1, &first };
int f(struct s *s) { return s->a; }
__attribute__((section(".data..percpu"))) int counter = 1;
