// A function that takes and returns nothing needs no types but its own.
// expect: FUNC nothing() -> void
// count: INT 0
// count: FUNC_PROTO 1
void nothing(void) { }
