// A base without ENUM64, as encoders before 6.0 made them: wide enums as they wrote them, so that they are found there.
// base: K
// base-args: --dialect=enum64=off
// units: M
// link: rel
// base-expect: ENUM wide size=8 { W=0 }
// expect-not: ENUM wide
// expect-not: STRUCT holder
// expect: ENUM own size=8 { O=2 }
// stderr: enum64=off
enum wide { W = 1ull << 40 };
struct holder { enum wide w; } h;
#ifdef M
enum own { O = (1ull << 33) + 2 } o;
#endif
