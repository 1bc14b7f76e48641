// SPDX-License-Identifier: GPL-2.0
#include <linux/sched.h>
#include "toy.h"

/* The same in both files. */
static noinline u32 toy_mix(u32 a, u32 b)
{
	return (a << 5 | a >> 27) ^ b;
}
int toy_shelf_put(struct toy_shelf *shelf, struct toy_item *item)
{
	spin_lock(&shelf->lock);
	list_add(&item->link, &shelf->items);
	spin_unlock(&shelf->lock);
	return atomic_inc_return(&shelf->uses);
}
u64 toy_shelf_sum(struct toy_shelf *shelf, const struct task_struct *of)
{
	struct toy_item *item;
	u64 sum = toy_mix(of->pid, of->tgid);

	list_for_each_entry(item, &shelf->items, link)
		sum += item->number;
	return sum;
}
