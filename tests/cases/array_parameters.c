// An array as a parameter is a pointer to its elements; a variable length counts as 0.
// expect: FUNC sum(x: *[4]int) -> int
// expect: FUNC vla(n: int, x: *[0]int) -> int
int sum(int x[3][4]) { return x[2][3]; }
int vla(int n, int x[][n]) { return x[1][n - 1]; }
