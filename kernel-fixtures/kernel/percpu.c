/* Per-CPU variables of all sorts, and memory. */
#include "sched.h"

struct kmem_cpu {
    void **freelist;
    unsigned long tid;
    struct kmem_cpu *next;
};

DEFINE_PER_CPU(struct rq, runqueues);
DEFINE_PER_CPU(struct task_struct *, current_task);
static DEFINE_PER_CPU(struct kmem_cpu, cpu_slab) = { .tid = 1 };
static DEFINE_PER_CPU(unsigned long, irq_counts[4]);
DEFINE_PER_CPU(bool, hardirqs_enabled);

unsigned long per_cpu_offset[64];
static char heap[1 << 16];

void *kmalloc(size_t size, gfp_t flags)
{
    struct kmem_cpu *slab = &per_cpu(cpu_slab, flags & 63);
    size_t at = __atomic_fetch_add(&slab->tid, size, __ATOMIC_RELAXED);

    per_cpu(irq_counts[flags & 3], 0)++;
    return per_cpu(hardirqs_enabled, 0) ? heap + at % sizeof(heap) : NULL;
}
EXPORT_SYMBOL(kmalloc);

void kfree(const void *object)
{
    per_cpu(cpu_slab, 0).freelist = (void **)object;
}
EXPORT_SYMBOL(kfree);

int printk(const char *format, ...)
{
    return format[0] + (per_cpu(current_task, 0) != NULL);
}
EXPORT_SYMBOL(printk);
