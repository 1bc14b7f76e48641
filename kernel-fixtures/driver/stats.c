/* Counters: per-CPU variables of a module, and a type that a function keeps to itself. */
#include "driver.h"

struct driver_stats {
    u64 packets, bytes;
    atomic64_t errors;
};

DEFINE_PER_CPU(struct driver_stats, driver_stats);
static DEFINE_PER_CPU(struct task_struct *, last_user);

void stats_add(struct driver_private *priv, unsigned int which, u64 amount)
{
    struct sample {
        u64 when;
        struct driver_private *priv;
    } sample = { amount, priv };

    per_cpu(driver_stats, 0).packets++;
    per_cpu(driver_stats, 0).bytes += sample.when;
    per_cpu(last_user, 0) = sample.priv->worker;
    priv->counters[which] += amount;
}
