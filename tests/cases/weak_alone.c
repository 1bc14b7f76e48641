// A weak function that nothing replaces is a function like all others.
// expect: FUNC weak_one(a: int) -> int
__attribute__((weak)) int weak_one(int a) { return a; }
