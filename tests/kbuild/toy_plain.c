// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>

struct toy_plain {
	struct module *owner;
	long double_count;
};
static noinline int toy_plain_count(struct toy_plain *plain)
{
	return plain->owner ? plain->double_count / 2 : 0;
}
static int __init toy_plain_init(void)
{
	struct toy_plain plain = { THIS_MODULE, 2 };

	return toy_plain_count(&plain) == 1 ? 0 : -EINVAL;
}
static void __exit toy_plain_exit(void)
{
}
module_init(toy_plain_init);
module_exit(toy_plain_exit);
MODULE_DESCRIPTION("A module without kfuncs");
MODULE_LICENSE("GPL");
