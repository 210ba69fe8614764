/* SPDX-License-Identifier: Apache-2.0 */
#include "results.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A device later than this part of the median says more about itself than
   about the row. */
#define LATE_SHARE 0.1

static double outcome_per_s(const struct sy_outcome *o)
{
    if (o->elapsed_ns == 0)
        return 0;
    return (double)o->operations * (double)SY_NS_PER_S / (double)o->elapsed_ns;
}

double result_per_s(const struct result *r)
{
    return outcome_per_s(&r->sum);
}

double result_cpu_us(const struct result *r)
{
    return (double)r->sum.cpu_ns / (double)SY_NS_PER_US /
           (double)r->sum.operations;
}

int result_syscalls(const struct result *r, double *per_operation)
{
    *per_operation = 0;
    if (r->sum.syscalls == SY_OUTCOME_NONE || r->sum.syscall_operations == 0)
        return 0;
    *per_operation =
        (double)r->sum.syscalls / (double)r->sum.syscall_operations;
    return 1;
}

int result_is_late(const struct result *r, double *late_us, double *p50_us)
{
    const struct sy_outcome_device *device = &r->sum.device;
    uint64_t p50_ns;

    *late_us = 0;
    *p50_us = 0;
    if (device->late_count == 0 || !sy_outcome_quantile(&r->sum, 0.5, &p50_ns))
        return 0;
    *late_us = (double)device->late_sum_ns / (double)device->late_count /
               (double)SY_NS_PER_US;
    *p50_us = (double)p50_ns / (double)SY_NS_PER_US;
    return *late_us > *p50_us * LATE_SHARE;
}

int result_has_figures(const struct result *r)
{
    return r->status == RESULT_OK && r->sum.operations != 0 &&
           r->sum.elapsed_ns != 0;
}

enum result_section result_section(const struct result *r)
{
    if (r->exp->row != SY_ROW_COMBINATION)
        return SECTION_REFERENCE;
    if ((r->exp->switcher->caps & SY_SW_CAN_PAUSE) == 0)
        return SECTION_NO_PAUSE;
    return r->is_sweep ? SECTION_SWEEP : SECTION_MAIN;
}

const char *result_status_word(enum result_status status)
{
    switch (status) {
    case RESULT_OK:
        return "ok";
    case RESULT_SKIPPED:
        return "skipped";
    case RESULT_FAILED:
        return "FAILED";
    case RESULT_NOT_RUN:
        return "not run";
    }
    return "?";
}

static enum result_status status_of(const struct sy_outcome *outcome)
{
    if (outcome->status == SY_OUTCOME_FAILED)
        return RESULT_FAILED;
    if (outcome->status == SY_OUTCOME_SKIPPED)
        return RESULT_SKIPPED;
    /* Stopped before its window: nothing went wrong, and nothing is known. */
    if (outcome->partial && outcome->operations == 0)
        return RESULT_NOT_RUN;
    return RESULT_OK;
}

static void widen(struct range *range, int is_first, double low, double high)
{
    if (is_first || low < range->low)
        range->low = low;
    if (is_first || high > range->high)
        range->high = high;
}

/* Before the round is counted. */
static void add_ranges(struct result *r, const struct sy_outcome *o)
{
    const double operations = (double)o->operations;
    double per_s = outcome_per_s(o), cpu_us = 0, p99_us;
    uint64_t p99_ns;

    if (o->operations != 0)
        cpu_us = (double)o->cpu_ns / (double)SY_NS_PER_US / operations;
    widen(&r->per_s, r->rounds == 0, per_s, per_s);
    widen(&r->cpu_us, r->rounds == 0, cpu_us, cpu_us);
    if (sy_outcome_quantile(o, 0.99, &p99_ns)) {
        p99_us = (double)p99_ns / (double)SY_NS_PER_US;
        widen(&r->p99_us, r->rounds == 0, p99_us, p99_us);
    } else {
        widen(&r->p99_us, r->rounds == 0, 0, HUGE_VAL);
    }
}

static void add_figures(struct result *r, const struct sy_outcome *o)
{
    add_ranges(r, o);
    if (r->rounds++ == 0) {
        r->sum = *o;
        return;
    }
    r->sum.partial |= o->partial;
    r->sum.operations += o->operations;
    r->sum.elapsed_ns += o->elapsed_ns;
    r->sum.cpu_ns += o->cpu_ns;
    r->sum.verify_cpu_ns += o->verify_cpu_ns;
    r->sum.verified += o->verified;
    r->sum.wrong += o->wrong;
    if (o->syscalls != SY_OUTCOME_NONE && r->sum.syscalls != SY_OUTCOME_NONE)
        r->sum.syscalls += o->syscalls;
    else
        r->sum.syscalls = SY_OUTCOME_NONE;
    r->sum.syscall_operations += o->syscall_operations;
    r->sum.device.late_sum_ns += o->device.late_sum_ns;
    r->sum.device.late_count += o->device.late_count;
    sy_histogram_merge(&r->sum.latency_ns, &o->latency_ns);
}

/* The worst that happened in a round is what the result says. */
static void add_outcome(struct result *r, const struct sy_outcome *outcome)
{
    enum result_status status =
        outcome != NULL ? status_of(outcome) : RESULT_NOT_RUN;

    if (status == RESULT_OK) {
        add_figures(r, outcome);
        if (r->status == RESULT_NOT_RUN) {
            r->status = RESULT_OK;
            r->reason = "";
        }
    } else if (status == RESULT_FAILED ||
               (status == RESULT_SKIPPED && r->status != RESULT_FAILED)) {
        if (r->status != status)
            r->reason = outcome->reason;
        r->status = status;
    }
}

static struct result *find_result(struct results *results,
                                  const struct sy_experiment *exp)
{
    size_t i;

    for (i = 0; i < results->count; i++)
        if (plan_same(results->all[i].exp, exp))
            return &results->all[i];
    return NULL;
}

int results_make(struct results *results, const struct plan *plan)
{
    size_t i;

    results->count = 0;
    results->all = calloc(plan->count + 1, sizeof(*results->all));
    if (results->all == NULL)
        return -ENOMEM;
    for (i = 0; i < plan->count; i++) {
        const struct plan_entry *entry = &plan->entries[i];
        struct result *r = find_result(results, &entry->exp);

        if (r == NULL) {
            r = &results->all[results->count++];
            r->exp = &entry->exp;
            r->is_sweep = entry->is_sweep;
            r->status = RESULT_NOT_RUN;
            r->reason = "interrupted before its turn";
        }
        add_outcome(r, entry->outcome);
    }
    return 0;
}

void results_free(struct results *results)
{
    free(results->all);
}
