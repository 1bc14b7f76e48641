// Several dimensions nest (as pahole 1.32 writes them) or become one (as it did before).
// expect: MEMBER a.one: [3]int @0
// expect: MEMBER a.two: [2][3]int @96
// expect: MEMBER a.three: [2][3][4]char @288
// expect: MEMBER a.zero: [0]int @480
// expect: MEMBER a.zero_two: [0][3]int @480
// expect[gcc]: MEMBER a.names: const [4][8]const char @480
// expect[clang]: MEMBER a.names: [4][8]const char @480
// expect[64]: MEMBER a.row: [5]*[3]int @768
// expect[32]: MEMBER a.row: [5]*[3]int @736
// expect[64]: MEMBER a.flexible: [0]long_t @1088
// expect[32]: MEMBER a.flexible: [0]long_t @896
// count: ARRAY [3]int 1
// args: --dialect=pahole-1.31
// expect: MEMBER a.two: [6]int @96
// expect: MEMBER a.three: [24]char @288
// expect: MEMBER a.zero_two: [0]int @480
// expect[gcc]: MEMBER a.names: const [32]const char @480
// expect: MEMBER a.one: [3]int @0
// expect[64]: MEMBER a.row: [5]*[3]int @768
// expect[32]: MEMBER a.row: [5]*[3]int @736
// args: --dialect=arrays=flat
// expect: MEMBER a.two: [6]int @96
typedef long long_t;
struct a {
    int one[3], two[2][3];
    char three[2][3][4];
    int zero[0], zero_two[0][3];
    const char names[4][8];
    int (*row[5])[3];
    long_t flexible[];
} *x;
