/* SPDX-License-Identifier: Apache-2.0 */
#include "load_find.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>

#include "../bench/load/rate_search.h"
#include "command.h"
#include "interrupt.h"
#include "table.h"

/* To judge a quantile at a low rate a point takes longer, at most so long. */
#define SEARCH_POINT_NS_MAX (60 * SY_NS_PER_S)

struct searching {
    struct load_run *s;
    size_t entry;
    int number;
    struct load_shown closest; /* of the points */
};

/* Long enough to judge the quantile. */
static uint64_t search_duration_ns(const struct load_run *s, uint64_t rate_hz)
{
    double ns = 1.2 * (double)(s->goal.samples_min + 10) * (double)SY_NS_PER_S /
                (double)rate_hz;

    if (ns <= (double)s->options.run.duration_ns)
        return s->options.run.duration_ns;
    return ns < (double)SEARCH_POINT_NS_MAX ? (uint64_t)ns
                                            : SEARCH_POINT_NS_MAX;
}

static size_t quantile_index(const struct load_goal *goal)
{
    return goal->q < 0.6 ? 0 : goal->q < 0.95 ? 1 : goal->q < 0.995 ? 2 : 3;
}

static int try_once(void *context, uint64_t rate_hz, unsigned repeat,
                    struct sy_rate_tried *tried)
{
    struct searching *c = context;
    struct sy_load_spec spec;
    struct load_shown shown;
    int status;

    load_run_spec(c->s, c->entry, rate_hz, &spec);
    spec.duration_ns = search_duration_ns(c->s, rate_hz);
    /* Each repeat has its own arrivals; the first those of --seed. */
    spec.arrivals.seed += repeat;
    status = load_run_measure(c->s, &spec, c->entry, c->number, &shown);
    if (status != -1)
        return status;
    if (interrupted)
        return CLI_INTERRUPTED;
    tried->quantile_ns = shown.response_ns[quantile_index(&c->s->goal)];
    tried->has_figure =
        shown.status == SY_OUTCOME_OK && tried->quantile_ns != 0;
    tried->is_valid = tried->has_figure && shown.faults == 0 &&
                      !shown.is_late[quantile_index(&c->s->goal)];
    if (tried->has_figure &&
        (c->closest.rate_hz == 0 ||
         tried->quantile_ns <
             c->closest.response_ns[quantile_index(&c->s->goal)]))
        c->closest = shown;
    return -1;
}

/* How many operations per second the row does if it always has work. */
static int find_capacity(struct load_run *s, size_t entry, int number,
                         double *hz)
{
    struct sy_load_spec spec;
    struct load_shown shown;
    int status;

    load_run_spec(s, entry, 0, &spec);
    spec.is_closed = true;
    status = load_run_measure(s, &spec, entry, number, &shown);
    *hz = 0;
    if (status != -1)
        return status;
    if (interrupted)
        return CLI_INTERRUPTED;
    if (shown.status == SY_OUTCOME_OK)
        *hz = shown.achieved_hz;
    return -1;
}

static uint64_t clamp(double value, uint64_t low, uint64_t high)
{
    if (value <= (double)low)
        return low;
    return value < (double)high ? (uint64_t)value : high;
}

/* Where to look. A row that gives no figures has no range: high_hz is 0. */
static int choose_range(struct load_run *s, size_t entry, int number,
                        struct sy_rate_search *search)
{
    /* Below, no point is long enough to judge the quantile. */
    double least = 1.2 * (double)(s->goal.samples_min + 10) *
                       (double)SY_NS_PER_S / (double)SEARCH_POINT_NS_MAX +
                   1;
    double capacity, idle;
    int status = find_capacity(s, entry, number, &capacity);

    if (status != -1 || capacity <= 0)
        return status;
    /* At a hundredth of the capacity hardly anything waits: what does not hold
       there holds nowhere. */
    idle = capacity / 100;
    search->low_hz = clamp(least > idle ? least : idle, 1, SY_RATE_MAX_HZ);
    search->high_hz = clamp(2 * capacity, search->low_hz, SY_RATE_MAX_HZ);
    if (s->rates.low_hz != 0) {
        search->low_hz = clamp((double)s->rates.low_hz,
                               clamp(least, 1, SY_RATE_MAX_HZ), SY_RATE_MAX_HZ);
        search->high_hz =
            clamp((double)s->rates.high_hz, search->low_hz, SY_RATE_MAX_HZ);
    }
    search->start_hz = clamp(capacity / 2, search->low_hz, search->high_hz);
    return -1;
}

