// A flat base: the module is flattened, too, so that what both have is found in it; -v says so.
// base: K
// base-args: --dialect=pahole-1.31
// units: M
// link: rel
// base-expect: MEMBER grid.cells: [15]long_t @0
// expect-not: STRUCT grid
// expect[64]: MEMBER own.more: [6]int @64
// expect[32]: MEMBER own.more: [6]int @32
// stderr: dialect arrays=flat
// stderr: (of the base, following it)
// stderr: 0 redefined
typedef long long_t;
struct grid { long_t cells[3][5]; };
struct grid *grid;
#ifdef M
struct own { struct grid *g; int more[2][3]; } own;
#endif
