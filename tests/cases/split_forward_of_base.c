// The module only declares what the base defines: it means that.
// base: K
// units: M
// link: rel
// expect: FUNC use(t: *struct task, u: *union data) -> int
// expect[64]: STRUCT holder size=8 { task: *struct task @0 }
// expect[32]: STRUCT holder size=4 { task: *struct task @0 }
// expect-not: FWD
// expect-not: PTR *struct task
struct task; union data;
#ifdef K
struct task { int pid; };
union data { int i; char c; };
int base_use(struct task *t, union data *u) { return t->pid + u->i; }
#else
struct holder { struct task *task; } h;
int use(struct task *t, union data *u) { return t != h.task && u; }
#endif
