/* A ring of packets: the module's own structs over the kernel's. */
#include "driver.h"

static enum ring_state ring_push(struct ring *ring, struct sk_buff *skb)
{
    struct ring_entry *entry = &ring->entries[ring->head % RING_SIZE];

    if (ring->head - ring->tail >= RING_SIZE)
        return RING_BUSY;
    entry->length = skb->len;
    entry->last = 1;
    ring->skbs[ring->head++ % RING_SIZE] = skb;
    ring->histogram[skb->headers.pkt_type & 3][ring->head % RING_SIZE]++;
    return RING_IDLE;
}

static struct sk_buff *ring_pop(struct ring *ring)
{
    return ring->head == ring->tail ? NULL : ring->skbs[ring->tail++ % RING_SIZE];
}

const struct ring_ops simple_ring_ops = { ring_push, ring_pop };

void ring_init(struct ring *ring, struct ring_entry *entries)
{
    ring->ops = &simple_ring_ops;
    ring->entries = entries;
    ring->head = ring->tail = 0;
}
