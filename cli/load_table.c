/* SPDX-License-Identifier: Apache-2.0 */
#include "load_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>

#include "load_plan.h"
#include "plan.h"
#include "table.h"

static const double quantiles[LOAD_QUANTILES] = {0.5, 0.9, 0.99, 0.999};

/* ---- out of a result ------------------------------------------------------
 */

static double achieved_hz(const struct sy_load_spec *spec,
                          const struct sy_load_result *r, uint64_t rate_hz)
{
    const struct sy_outcome *out = &r->outcome;

    /* The window of a closed loop begins and ends in the middle of work. */
    if (spec->is_closed)
        return out->elapsed_ns == 0
                   ? 0
                   : (double)out->operations * (double)SY_NS_PER_S /
                         (double)out->elapsed_ns;
    return r->offered == 0
               ? 0
               : (double)rate_hz * sy_load_achieved_permille(r) / 1000;
}

void load_shown_take(struct load_shown *shown, const struct sy_load_spec *spec,
                     size_t entry, const struct sy_load_result *r)
{
    const struct sy_outcome *out = &r->outcome;
    int i;

    memset(shown, 0, sizeof(*shown));
    shown->exp = spec->exp;
    shown->entry = entry;
    shown->jobs = out->jobs;
    shown->status = out->status;
    shown->is_partial = out->partial;
    shown->offered = r->offered;
    shown->faults = r->faults;
    shown->generator = r->generator;
    shown->generator_cpu = r->generator_cpu;
    memcpy(shown->generator_why, r->generator_why,
           sizeof(shown->generator_why));
    if (!spec->is_closed)
        shown->rate_hz = spec->arrivals.kind == SY_ARRIVALS_TRACE
                             ? sy_arrival_trace_rate_hz(spec->arrivals.trace)
                             : spec->arrivals.rate_hz;
    if (out->status != SY_OUTCOME_OK)
        snprintf(shown->why, sizeof(shown->why), "%s", out->reason);
    else
        sy_load_explain(r, shown->why, sizeof(shown->why));
    for (i = 0; i < LOAD_QUANTILES; i++) {
        shown->is_late[i] = sy_load_is_late_at(r, quantiles[i]);
        (void)sy_histogram_known_quantile(&r->response_ns, quantiles[i],
                                          &shown->response_ns[i]);
        (void)sy_histogram_known_quantile(&r->service_ns, quantiles[i],
                                          &shown->service_ns[i]);
    }
    shown->achieved_hz = achieved_hz(spec, r, shown->rate_hz);
    shown->loop_part = -1;
    if (spec->exp.virtual_clock || out->operations == 0 || out->elapsed_ns == 0)
        return;
    if (out->cpu_ns > r->generator_cpu_ns)
        shown->cpu_ns = (double)(out->cpu_ns - r->generator_cpu_ns) /
                        (double)out->operations;
    shown->loop_part = (double)out->thread_cpu_ns / (double)out->elapsed_ns;
}

const char *load_shown_name(const struct load_shown *s, char *buf, size_t bytes)
{
    char name[128], rate[32];

    sy_experiment_name(&s->exp, name, sizeof(name));
    if (s->rate_hz == 0)
        snprintf(buf, bytes, "%s, %u in flight", name, s->exp.jobs);
    else
        snprintf(buf, bytes, "%s at %s/s", name,
                 load_rate_text(rate, sizeof(rate), s->rate_hz));
    return buf;
}

/* ---- the table ------------------------------------------------------------
 */

static const struct table_column columns[] = {
    {.title = "", .unit = ""},
    {.title = "jobs", .unit = "", .is_number = 1},
    {.title = "planned", .unit = "per s", .is_number = 1},
    {.title = "achieved", .unit = "per s", .is_number = 1},
    {.title = "response", .unit = "p50 us", .is_number = 1},
    {.title = "", .unit = "p90 us", .is_number = 1},
    {.title = "", .unit = "p99 us", .is_number = 1},
    {.title = "", .unit = "p99.9 us", .is_number = 1},
    {.title = "service", .unit = "p50 us", .is_number = 1},
    {.title = "", .unit = "p90 us", .is_number = 1},
    {.title = "", .unit = "p99 us", .is_number = 1},
    {.title = "", .unit = "p99.9 us", .is_number = 1},
    {.title = "CPU", .unit = "us/op", .is_number = 1},
    {.title = "loop", .unit = "busy %", .is_number = 1},
    {.title = "", .unit = ""},
};

/* @is_late  NULL: none is */
static void add_quantiles(struct table *table, const uint64_t *ns,
                          const int *is_late, int is_empty)
{
    char text[64];
    int i;

    for (i = 0; i < LOAD_QUANTILES; i++) {
        if (is_empty)
            table_cell(table, "%s", "");
        else if (ns[i] == 0)
            table_cell(table, "%s", "-");
        else
            table_cell(table, "%s%s", is_late != NULL && is_late[i] ? "~" : "",
                       format_number(text, sizeof(text),
                                     (double)ns[i] / (double)SY_NS_PER_US, 1));
    }
}

