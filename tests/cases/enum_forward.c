// An enum that is only declared is an ENUM without values, never a FWD.
// expect[gcc]: ENUM later size=4 { }
// expect-not: FWD
enum later;
struct s { enum later *p; } x;
