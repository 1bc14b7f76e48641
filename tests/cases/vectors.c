// Vectors are arrays; in an array without a typedef between them, too.
// expect: TYPEDEF v4 = [4]float
// expect: MEMBER s.v: v4 @0
// expect: MEMBER s.va: [2]v4 @128
// expect: FUNC add(a: v4, b: v4) -> v4
typedef float v4 __attribute__((vector_size(16)));
struct s { v4 v; v4 va[2]; } x;
v4 add(v4 a, v4 b) { return a + b; }
