// Dead parameters of a function that others can call are passed all the same (W2).
// expect: FUNC callback(ctx: *void, unused: int, used: int) -> int
// expect: FUNC all_dead(a: int, b: int) -> int
int callback(void *ctx, int unused, int used) { return used; }
int all_dead(int a, int b) { return 7; }
