// Qualifiers stand where DWARF has them.
// expect: MEMBER q.a: *const char @0
// expect: MEMBER q.b: const *char @64
// expect: MEMBER q.c: volatile int @128
// expect[gcc]: MEMBER q.d: const volatile int @160
// expect[clang]: MEMBER q.d: const volatile int @160
// expect: MEMBER q.e: *const void @192
// expect: MEMBER q.f: **const char @256
// expect: FUNC copy(to: restrict *char, from: restrict *const char) -> void
struct q { const char *a; char *const b; volatile int c; const volatile int d; const void *e; const char **f; };
struct q *use;
void copy(char *restrict to, const char *restrict from) { *to = *from; }
