// Pointers to void have no target; each pointer type is there once.
// expect: MEMBER p.v: *void @0
// expect: MEMBER p.i: *int @64
// expect: MEMBER p.ii: **int @128
// expect: MEMBER p.self: *struct p @192
// expect: MEMBER p.f: *func() -> void @256
// count: PTR *void 1
// count: PTR *int 1
struct p { void *v; int *i, **ii; struct p *self; void (*f)(void); void *again; int *too; } x;
