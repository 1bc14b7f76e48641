/* Tasks and memory: large structs that refer to each other in circles. */
#ifndef SCHED_H
#define SCHED_H

#include "kernel.h"

struct file;
struct files_struct;
struct cgroup;         /* only declared in this kernel */
union audit_record;    /* likewise */
struct task_struct;
struct rq;

typedef int pid_t;
typedef u64 cpumask_bits_t;
typedef struct cpumask {
    cpumask_bits_t bits[2];
} cpumask_t;

/* The states do not fit 32 bits in one enum and are negative in the other. */
enum task_flags {
    TASK_RUNNING = 0,
    TASK_DEAD = 0x80,
    TASK_FROZEN = 1ull << 40,
};

enum migrate_reason {
    MIGRATE_NONE = -1,
    MIGRATE_BALANCE,
    MIGRATE_HOTPLUG,
    MIGRATE_REASONS,
};

enum zone_type { ZONE_DMA, ZONE_NORMAL, ZONE_MOVABLE, ZONES };

struct vm_area_struct;

struct vm_operations {
    void (*open)(struct vm_area_struct *area);
    int (*fault)(struct vm_area_struct *area, unsigned long address);
    const char *(*name)(const struct vm_area_struct *area);
};

struct vm_area_struct {
    unsigned long vm_start, vm_end;
    struct mm_struct *vm_mm;
    struct rb_node vm_rb;
    union {
        struct {
            struct rb_node rb;
            unsigned long last;
        } shared;
        const char *anon_name;
    };
    const struct vm_operations *vm_ops;
    struct file *vm_file;
};

struct mm_struct {
    struct {
        struct vm_area_struct *mmap;
        u64 rss[ZONES][4];
        spinlock_t lock;
        atomic_t users;
    };
    struct task_struct *owner;
    unsigned long cpu_bitmap[];
};

struct sched_entity {
    u64 vruntime;
    struct rb_node run_node;
    struct sched_entity *parent;
    struct cfs_rq *cfs_rq;
};

struct sched_class {
    const struct sched_class *next;
    void (*enqueue)(struct rq *rq, struct task_struct *task, int flags);
    struct task_struct *(*pick)(struct rq *rq);
    int (*balance)(struct rq *rq, int (*move)(struct task_struct *, enum migrate_reason), void *);
};

struct task_struct {
    volatile enum task_flags state;
    void *stack;
    refcount_t usage;
    u32 flags;
    int prio, static_prio;
    const struct sched_class *sched_class;
    struct sched_entity se;
    cpumask_t cpus_mask;
    struct list_head tasks;
    struct mm_struct *mm, *active_mm;
    u32 in_execve : 1;
    u32 in_iowait : 1;
    u32 : 0;
    u32 sched_reset : 1;
    u32 policy : 4;
    pid_t pid, tgid;
    struct task_struct *real_parent;
    struct list_head children;
    char comm[16];
    struct files_struct *files;
    struct cgroup *cgroup;
    union audit_record *audit;
    struct callback_head *task_works;
    struct {
        u64 stamp[2][3];
        enum { LRU_OFF, LRU_ON } mode;
    } lru;
    struct hlist_node pid_links[3];
    int (*restart)(struct task_struct *);
    struct rcu_head rcu;
};

struct cfs_rq {
    struct rb_node *leftmost;
    struct sched_entity *curr;
    unsigned int nr_running;
    struct rq *rq;
};

struct rq {
    spinlock_t lock;
    unsigned int nr_running;
    struct cfs_rq cfs;
    struct task_struct *curr, *idle;
    u64 clock;
};

DECLARE_PER_CPU(struct rq, runqueues);
DECLARE_PER_CPU(struct task_struct *, current_task);

struct task_struct *find_task(pid_t pid);
void wake_up(struct task_struct *task);

#endif
