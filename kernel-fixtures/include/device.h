/* Devices, files, packets: what the kernel shows to its modules. */
#ifndef DEVICE_H
#define DEVICE_H

#include "kernel.h"

struct file;
struct inode;
struct device;
struct net_device;
struct driver_private;    /* completed by the module only */

struct file_operations {
    struct module *owner;
    long (*read)(struct file *file, char *buffer, size_t count, s64 *position);
    long (*write)(struct file *file, const char *buffer, size_t count, s64 *position);
    long (*ioctl)(struct file *file, unsigned int command, unsigned long argument);
    int (*open)(struct inode *inode, struct file *file);
};

struct inode {
    u16 i_mode;
    u32 i_generation;
    const struct file_operations *i_fop;
    union {
        struct hlist_head i_dentry;
        struct rcu_head i_rcu;
    };
    union {
        char *i_link;
        unsigned i_dir_seq;
    };
    void *i_private;
};

struct file {
    union {
        struct callback_head f_task_work;
        struct rb_node f_node;
    };
    struct inode *f_inode;
    const struct file_operations *f_op;
    u32 f_mode;
    s64 f_pos;
    void *private_data;
};

struct device_driver {
    const char *name;
    struct driver_private *p;
    int (*probe)(struct device *device);
    void (*remove)(struct device *device);
};

struct device {
    struct device *parent;
    struct driver_private *p;
    const char *init_name;
    struct device_driver *driver;
    struct list_head list;
    void (*release)(struct device *device);
};

/* A header in network order, packed, with bit-fields that depend on the byte order. */
struct ip_header {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    u8 ihl : 4, version : 4;
#else
    u8 version : 4, ihl : 4;
#endif
    u8 tos;
    __be16 total_length;
    struct {
        u32 source;
        u32 destination;
    } packed addresses;
} packed;

typedef enum {
    NETDEV_TX_OK = 0x00,
    NETDEV_TX_BUSY = 0x10,
} netdev_tx_t;

enum netdev_reg_state { NETREG_UNINITIALIZED = 0, NETREG_REGISTERED, NETREG_RELEASED };

struct sk_buff {
    union {
        struct {
            struct sk_buff *next, *prev;
            union {
                struct net_device *dev;
                unsigned long dev_scratch;
            };
        };
        struct rb_node rbnode;
        struct list_head list;
    };
    char cb[48] __attribute__((aligned(8)));
    unsigned int len, data_len;
    u8 cloned : 1, nohdr : 1, fclone : 2;
    struct {
        u8 pkt_type : 3, ignore_df : 1;
        __be16 protocol;
        u32 hash;
    } headers;
    unsigned char *head, *data;
    refcount_t users;
};

struct net_device_ops {
    int (*open)(struct net_device *device);
    int (*stop)(struct net_device *device);
    netdev_tx_t (*start_xmit)(struct sk_buff *skb, struct net_device *device);
};

struct net_device {
    char name[16];
    struct device dev;
    const struct net_device_ops *ops;
    u64 features;
    u8 reg_state;
    u32 prio_map[8][2];
    struct hlist_node name_hlist;
    u8 priv[] __attribute__((aligned(32)));
};

static inline void *netdev_priv(const struct net_device *device)
{
    return (void *)device->priv;
}

int register_device(struct device *device);
int register_netdev(struct net_device *device);
struct sk_buff *alloc_skb(unsigned int size, gfp_t flags);
void kfree_skb(struct sk_buff *skb);

#endif
