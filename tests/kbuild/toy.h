/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TOY_H
#define TOY_H
#include <linux/list.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>

enum toy_mood { TOY_CALM, TOY_BUSY = 1 << 4, TOY_ANGRY = -3 };

typedef int (*toy_visit_t)(struct sk_buff *skb, enum toy_mood mood, void *context);

struct toy_item {
	struct list_head link;
	union {
		u64 number;
		struct { u16 low : 12, high : 4; };
	};
	enum toy_mood mood;
	toy_visit_t visit;
	const char name[16];
};
struct toy_shelf {
	spinlock_t lock;
	struct list_head items;
	struct net_device *device;
	atomic_t uses;
	s16 grid[3][5];
};

int toy_shelf_put(struct toy_shelf *shelf, struct toy_item *item);
u64 toy_shelf_sum(struct toy_shelf *shelf, const struct task_struct *of);
#endif
