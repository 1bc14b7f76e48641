// Bit-fields of all sorts. One in a struct makes all its members say their size; the offsets are from the struct's start.
// expect: STRUCT flags size=12 { a: unsigned int @0:1; b: unsigned int @1:3; c: int @4:28; d: unsigned char @32:2; e: _Bool @64:1; plain: char @72; after: unsigned int @80:7 }
// expect: STRUCT zero size=8 { a: int @0:3; b: int @32:3 }
// expect: STRUCT packed size=5 { a: unsigned int @0:3; b: unsigned int @3:31; c: unsigned int @34:5 }
// expect: STRUCT wide size=16 { a: u64 @0:33; b: u64 @33:31; c: u64 @64:40 }
// expect: STRUCT typed size=4 { m: enum mode @0:2; f: flag_t @2:1; n: const unsigned int @3:5 }
// expect: STRUCT anonymous_hole size=4 { a: int @0:5; b: int @12:5 }
// A field as wide as its type: gcc says its width, clang does not.
// expect[gcc]: STRUCT full size=8 { a: int @0:32; b: int @32:3 }
// expect[clang]: STRUCT full size=8 { a: int @0; b: int @32:3 }
// dwarf: 2 3 4 5
typedef unsigned long long u64;
typedef _Bool flag_t;
enum mode { OFF, ON };
struct flags { unsigned a : 1, b : 3; int c : 28; unsigned char d : 2; int : 0; _Bool e : 1; char plain; unsigned after : 7; };
struct zero { int a : 3; int : 0; int b : 3; };
struct packed { unsigned a : 3, b : 31, c : 5; } __attribute__((packed));
struct wide { u64 a : 33, b : 31, c : 40; };
struct typed { enum mode m : 2; flag_t f : 1; const unsigned n : 5; };
struct anonymous_hole { int a : 5; int : 7; int b : 5; };
struct full { int a : 32; int b : 3; };
struct all { struct flags f; struct zero z; struct packed p; struct wide w; struct typed t; struct anonymous_hole h; struct full u; } all;
