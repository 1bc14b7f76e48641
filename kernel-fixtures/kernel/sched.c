/* The scheduler: cyclic structs, an ops table, a static function with a namesake elsewhere, exported functions. */
#include "sched.h"

static struct list_head all_tasks = LIST_HEAD_INIT(all_tasks);
static const struct sched_class fair_class;

/* Statics of this name are also in fs.c: what the name means cannot be told. */
static noinline used int active_show(struct task_struct *task, char *buffer)
{
    return printk("%s %d\n", task->comm, (int)buffer[0]);
}

static void enqueue_fair(struct rq *rq, struct task_struct *task, int flags)
{
    task->se.cfs_rq = &rq->cfs;
    rq->cfs.nr_running += flags;
}

static struct task_struct *pick_fair(struct rq *rq)
{
    struct sched_entity *entity = rq->cfs.curr;

    return entity ? container_of(entity, struct task_struct, se) : rq->idle;
}

static int balance_fair(struct rq *rq, int (*move)(struct task_struct *, enum migrate_reason), void *argument)
{
    return rq->nr_running > 1 ? move(rq->curr, MIGRATE_BALANCE) : !argument;
}

static const struct sched_class fair_class = {
    .enqueue = enqueue_fair,
    .pick = pick_fair,
    .balance = balance_fair,
};

struct task_struct *find_task(pid_t pid)
{
    struct list_head *position;

    list_for_each(position, &all_tasks) {
        struct task_struct *task = list_entry(position, struct task_struct, tasks);

        if (task->pid == pid)
            return task;
    }
    return NULL;
}
EXPORT_SYMBOL(find_task);

void wake_up(struct task_struct *task)
{
    struct rq *rq = &per_cpu(runqueues, 0);

    task->state = TASK_RUNNING;
    task->sched_class = &fair_class;
    task->sched_class->enqueue(rq, task, 1);
    list_add(&task->tasks, &all_tasks);
}
EXPORT_SYMBOL(wake_up);

void put_task(struct task_struct *task)
{
    if (refcount_dec_and_test(&task->usage)) {
        list_del(&task->tasks);
        kfree(task);
    }
}

/* Reached from the firmware. */
int __init start_kernel(void)
{
    active_show(find_task(1), "");
    return printk("%p\n", &fair_class);
}
