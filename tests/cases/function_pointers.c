// Prototypes behind pointers have no parameter names; `...` and `()` end in a parameter without a type.
// expect: MEMBER ops.open: *func(*struct ops, int) -> int @0
// expect[64]: MEMBER ops.log: *func(*const char, ...) -> int @64
// expect[32]: MEMBER ops.log: *func(*const char, ...) -> int @32
// expect[64]: MEMBER ops.old: *func(...) -> int @128
// expect[32]: MEMBER ops.old: *func(...) -> int @64
// expect[64]: MEMBER ops.none: *func() -> void @192
// expect[32]: MEMBER ops.none: *func() -> void @96
// expect[64]: MEMBER ops.get: *func(int) -> *func(int) -> int @256
// expect[32]: MEMBER ops.get: *func(int) -> *func(int) -> int @128
// expect[64]: MEMBER ops.table: [3]*func() -> void @320
// expect[32]: MEMBER ops.table: [3]*func() -> void @160
// expect: TYPEDEF handler_t = *func(*void, *int) -> void
// Arrays as parameters are pointers.
// expect-not: TYPEDEF handler_t = *func(*void, [2]int)
struct ops {
    int (*open)(struct ops *, int);
    int (*log)(const char *, ...);
    int (*old)();
    void (*none)(void);
    int (*(*get)(int))(int);
    void (*table[3])(void);
};
typedef void (*handler_t)(void *, int[2]);
struct ops o;
handler_t h;
