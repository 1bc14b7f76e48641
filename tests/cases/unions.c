// Unions: all members at 0; bit-fields in them, too.
// expect: UNION u size=8 { i: int @0; p: *void @0; c: [8]char @0 }
// expect: UNION bits size=4 { low: unsigned int @0:4; all: unsigned int @0 }
// expect: UNION empty size=0 { }
union u { int i; void *p; char c[8]; } x;
union bits { unsigned low : 4; unsigned all; } y;
union empty { } z;
