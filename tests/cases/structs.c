// Sizes, offsets, packing and alignment are those of the compiler; packing leaves no other trace.
// expect: STRUCT plain size=16 { c: char @0; l: *void @64 }
// expect: STRUCT packed size=9 { c: char @0; l: *void @8 }
// expect: STRUCT aligned size=64 { c: char @0 }
// expect: STRUCT empty size=0 { }
// expect: STRUCT outer size=24 { p: struct plain @0; e: struct empty @128; last: char @128 }
struct plain { char c; void *l; };
struct packed { char c; void *l; } __attribute__((packed));
struct aligned { char c; } __attribute__((aligned(64)));
struct empty { };
struct outer { struct plain p; struct empty e; char last; } o;
struct packed p; struct aligned a;
