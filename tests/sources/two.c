#include "shared.h"

struct conflict { char *b; struct conflict *next; };
struct later { struct item *items[4]; struct conflict conflict; };
__attribute__((section(".data..percpu"), used)) struct later *per_cpu_later;

KEPT int give(struct later *later, struct item *item) { return helper(item, 4) + *later->conflict.b; }
KEPT int entry(struct later *later, word w, ...) { return take(later->items[1], w); }
