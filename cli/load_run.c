/* SPDX-License-Identifier: Apache-2.0 */
#include "load_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>

#include "command.h"
#include "interrupt.h"

void load_run_spec(const struct load_run *s, size_t entry, uint64_t rate_hz,
                   struct sy_load_spec *spec)
{
    const struct load_options *o = &s->options;

    memset(spec, 0, sizeof(*spec));
    spec->exp = s->plan.entries[entry].exp;
    spec->exp.virtual_clock = o->virtual_clock != 0;
    spec->exp.timeout_ns = o->timeout_ns;
    spec->exp.interrupted = &interrupted;
    spec->arrivals = s->arrivals;
    spec->arrivals.rate_hz = rate_hz;
    spec->is_closed = o->closed != 0;
    spec->duration_ns = o->run.duration_ns;
    spec->warm_up_ns = o->warm_up_ns;
    spec->keeps_samples = !o->no_samples;
    spec->spins = o->spin != 0;
}

static void show_progress(const struct load_run *s,
                          const struct sy_load_spec *spec)
{
    uint64_t passed_ns = sy_clock_now_ns(sy_clock_monotonic()) - s->began_ns;
    double each_ns = s->points_done == 0
                         ? (double)sy_load_point_ns(spec)
                         : (double)passed_ns / (double)s->points_done;
    struct load_shown point;
    char name[256], of[32] = "", left[64] = "", time[32];

    memset(&point, 0, sizeof(point));
    point.exp = spec->exp;
    point.rate_hz = spec->is_closed ? 0 : spec->arrivals.rate_hz;
    load_shown_name(&point, name, sizeof(name));
    if (s->points != 0) { /* how many a search takes, nobody knows */
        snprintf(of, sizeof(of), "/%zu", s->points);
        format_rough_time(time, sizeof(time),
                          each_ns * (double)(s->points - s->points_done) /
                              (double)SY_NS_PER_S);
        snprintf(left, sizeof(left), ", about %s left", time);
    }
    if (s->is_terminal)
        say_over("[%zu%s] %s%s", s->points_done + 1, of, name, left);
    else
        fprintf(stderr, "[%zu%s] %s%s\n", s->points_done + 1, of, name, left);
    fflush(stderr);
}

static int keep_shown(struct load_run *s, const struct load_shown *shown)
{
    if (s->shown_count == s->shown_room) {
        size_t room = 2 * s->shown_room + 32;
        struct load_shown *grown = realloc(s->shown, room * sizeof(*grown));

        if (grown == NULL)
            return -ENOMEM;
        s->shown = grown;
        s->shown_room = room;
    }
    s->shown[s->shown_count++] = *shown;
    return 0;
}

static void say_point(const struct load_shown *shown)
{
    char name[256];

    if (shown->status != SY_OUTCOME_OK)
        say("%s: %s: %s", load_shown_name(shown, name, sizeof(name)),
            shown->status == SY_OUTCOME_FAILED ? "failed" : "skipped",
            shown->why);
}

static int write_down(struct load_run *s, const struct sy_load_spec *spec,
                      const struct sy_load_result *result, int search)
{
    char why[SY_RUN_PATH_BYTES + 256] = "", *line;

    if (sy_run_file_add_load(s->file, spec, result, search, &line, why,
                             sizeof(why)) != 0) {
        say("--out: cannot write the run file: %s", why);
        return CLI_ENVIRONMENT;
    }
    if (s->options.run.json) {
        puts(line);
        fflush(stdout);
    }
    free(line);
    return -1;
}

int load_run_measure(struct load_run *s, const struct sy_load_spec *spec,
                     size_t entry, int search, struct load_shown *shown)
{
    struct sy_load_result *result = calloc(1, sizeof(*result));
    int status = -1;

    if (result == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    show_progress(s, spec);
    if (sy_load_point_run(spec, result) != 0) {
        say("%s", result->outcome.reason);
        status = CLI_ENVIRONMENT;
    }
    if (status == -1)
        status = write_down(s, spec, result, search);
    if (status == -1) {
        load_shown_take(shown, spec, entry, result);
        s->points_done++;
        say_point(shown);
        if (keep_shown(s, shown) != 0) {
            say("no memory");
            status = CLI_ENVIRONMENT;
        }
    }
    sy_load_result_free(result);
    free(result);
    return status;
}
