// What is only declared is a FWD of its own sort; what is defined anywhere in the file is not.
// units: A B
// link: rel
// expect: FWD struct never
// expect: FWD union never_either
// expect: MEMBER s.known: *struct known @0
// expect[64]: MEMBER s.never: *fwd struct never @64
// expect[32]: MEMBER s.never: *fwd struct never @32
// expect: STRUCT known size=4 { x: int @0 }
// expect-not: FWD struct known
// count: STRUCT s 1
struct known; struct never; union never_either;
#ifdef B
struct known { int x; } k;
#endif
struct s { struct known *known; struct never *never; union never_either *either; } s
#ifdef A
;
struct s *a;
#else
__attribute__((weak));
#endif
