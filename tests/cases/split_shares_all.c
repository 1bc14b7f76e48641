// A module that has nothing of its own but a function: typedefs, pointers, prototypes, cyclic structs all come from the base (W15: the
// reference writes every typedef again, and all that hangs on them).
// base: K
// units: M
// link: rel
// expect: FUNC run(t: *struct task, h: handler_t, n: u32) -> int
// count: FUNC 1
// expect-not: STRUCT
// expect-not: TYPEDEF
// expect-not: PTR
// expect-not: INT
// expect-not: ENUM
// expect-not: UNION
// expect-not: FUNC_PROTO
// stderr: 0 redefined
typedef unsigned int u32;
struct task;
typedef int (*handler_t)(struct task *, u32);
struct mm { struct task *owner; union { u32 flags; char bytes[4]; }; };
enum state { RUNNING, DEAD = -1 };
struct task { struct mm *mm; struct task *parent; enum state state; handler_t handler; int table[2][3]; };
#ifdef K
int run(struct task *t, handler_t h, u32 n) { return h(t, n) + t->state; }
struct task init_task;
#else
int run(struct task *t, handler_t h, u32 n) { return h(t, n) - t->state; }
#endif
