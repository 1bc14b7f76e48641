/* What an architecture may replace: weak functions, one of them replaced in hooks_arch.c, and an alias. */
#include "sched.h"

weak int arch_cpu_idle(struct task_struct *idle)
{
    return idle->prio;
}

weak void arch_setup(char **command_line)
{
    *command_line = NULL;
}

int cpu_idle(struct task_struct *idle)
{
    arch_setup((char **)&idle->stack);
    return arch_cpu_idle(idle);
}

int cpu_idle_poll(struct task_struct *idle) __attribute__((alias("cpu_idle")));
