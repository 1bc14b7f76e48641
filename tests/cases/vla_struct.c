// GNU C: a struct whose size is known at run time only. Its members cannot be placed in a struct of size 0; the rest of the file is fine.
// cc: gcc - clang has no such structs
// expect: FUNC f(n: int) -> int
// expect: STRUCT dynamic size=0 { first: int @0
// expect-not: MEMBER dynamic.last
// expect: STRUCT after size=4 { x: int @0 }
int f(int n) {
    struct dynamic { int first; char data[n]; int last; } s;
    struct after { int x; } a = { n };
    s.first = n;
    s.last = a.x;
    return s.first + s.last + sizeof(s);
}
