/* SPDX-License-Identifier: Apache-2.0 */
#include "traced_window.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load_cycle.h"

_Static_assert(SY_TRACE_BUCKETS == SY_HISTOGRAM_BUCKETS, "the same buckets");

void sy__traced_window_begins(struct sy__load *load)
{
    struct sy_traced_window *w = load->exp->traced_window;
    struct sy_trace_config cfg = SY_TRACE_CONFIG_INIT;

    if (w == NULL || load->runtime == NULL)
        return;
    cfg.events_max = w->events_max;
    w->error = sy_trace_start(load->runtime, &cfg);
}

static void take_histogram(struct sy_histogram *to,
                           const struct sy_trace_histogram *from)
{
    to->count = from->count;
    to->sum = from->sum_ns;
    to->min = from->min_ns;
    to->max = from->max_ns;
    to->clipped = from->clipped;
    memcpy(to->buckets, from->buckets, sizeof(to->buckets));
}

static void take_phases(struct sy_traced_window *w,
                        const struct sy_trace_phases *phases)
{
    w->jobs = phases->jobs;
    w->abandoned = phases->abandoned;
    w->pauses = phases->pauses;
    w->early = phases->early;
    w->unwoken = phases->unwoken;
    w->events_dropped = phases->events_dropped;
    (void)snprintf(w->clock, sizeof(w->clock), "%s", phases->clock);
    for (int i = 0; i < SY_TRACE_PHASES; i++)
        take_histogram(&w->phases[i], &phases->phase[i]);
}

static int read_trace(struct sy_runtime *rt, struct sy_traced_window *w)
{
    struct sy_trace_phases *phases = calloc(1, sizeof(*phases));
    int err;

    if (phases == NULL)
        return -ENOMEM;
    phases->size = sizeof(*phases);
    err = sy_trace_read(rt, phases);
    if (err == 0) {
        take_phases(w, phases);
        err = sy_trace_take(rt, sy_traced_window_events(w), w->events_max);
    }
    if (err > 0) {
        w->events_count = (uint32_t)err;
        err = 0;
    }
    free(phases);
    return err;
}

void sy__traced_window_ends(struct sy__load *load)
{
    struct sy_traced_window *w = load->exp->traced_window;

    if (w == NULL || load->runtime == NULL || w->error != 0)
        return;
    w->error = sy_trace_stop(load->runtime);
    if (w->error == 0)
        w->error = read_trace(load->runtime, w);
}

void sy_traced_window_merge(struct sy_traced_window *to,
                            const struct sy_traced_window *from)
{
    to->jobs += from->jobs;
    to->abandoned += from->abandoned;
    to->pauses += from->pauses;
    to->early += from->early;
    to->unwoken += from->unwoken;
    to->events_dropped += from->events_dropped;
    memcpy(to->clock, from->clock, sizeof(to->clock));
    for (int i = 0; i < SY_TRACE_PHASES; i++)
        sy_histogram_merge(&to->phases[i], &from->phases[i]);
}
