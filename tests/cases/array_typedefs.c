// Dimensions that come through a typedef stay separate also where arrays are flat (clang; gcc looks through the typedef).
// expect[clang]: MEMBER s.t: [2][5]row_t @0
// expect[gcc]: MEMBER s.t: [2][5][3]int @0
// expect: TYPEDEF row_t = [3]int
// args: --dialect=flat
// expect[clang]: MEMBER s.t: [10]row_t @0
// expect[gcc]: MEMBER s.t: [30]int @0
typedef int row_t[3];
struct s { row_t t[2][5]; } x;
row_t r;
