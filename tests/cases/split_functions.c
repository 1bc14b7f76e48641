// Functions are never taken from the base, not even those that are called the same and take the same (W11: the reference loses them).
// base: K
// units: M
// link: rel
// expect: FUNC init_once(p: *void) -> void
// count: FUNC 1
// count: FUNC_PROTO 0
void init_once(void *p) { *(int *)p = 1; }
