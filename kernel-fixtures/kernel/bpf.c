/* kfuncs: functions that BPF programs may call, named in .BTF_ids. */
#include "btf_ids.h"
#include "device.h"
#include "sched.h"

typedef int (*bpf_callback_t)(void *context, u32 index);

noinline struct task_struct *bpf_task_from_pid(s32 pid)
{
    return find_task(pid);
}

noinline void bpf_task_release(struct task_struct *task)
{
    wake_up(task);
}

noinline u64 bpf_rdonly_cast(const void *object, u32 type_id)
{
    return (u64)(unsigned long)object + type_id;
}

noinline int bpf_loop(u32 count, bpf_callback_t callback, void *context)
{
    int result = 0;

    for (u32 i = 0; i < count && !result; i++)
        result = callback(context, i);
    return result;
}

/* In no set: a function like others. */
noinline int bpf_helper(struct sk_buff *skb)
{
    return skb->len;
}

BTF_KFUNCS_START(common_kfuncs);
BTF_ID_FLAGS(bpf_task_from_pid, 1);
BTF_ID_FLAGS(bpf_task_release, 0);
BTF_ID_FLAGS(bpf_rdonly_cast, 0x1000);
BTF_ID_FLAGS(bpf_loop, 0);
BTF_KFUNCS_END(common_kfuncs);

BTF_ID_LIST(task_ids);
BTF_ID(struct, task_struct);