/* The last point at a rate that keeps the bound. */
static const struct load_shown *point_at(const struct searching *c,
                                         uint64_t rate_hz)
{
    const struct load_goal *goal = &c->s->goal;
    size_t i = c->s->shown_count;

    while (i-- > 0) {
        const struct load_shown *p = &c->s->shown[i];
        uint64_t ns = p->response_ns[quantile_index(goal)];

        if (p->entry == c->entry && p->rate_hz == rate_hz && p->faults == 0 &&
            ns != 0 && ns <= goal->bound_ns)
            return p;
    }
    return &c->closest; /* does not happen: enough of them do */
}

static void print_found(const struct searching *c,
                        const struct sy_rate_search *found)
{
    const struct load_goal *goal = &c->s->goal;
    char name[128], rate[32], above[32], bound[32];
    size_t q = quantile_index(goal);

    sy_experiment_name(&c->s->plan.entries[c->entry].exp, name, sizeof(name));
    format_duration(bound, sizeof(bound), goal->bound_ns);
    if (found->rate_hz != 0) {
        const struct load_shown *best = point_at(c, found->rate_hz);

        printf("%s: %s <= %s holds up to %s/s: there %s is %.1f us", name,
               goal->quantile, bound,
               format_number(rate, sizeof(rate), (double)found->rate_hz, 0),
               goal->quantile,
               (double)best->response_ns[q] / (double)SY_NS_PER_US);
        if (best->cpu_ns > 0)
            printf(", an operation costs %.2f us of CPU",
                   best->cpu_ns / (double)SY_NS_PER_US);
        if (found->above_hz > found->rate_hz)
            printf(
                "; %s/s does not hold (resolution %" PRIu64 " %%)\n",
                format_number(above, sizeof(above), (double)found->above_hz, 0),
                c->s->options.resolution_percent);
        else
            printf("; nothing above was tried\n");
        return;
    }
    if (found->closest_ns == 0) {
        printf("%s: no point gave %s\n", name, goal->quantile);
        return;
    }
    printf("%s: no rate keeps %s <= %s; closest: %.1f us at %s/s, %.2f times "
           "the bound",
           name, goal->quantile, bound,
           (double)found->closest_ns / (double)SY_NS_PER_US,
           format_number(rate, sizeof(rate), (double)found->closest_hz, 0),
           (double)found->closest_ns / (double)goal->bound_ns);
    if (c->closest.cpu_ns > 0)
        printf(", for %.2f us of CPU per operation",
               c->closest.cpu_ns / (double)SY_NS_PER_US);
    printf("%s\n",
           found->closest_ns <= goal->bound_ns
               ? "; it was within the bound in too few repeats, or not valid"
               : "");
}

static int write_found(struct load_run *s, const struct searching *c,
                       const struct sy_rate_search *found)
{
    struct sy_load_search line = {
        .quantile = c->s->goal.q > 0.995 ? "p999" : c->s->goal.quantile,
        .bound_ns = found->bound_ns,
        .rate_hz = found->rate_hz,
        .above_hz = found->above_hz,
        .closest_ns = found->rate_hz == 0 ? found->closest_ns : 0,
        .closest_hz = found->rate_hz == 0 ? found->closest_hz : 0,
        .repeats = found->repeats,
        .needed = found->needed,
        .resolution_permille = found->resolution_permille,
        .points = found->points,
        .is_complete = !interrupted,
    };
    char why[SY_RUN_PATH_BYTES + 256] = "", *text;
    struct sy_load_spec spec;

    load_run_spec(s, c->entry, 0, &spec);
    if (sy_run_file_add_search(s->file, &spec, c->number, &line, &text, why,
                               sizeof(why)) != 0) {
        say("--out: cannot write the run file: %s", why);
        return CLI_ENVIRONMENT;
    }
    if (s->options.run.json)
        puts(text);
    free(text);
    return -1;
}

int load_find_rate(struct load_run *s, size_t entry, int number, size_t *misses)
{
    struct searching c = {.s = s, .entry = entry, .number = number};
    struct sy_rate_search search = {
        .bound_ns = s->goal.bound_ns,
        .repeats = (unsigned)s->options.repeats,
        .needed = (unsigned)s->options.repeats / 2 + 1,
        .resolution_permille = 10 * (unsigned)s->options.resolution_percent,
        .try_once = try_once,
        .context = &c,
    };
    int status = choose_range(s, entry, number, &search), written;

    if (status == -1 && search.high_hz == 0) {
        ++*misses; /* the point has said why */
        return -1;
    }
    if (status == -1)
        status = sy_rate_search_run(&search);
    if (status != -1 && status != CLI_INTERRUPTED)
        return status;
    written = write_found(s, &c, &search);
    if (written != -1)
        return written;
    say_over_end();
    if (status == -1 && !s->options.run.json)
        print_found(&c, &search);
    fflush(stdout);
    *misses += search.rate_hz == 0;
    return status;
}
