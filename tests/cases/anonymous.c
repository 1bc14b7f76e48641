// Anonymous members keep their nesting; equal ones are one type.
// expect[64]: STRUCT task size=40 { state: int @0; (anon): union { a: int @0; (anon): struct { lo: char @0; hi: char @8 } @0 } @32; x: struct { f: int @0; g: int @32 } @64; y: struct { f: int @0; g: int @32 } @128; next: *struct task @192; e: enum { ONE=1, TWO=2 } @256 }
// expect[32]: STRUCT task size=32 { state: int @0; (anon): union { a: int @0; (anon): struct { lo: char @0; hi: char @8 } @0 } @32; x: struct { f: int @0; g: int @32 } @64; y: struct { f: int @0; g: int @32 } @128; next: *struct task @192; e: enum { ONE=1, TWO=2 } @224 }
// count: STRUCT (anon) 2
// count: UNION (anon) 1
struct task {
    int state;
    union { int a; struct { char lo, hi; }; };
    struct { int f, g; } x;
    struct { int f, g; } y;
    struct task *next;
    enum { ONE = 1, TWO } e;
} t;
