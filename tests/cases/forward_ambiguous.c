// With two different definitions a declaration elsewhere could mean either, and stays what it is.
// units: A B C
// link: rel
// count: STRUCT priv 2
// expect: FWD struct priv
// expect: MEMBER user.p: *fwd struct priv @0
// twice: PTR *struct priv
#if defined(A)
struct priv { int a; };
struct priv pa; struct priv *ppa = &pa;
#elif defined(B)
struct priv { void *b; };
struct priv pb; struct priv *ppb = &pb;
#else
struct priv;
struct user { struct priv *p; } u;
#endif
