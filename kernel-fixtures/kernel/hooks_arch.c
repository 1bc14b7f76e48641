/* The architecture's own version of a function, with other names for its parameters. */
#include "sched.h"

int arch_cpu_idle(struct task_struct *me)
{
    return me->static_prio;
}
