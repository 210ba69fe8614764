/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <stdio.h>

#include "command.h"

void progress_begin(struct progress *p, const struct plan *plan)
{
    size_t i;

    p->done = 0;
    p->count = plan->count;
    p->planned_ns = 0;
    p->planned_done_ns = 0;
    p->started_ns = sy_clock_now_ns(sy_clock_monotonic());
    p->is_terminal = stream_takes_colour(stderr);
    for (i = 0; i < plan->count; i++)
        p->planned_ns += plan_entry_ns(&plan->entries[i]);
}

/* The plan's time for what is left, stretched as what is done was. */
static double left_s(const struct progress *p)
{
    uint64_t now = sy_clock_now_ns(sy_clock_monotonic());
    double left = (double)(p->planned_ns - p->planned_done_ns);

    if (p->planned_done_ns != 0)
        left *= (double)(now - p->started_ns) / (double)p->planned_done_ns;
    return left / (double)SY_NS_PER_S;
}

void progress_show(struct progress *p, const struct plan_entry *entry)
{
    char name[128], mix[256], left[32];

    sy_experiment_name(&entry->exp, name, sizeof(name));
    format_rough_time(left, sizeof(left), left_s(p));
    if (p->is_terminal)
        say_over("[%zu/%zu] %s, %u in flight, about %s left", p->done + 1,
                 p->count, name, entry->exp.jobs, left);
    else
        fprintf(stderr, "[%zu/%zu] %s, %s, %u in flight; about %s left\n",
                p->done + 1, p->count, name,
                sy_experiment_mix(&entry->exp, mix, sizeof(mix)),
                entry->exp.jobs, left);
}

void progress_done(struct progress *p, const struct plan_entry *entry)
{
    char name[128], mix[256];

    p->done++;
    p->planned_done_ns += plan_entry_ns(entry);
    if (entry->outcome->status == SY_OUTCOME_OK)
        return;
    sy_experiment_name(&entry->exp, name, sizeof(name));
    say("%s, %s, %u in flight: %s: %s", name,
        sy_experiment_mix(&entry->exp, mix, sizeof(mix)), entry->exp.jobs,
        entry->outcome->status == SY_OUTCOME_FAILED ? "failed" : "skipped",
        entry->outcome->reason);
}

void progress_end(struct progress *p)
{
    (void)p;
    say_over_end();
}
