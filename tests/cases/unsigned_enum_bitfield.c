// Enums and booleans as bit-fields keep their types; a struct whose only bit-field is in a nested anonymous struct has none itself.
// expect: STRUCT outer size=8 { a: int @0; (anon): struct { e: enum e @0:3; b: _Bool @3:1 } @32 }
enum e { E0, E7 = 7 };
struct outer { int a; struct { enum e e : 3; _Bool b : 1; }; } x;
