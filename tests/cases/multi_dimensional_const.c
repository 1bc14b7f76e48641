// A qualifier of an array of arrays stands where the compiler puts it: on the whole (gcc) or on the elements (clang).
// expect[gcc]: MEMBER t.names: const [2][3]const char @0
// expect[clang]: MEMBER t.names: [2][3]const char @0
// expect: MEMBER t.pointers: [2][2]*const char @?
struct t { const char names[2][3]; const char *pointers[2][2]; } x;
