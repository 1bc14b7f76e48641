/* The module's entry points, its ops tables, and a kfunc. */
#include "btf_ids.h"
#include "driver.h"

MODULE_INFO(license, "Dual MIT/GPL");
MODULE_INFO(description, "a network device that goes nowhere");

static struct net_device *the_device;

/* The kernel has a function of this name, too, and it takes the same. Both are there. */
static noinline used void init_once(void *object)
{
    struct driver_private *priv = object;

    priv->quirks = 0;
}

static int driver_open(struct net_device *device)
{
    struct driver_private *priv = netdev_priv(device);

    ring_init(&priv->rx, kmalloc(RING_SIZE * sizeof(struct ring_entry), 0));
    ring_init(&priv->tx, kmalloc(RING_SIZE * sizeof(struct ring_entry), 0));
    return 0;
}

static int driver_stop(struct net_device *device)
{
    struct driver_private *priv = netdev_priv(device);

    kfree(priv->rx.entries);
    return priv->tx.ops != NULL;
}

static netdev_tx_t driver_xmit(struct sk_buff *skb, struct net_device *device)
{
    struct driver_private *priv = netdev_priv(device);

    stats_add(priv, 0, skb->len);
    return priv->tx.ops->push(&priv->tx, skb) == RING_BUSY ? NETDEV_TX_BUSY : NETDEV_TX_OK;
}

static const struct net_device_ops driver_net_ops = {
    .open = driver_open,
    .stop = driver_stop,
    .start_xmit = driver_xmit,
};

noinline struct sk_buff *bpf_ring_peek(struct ring *ring, u32 index)
{
    return ring->skbs[index % RING_SIZE];
}

BTF_KFUNCS_START(driver_kfuncs);
BTF_ID_FLAGS(bpf_ring_peek, 0);
BTF_KFUNCS_END(driver_kfuncs);

static int __init driver_init(void)
{
    the_device = kmalloc(sizeof(*the_device) + sizeof(struct driver_private), 0);
    the_device->ops = &driver_net_ops;
    the_device->dev.p = netdev_priv(the_device);
    init_once(the_device->dev.p);
    return register_netdev(the_device);
}

static void __exit driver_exit(void)
{
    driver_stop(the_device);
    kfree(the_device);
}

module_init(driver_init);
module_exit(driver_exit);
