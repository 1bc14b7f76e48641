// Flexible array members of structs and, as kernels wrap them, in a union's struct.
// expect: STRUCT msg size=4 { len: int @0; data: [0]char @32 }
// expect: STRUCT wrapped size=8 { n: int @0; (anon): union { (anon): struct { none: struct { } @0; items: [0]int @0 } @0; first: int @0 } @32 }
struct msg { int len; char data[]; } *m;
struct wrapped { int n; union { struct { struct { } none; int items[]; }; int first; }; } *w;
