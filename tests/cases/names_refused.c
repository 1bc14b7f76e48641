// Names with characters that kernels refuse are changed, so that the type is kept (W21: with the reference's BTF the kernel would
// refuse the module). A function is named by its symbol, which cannot be changed: it is left out.
// expect: STRUCT s_t size=4 { f_x: int @0 }
// expect: TYPEDEF t_d = int
// expect: ENUM e_e size=4 { V_1=1 }
// expect: FUNC plain(p_q: *struct s_t) -> int
// expect-not: FUNC f
// stderr: name not accepted by kernels; first `f$n`
// stderr: names changed to what kernels accept
struct s$t { int f$x; };
typedef int t$d;
enum e$e { V$1 = 1 } e;
t$d d;
int plain(struct s$t *p$q) { return p$q->f$x; }
int f$n(struct s$t *p) { return p->f$x; }
