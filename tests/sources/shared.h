/* What the units of tests/sources.rs have in common: something of everything, so that much of it can be moved out of them. */
#ifndef SHARED_H
#define SHARED_H
#define KEPT __attribute__((noinline, used)) NOCLONE
#ifdef __clang__
#define NOCLONE
#else
#define NOCLONE __attribute__((noclone))
#endif

struct list { struct list *next, **prev; };
enum state { IDLE, BUSY = 7 };
typedef unsigned long word;
struct later;
struct item {
    struct list list;
    word flags : 3, rest : 29;
    enum state state;
    union { int i; struct { short lo, hi; }; } u;
    void (*done)(struct item *item, enum state state);
    struct later *later;
    const volatile char *const name;
    int grid[2][3];
};
static inline int helper(const struct item *item, int n) { return item->u.i + n; }
int give(struct later *later, struct item *item);
int take(struct item *item, word w);
#endif
