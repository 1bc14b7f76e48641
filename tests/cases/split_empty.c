// A module without anything of its own: an empty BTF on top of the base, which readers accept (W26).
// base: K
// units: M
// link: rel
// count: INT 0
// count: STRUCT 0
// count: FUNC 0
struct s { int a; } s;
