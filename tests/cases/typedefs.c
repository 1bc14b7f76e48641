// Chains of typedefs, typedefs of anonymous types, and one of the name of its struct.
// expect: TYPEDEF u32 = __u32
// expect: TYPEDEF __u32 = unsigned int
// expect: TYPEDEF atomic_t = struct { counter: int @0 }
// expect: TYPEDEF list = struct list
// expect[64]: STRUCT list size=8 { next: *list @0 }
// expect[32]: STRUCT list size=4 { next: *list @0 }
// expect: TYPEDEF fn = func(int) -> int
// expect: TYPEDEF nothing = void
typedef unsigned int __u32; typedef __u32 u32;
typedef struct { int counter; } atomic_t;
typedef struct list list;
struct list { list *next; };
typedef int fn(int);
typedef void nothing;
u32 a; atomic_t b; list c; fn *d; nothing *e;
