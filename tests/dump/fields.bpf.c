/* Reads a field behind pointers, bit-fields and an embedded one, so that the object has CO-RE relocations for scripts/test-dump.sh. */
#include "vmlinux.h"

int fields(struct sk_buff *skb)
{
    struct task_struct *task = (struct task_struct *)(unsigned long)skb->sk;

    return task->tgid + task->real_parent->sched_reset_on_fork + skb->pkt_type + task->usage.refs.counter;
}
