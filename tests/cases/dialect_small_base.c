// A small base whose only array of arrays looks like one of vectors: it is taken for what it is more likely to be.
// base: K
// units: M
// link: rel
// expect-not: STRUCT grid
// expect[64]: MEMBER own.more: [2][3]int @64
// expect[32]: MEMBER own.more: [2][3]int @32
// stderr: dialect arrays=nested
struct grid { long cells[3][4]; };
struct grid *grid;
#ifdef M
struct own { struct grid *g; int more[2][3]; } own;
#endif
