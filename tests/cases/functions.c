// Global and static functions, by name; with what they take and return. `()` takes anything, `...` too.
// expect: FUNC global(a: int, b: *const char) -> *void
// expect: FUNC local(a: int) -> int
// expect: FUNC nothing() -> void
// expect: FUNC variadic(fmt: *const char, ...) -> int
// expect: FUNC seven(a: int, b: int, c: int, d: int, e: int, f: int, g: *void) -> int
// expect: FUNC returns_pointer() -> *func(int) -> int
// Functions that are only declared have no code here.
// expect-not: FUNC external
extern int external(int);
void *global(int a, const char *b) { return (void *)(b + a); }
static __attribute__((noinline, noipa)) int local(int a) { return external(a) + 1; }
void nothing(void) { asm volatile("" ::: "memory"); }
int variadic(const char *fmt, ...) { return local(*fmt); }
int seven(int a, int b, int c, int d, int e, int f, void *g) { return a + b + c + d + e + f + !g; }
int (*returns_pointer(void))(int) { return external; }