static const char *mark(const struct load_shown *s)
{
    if (s->status == SY_OUTCOME_SKIPPED)
        return "skipped";
    if (s->status == SY_OUTCOME_FAILED)
        return "failed";
    if (s->is_partial)
        return "cut short";
    if (s->faults & SY_LOAD_SATURATED & ~(unsigned)SY_LOAD_GENERATOR_LATE)
        return "saturated";
    if (s->faults & SY_LOAD_GENERATOR_LATE)
        return "generator late";
    if (s->faults & SY_LOAD_DEVICE_LATE)
        return "device late";
    return "";
}

static int add_row(struct table *table, const struct load_shown *s)
{
    int has_figures = s->offered > 0;
    char name[128];

    if (table_row(table) != 0)
        return -ENOMEM;
    table_cell(table, "%s", sy_experiment_name(&s->exp, name, sizeof(name)));
    table_cell(table, "%u", s->jobs);
    if (s->rate_hz == 0)
        table_cell(table, "%s", "");
    else
        table_number(table, (double)s->rate_hz, 0);
    if (has_figures)
        table_number(table, s->achieved_hz, 0);
    else
        table_cell(table, "%s", "");
    add_quantiles(table, s->response_ns, s->is_late,
                  s->rate_hz == 0 || !has_figures);
    add_quantiles(table, s->service_ns, NULL, !has_figures);
    if (s->cpu_ns > 0)
        table_number(table, s->cpu_ns / (double)SY_NS_PER_US, 2);
    else
        table_cell(table, "%s", "");
    if (s->loop_part >= 0)
        table_number(table, 100 * s->loop_part, 0);
    else
        table_cell(table, "%s", "");
    table_cell(table, "%s", mark(s));
    return 0;
}

/* ---- around it ------------------------------------------------------------
 */

static void print_title(const struct load_shown *s, FILE *to)
{
    char mix[256];

    fprintf(to, "%s on %s%s\n", sy_experiment_mix(&s->exp, mix, sizeof(mix)),
            s->exp.device_spec,
            s->exp.virtual_clock ? ", by a virtual clock" : "");
}

static void print_generator(const struct load_shown *s, FILE *to)
{
    if (s->generator == SY_LOAD_GENERATOR_THREAD)
        fprintf(to, "Arrivals come from a thread that has CPU %d for itself.\n",
                s->generator_cpu);
    else if (s->generator == SY_LOAD_GENERATOR_LOOP && !s->exp.virtual_clock)
        fprintf(to,
                "The generator has no CPU of its own (%s):\n"
                "the loop's thread looks which arrivals are due.\n",
                s->generator_why);
}

/* Why figures and points are marked. */
static void print_marks(const struct load_shown *s, size_t count, FILE *to)
{
    size_t i, q;
    int is_any_late = 0;

    for (i = 0; i < count; i++)
        for (q = 0; q < LOAD_QUANTILES; q++)
            is_any_late |= s[i].is_late[q];
    if (is_any_late)
        fprintf(to, "~: the same quantile of the generator's own lateness is "
                    "more than a tenth of it.\n");

    for (i = 0; i < count; i++) {
        char name[256];

        if (s[i].why[0] == '\0')
            continue;
        fprintf(to, "%s: %s: %s\n", load_shown_name(&s[i], name, sizeof(name)),
                mark(&s[i]), s[i].why);
    }
}

/* By task, row, jobs, rate. Entries of the plan are in the order of results. */
static int compare(const void *left, const void *right)
{
    const struct load_shown *a = left, *b = right;

    if (a->entry != b->entry)
        return a->entry < b->entry ? -1 : 1;
    if (a->rate_hz != b->rate_hz)
        return a->rate_hz < b->rate_hz ? -1 : 1;
    return 0;
}

static int print_task(const struct load_shown *s, size_t count, FILE *to)
{
    struct table *table =
        table_new(columns, sizeof(columns) / sizeof(columns[0]));
    size_t i, of_generator = 0;
    int err = table == NULL ? -ENOMEM : 0;

    for (i = 0; i < count && err == 0; i++) {
        err = add_row(table, &s[i]);
        if (s[of_generator].generator == SY_LOAD_GENERATOR_NONE)
            of_generator = i;
    }
    if (err == 0) {
        print_title(s, to);
        table_print(table, to);
        print_marks(s, count, to);
        print_generator(&s[of_generator], to);
    }
    table_free(table);
    return err;
}

int load_table_print(struct load_shown *shown, size_t count, FILE *to)
{
    size_t begin, end;

    qsort(shown, count, sizeof(*shown), compare);
    for (begin = 0; begin < count; begin = end) {
        for (end = begin;
             end < count && plan_same_task(&shown[begin].exp, &shown[end].exp);
             end++)
            continue;
        if (begin != 0)
            fputc('\n', to);
        if (print_task(shown + begin, end - begin, to) != 0)
            return -ENOMEM;
    }
    return 0;
}
