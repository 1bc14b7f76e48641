// Qualifiers stand where DWARF has them.
// expect: MEMBER q.a: *const char @0
// expect[64]: MEMBER q.b: const *char @64
// expect[32]: MEMBER q.b: const *char @32
// expect[64]: MEMBER q.c: volatile int @128
// expect[32]: MEMBER q.c: volatile int @64
// expect[gcc,64]: MEMBER q.d: const volatile int @160
// expect[gcc,32]: MEMBER q.d: const volatile int @96
// expect[clang,64]: MEMBER q.d: const volatile int @160
// expect[clang,32]: MEMBER q.d: const volatile int @96
// expect[64]: MEMBER q.e: *const void @192
// expect[32]: MEMBER q.e: *const void @128
// expect[64]: MEMBER q.f: **const char @256
// expect[32]: MEMBER q.f: **const char @160
// expect: FUNC copy(to: restrict *char, from: restrict *const char) -> void
struct q { const char *a; char *const b; volatile int c; const volatile int d; const void *e; const char **f; };
struct q *use;
void copy(char *restrict to, const char *restrict from) { *to = *from; }
