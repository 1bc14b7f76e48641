// Sizes, offsets, packing and alignment are those of the compiler; packing leaves no other trace.
// expect[64]: STRUCT plain size=16 { c: char @0; l: *void @64 }
// expect[32]: STRUCT plain size=8 { c: char @0; l: *void @32 }
// expect[64]: STRUCT packed size=9 { c: char @0; l: *void @8 }
// expect[32]: STRUCT packed size=5 { c: char @0; l: *void @8 }
// expect: STRUCT aligned size=64 { c: char @0 }
// expect: STRUCT empty size=0 { }
// expect[64]: STRUCT outer size=24 { p: struct plain @0; e: struct empty @128; last: char @128 }
// expect[32]: STRUCT outer size=12 { p: struct plain @0; e: struct empty @64; last: char @64 }
struct plain { char c; void *l; };
struct packed { char c; void *l; } __attribute__((packed));
struct aligned { char c; } __attribute__((aligned(64)));
struct empty { };
struct outer { struct plain p; struct empty e; char last; } o;
struct packed p; struct aligned a;
