// The base only declares a struct that the module defines: what refers to it in the base stays the base's; the module adds the definition
// and what points at it.
// base: K
// units: M
// link: rel
// base-expect: FWD struct private
// base-expect[64]: MEMBER device.p: *fwd struct private @64
// base-expect[32]: MEMBER device.p: *fwd struct private @32
// expect[64]: STRUCT private size=16 { device: *struct device @0; flags: int @64 }
// expect[32]: STRUCT private size=8 { device: *struct device @0; flags: int @32 }
// expect: FUNC probe(d: *struct device, p: *struct private) -> int
// expect: PTR *struct private
// expect-not: STRUCT device
// expect-not: STRUCT bus
// expect-not: FWD
// stderr: 0 redefined
struct private; struct bus;
struct device { struct device *parent; struct private *p; struct bus *bus; };
struct bus { struct device *first; int (*probe)(struct device *); };
#ifdef K
struct device root;
struct bus b;
#else
struct private { struct device *device; int flags; };
struct bus b;
int probe(struct device *d, struct private *p) { return p->flags + (d->p == p); }
#endif
