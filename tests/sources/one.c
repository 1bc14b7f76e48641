#include "shared.h"

/* Another one than that of two.c. */
struct conflict { int a; };
/* Known by a variable alone. */
struct known_by_variable { int seen; long by[4]; union only { int x; char y; } only; };
struct known_by_variable variable __attribute__((used));
__attribute__((section(".data..percpu"), used)) struct item per_cpu_item;

KEPT static int local(struct item *item, struct conflict *c) { return helper(item, 3) + c->a; }
KEPT int take(struct item *item, word w)
{
    struct conflict c = { (int)w };
    return local(item, &c) + give(item->later, item) + variable.seen;
}
