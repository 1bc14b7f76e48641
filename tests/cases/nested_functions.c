// A function in a function (gcc) has a symbol with a number: `inner.0`.
// cc: gcc - clang has no functions in functions
// opt: -O0 - the optimiser makes a clone of it
// expect: FUNC outer(a: int) -> int
int outer(int a) {
    int inner(int b) { return a + b; }
    return inner(3) + inner(4);
}
