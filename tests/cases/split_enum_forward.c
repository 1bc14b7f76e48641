// An enum that the module declares only is the base's; one that both define differently is the module's own.
// base: K
// units: M
// link: rel
// expect[64]: STRUCT m size=16 { known: *enum known @0; changed: enum changed @64 }
// expect[32]: STRUCT m size=8 { known: *enum known @0; changed: enum changed @32 }
// expect: ENUM changed size=4 { C1=1, C2=2 }
// expect-not: ENUM known
// stderr: 1 redefined
#ifdef K
enum known { K1 } k;
enum changed { C1 = 1 } c;
#else
enum known;
enum changed { C1 = 1, C2 };
struct m { enum known *known; enum changed changed; } m;
#endif
