/* Packets and devices: bit-fields, packed headers, anonymous unions, arrays of arrays; a struct that only the module completes. */
#include "device.h"

static struct list_head devices = LIST_HEAD_INIT(devices);
static struct hlist_head names[16];
u32 default_priorities[8][2] = { { 1, 2 }, { 3, 4 } };

int register_device(struct device *device)
{
    list_add(&device->list, &devices);
    return device->p ? 0 : -1;
}
EXPORT_SYMBOL(register_device);

int register_netdev(struct net_device *device)
{
    struct hlist_head *bucket = &names[device->name[0] & 15];

    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 2; j++)
            device->prio_map[i][j] = default_priorities[i][j];
    device->name_hlist.next = bucket->first;
    bucket->first = &device->name_hlist;
    device->reg_state = NETREG_REGISTERED;
    return register_device(&device->dev);
}
EXPORT_SYMBOL(register_netdev);

struct sk_buff *alloc_skb(unsigned int size, gfp_t flags)
{
    struct sk_buff *skb = kmalloc(sizeof(*skb) + size, flags);

    skb->headers.pkt_type = 1;
    skb->fclone = 2;
    skb->len = size;
    return skb;
}
EXPORT_SYMBOL(alloc_skb);

void kfree_skb(struct sk_buff *skb)
{
    if (refcount_dec_and_test(&skb->users))
        kfree(skb);
}
EXPORT_SYMBOL(kfree_skb);

unsigned int checksum(const struct ip_header *restrict header, const volatile u8 *data, size_t count)
{
    unsigned int sum = header->ihl + header->version + header->addresses.source;

    while (count--)
        sum += *data++;
    return sum;
}
