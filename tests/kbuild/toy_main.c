// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/sched.h>
#include "toy.h"

/* The names changed. */
#ifndef BTF_KFUNCS_START
#define BTF_KFUNCS_START BTF_SET8_START
#define BTF_KFUNCS_END BTF_SET8_END
#endif
#ifndef __bpf_kfunc
#define __bpf_kfunc __used noinline
#endif

static struct toy_shelf shelf;
DEFINE_PER_CPU(struct toy_item, toy_spare);

static noinline u32 toy_mix(u32 a, u32 b)
{
	return (a << 5 | a >> 27) ^ b;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
__bpf_kfunc struct toy_shelf *bpf_toy_acquire(u32 key)
{
	return key ? &shelf : NULL;
}
__bpf_kfunc void bpf_toy_release(struct toy_shelf *held)
{
	atomic_dec(&held->uses);
}
__bpf_kfunc u64 bpf_toy_sum(struct toy_shelf *held, u32 seed)
{
	return toy_shelf_sum(held, current) + toy_mix(seed, 7);
}
#pragma GCC diagnostic pop

BTF_KFUNCS_START(toy_kfuncs)
BTF_ID_FLAGS(func, bpf_toy_acquire, KF_ACQUIRE | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_toy_release, KF_RELEASE)
BTF_ID_FLAGS(func, bpf_toy_sum)
BTF_KFUNCS_END(toy_kfuncs)

BTF_ID_LIST(toy_ids)
BTF_ID(struct, toy_shelf)
BTF_ID(func, toy_shelf_sum)
BTF_ID(struct, sk_buff)

static const struct btf_kfunc_id_set toy_kfunc_set = { .owner = THIS_MODULE, .set = &toy_kfuncs };

static int __init toy_init(void)
{
	struct toy_item *item = raw_cpu_ptr(&toy_spare);

	spin_lock_init(&shelf.lock);
	INIT_LIST_HEAD(&shelf.items);
	item->number = toy_ids[0];
	toy_shelf_put(&shelf, item);
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_SCHED_CLS, &toy_kfunc_set);
}
static void __exit toy_exit(void)
{
}
module_init(toy_init);
module_exit(toy_exit);
MODULE_DESCRIPTION("What a small module of its own may have");
MODULE_LICENSE("GPL");
