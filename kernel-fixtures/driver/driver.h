/* What the module's units share. */
#ifndef DRIVER_H
#define DRIVER_H

#include "device.h"
#include "sched.h"

#define RING_SIZE 32

enum ring_state {
    RING_ERROR = -5,
    RING_IDLE = 0,
    RING_BUSY,
};

struct ring_entry {
    __be16 flags;
    u16 length : 12, last : 1, error : 3;
    u64 address;
} packed;

struct ring;

struct ring_ops {
    enum ring_state (*push)(struct ring *ring, struct sk_buff *skb);
    struct sk_buff *(*pop)(struct ring *ring);
};

struct ring {
    const struct ring_ops *ops;
    spinlock_t lock;
    unsigned int head, tail;
    struct sk_buff *skbs[RING_SIZE];
    union {
        struct ring_entry *entries;
        u64 dma;
    };
    u32 histogram[4][RING_SIZE];
};

/* The kernel only knows that there is such a struct. */
struct driver_private {
    struct device *device;
    struct driver_private *next;
    struct task_struct *worker;
    struct ring rx, tx;
    unsigned int quirks;
    u64 counters[];
};

extern const struct ring_ops simple_ring_ops;
void ring_init(struct ring *ring, struct ring_entry *entries);
void stats_add(struct driver_private *priv, unsigned int which, u64 amount);

#endif
