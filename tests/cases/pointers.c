// Pointers to void have no target; each pointer type is there once.
// expect: MEMBER p.v: *void @0
// expect[64]: MEMBER p.i: *int @64
// expect[32]: MEMBER p.i: *int @32
// expect[64]: MEMBER p.ii: **int @128
// expect[32]: MEMBER p.ii: **int @64
// expect[64]: MEMBER p.self: *struct p @192
// expect[32]: MEMBER p.self: *struct p @96
// expect[64]: MEMBER p.f: *func() -> void @256
// expect[32]: MEMBER p.f: *func() -> void @128
// count: PTR *void 1
// count: PTR *int 1
struct p { void *v; int *i, **ii; struct p *self; void (*f)(void); void *again; int *too; } x;
