/* SPDX-License-Identifier: Apache-2.0 */
#include "arrivals.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>
#include <switchyard/compiler.h>

#include "operation_mix.h"

/* A trace is at most so long: far above what is measured, far below what a
   double counts exactly. */
#define TRACE_NS_MAX (24 * 3600 * SY_NS_PER_S)

const char *sy_arrivals_name(enum sy_arrivals_kind kind)
{
    static const char *const names[SY_ARRIVALS_KINDS] = {
        [SY_ARRIVALS_CONSTANT] = "constant",
        [SY_ARRIVALS_POISSON] = "poisson",
        [SY_ARRIVALS_TRACE] = "trace",
    };

    return kind < SY_ARRIVALS_KINDS ? names[kind] : "?";
}

/* ---- traces -------------------------------------------------------------- */

enum form { FORM_UNKNOWN, FORM_TIMES, FORM_GAPS };

struct reader {
    struct sy_arrival_trace *trace;
    size_t room;
    unsigned long line;
    enum form form;
    const char *path;
    char *why;
    size_t why_bytes;
};

static int refuse(const struct reader *r, int err, const char *what)
{
    snprintf(r->why, r->why_bytes, "%.300s:%lu: %s", r->path, r->line, what);
    return err;
}

/* "12.5us". Only digits, one point and a unit: strtod() would take "inf",
   "0x1p3" and a locale's comma too. */
static int parse_time(const char *text, uint64_t *ns)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
    double value = 0, place = 1;
    int digits = 0, is_behind_point = 0;

    for (; (*text >= '0' && *text <= '9') || *text == '.'; text++) {
        if (*text == '.') {
            if (is_behind_point++)
                return -EINVAL;
            continue;
        }
        digits++;
        value = value * 10 + (*text - '0');
        if (is_behind_point)
            place *= 10;
    }
    for (size_t i = 0; digits > 0 && i < sizeof(units) / sizeof(*units); i++) {
        if (strcmp(text, units[i].name) != 0)
            continue;
        value = value / place * units[i].ns;
        if (!(value <= (double)TRACE_NS_MAX))
            return -ERANGE;
        *ns = (uint64_t)(value + 0.5);
        return 0;
    }
    return -EINVAL;
}

static int append(struct reader *r, uint64_t ns)
{
    struct sy_arrival_trace *t = r->trace;

    if (t->count == SY_TRACE_MAX)
        return refuse(r, -EINVAL, "more than 16777216 arrivals");
    if (t->count == r->room) {
        size_t room = r->room == 0 ? 1024 : 2 * r->room;
        uint64_t *grown = realloc(t->ns, room * sizeof(*grown));

        if (grown == NULL)
            return refuse(r, -ENOMEM, "no memory for so many arrivals");
        t->ns = grown;
        r->room = room;
    }
    t->ns[t->count++] = ns;
    return 0;
}

static int take_line(struct reader *r, char *line)
{
    enum form form = line[0] == '+' ? FORM_GAPS : FORM_TIMES;
    uint64_t before =
        r->trace->count > 0 ? r->trace->ns[r->trace->count - 1] : 0;
    uint64_t ns;
    int err = parse_time(line + (form == FORM_GAPS), &ns);

    if (err == 0 && form == FORM_GAPS)
        ns += before;
    if (err == -ERANGE || (err == 0 && ns > TRACE_NS_MAX))
        return refuse(r, -EINVAL, "later than 24 hours");
    if (err != 0)
        return refuse(r, -EINVAL,
                      "not a time: accepted is a number, not negative, with "
                      "a unit (ns, us, ms, s), as 12.5us; or, with a '+' in "
                      "front, the time since the arrival before it");
    if (r->form != FORM_UNKNOWN && form != r->form)
        return refuse(r, -EINVAL,
                      "times and '+' gaps are mixed; all lines must be of one "
                      "form");
    if (ns < before)
        return refuse(r, -EINVAL, "earlier than the arrival before it");
    r->form = form;
    return append(r, ns);
}

static int read_lines(struct reader *r, FILE *file)
{
    char line[128];

    while (fgets(line, sizeof(line), file) != NULL) {
        size_t bytes = strcspn(line, "\r\n");
        int is_whole = line[bytes] != '\0', err;

        r->line++;
        if (!is_whole && bytes + 1 < sizeof(line) && !feof(file))
            return refuse(r, -EINVAL, "a zero byte; a trace is text");
        if (!is_whole && bytes + 1 == sizeof(line) && line[0] != '#')
            return refuse(r, -EINVAL, "longer than a time can be");
        if (!is_whole && bytes + 1 == sizeof(line)) {
            int c; /* the rest of a long remark */

            while ((c = fgetc(file)) != EOF && c != '\n')
                continue;
        }
        line[bytes] = '\0';
        if (bytes == 0 || line[0] == '#')
            continue;
        err = take_line(r, line);
        if (err != 0)
            return err;
    }
    if (!ferror(file))
        return 0;
    snprintf(r->why, r->why_bytes, "%.300s: cannot be read", r->path);
    return -EIO;
}

int sy_arrival_trace_read(struct sy_arrival_trace *trace, const char *path,
                          char *why, size_t why_bytes)
{
    struct reader r = {
        .trace = trace, .path = path, .why = why, .why_bytes = why_bytes};
    FILE *file = fopen(path, "re");
    int err;

    memset(trace, 0, sizeof(*trace));
    snprintf(why, why_bytes, "%s", "");
    if (file == NULL) {
        err = -errno;
        snprintf(why, why_bytes, "%.300s: cannot be opened: %s", path,
                 strerror(-err));
        return err;
    }
    err = read_lines(&r, file);
    (void)fclose(file);
    if (err == 0 && trace->count < 2) {
        snprintf(why, why_bytes,
                 "%.300s has %s; a trace needs at least two arrivals", path,
                 trace->count == 0 ? "none" : "only one");
        err = -EINVAL;
    }
    if (err != 0) {
        sy_arrival_trace_free(trace);
        return err;
    }
    trace->length_ns = trace->ns[trace->count - 1];
    if (trace->length_ns == 0)
        trace->length_ns = 1;
    return 0;
}

void sy_arrival_trace_free(struct sy_arrival_trace *trace)
{
    free(trace->ns);
    memset(trace, 0, sizeof(*trace));
}

uint64_t sy_arrival_trace_rate_hz(const struct sy_arrival_trace *trace)
{
    double hz =
        (double)trace->count * (double)SY_NS_PER_S / (double)trace->length_ns;

    if (hz < 1)
        return 1;
    return hz < (double)SY_RATE_MAX_HZ ? (uint64_t)(hz + 0.5) : SY_RATE_MAX_HZ;
}

/* ---- streams ------------------------------------------------------------- */

void sy_arrival_stream_begin(struct sy_arrival_stream *s,
                             const struct sy_arrivals *plan,
                             uint64_t warm_up_ns)
{
    memset(s, 0, sizeof(*s));
    s->plan = *plan;
    s->warm_up_ns = warm_up_ns;
    s->random = plan->seed ^ UINT64_C(0x6c6f6164);
    if (plan->kind == SY_ARRIVALS_TRACE)
        s->plan.rate_hz = sy_arrival_trace_rate_hz(plan->trace);
}

/* In (0, 1], so that its logarithm is finite. */
static double random_unit(uint64_t *state)
{
    return (double)((sy__random(state) >> 11) + 1) * 0x1p-53;
}

static uint64_t next_poisson(struct sy_arrival_stream *s)
{
    double mean_ns = (double)SY_NS_PER_S / (double)s->plan.rate_hz;

    s->sum_ns -= mean_ns * log(random_unit(&s->random));
    return (uint64_t)s->sum_ns;
}

static uint64_t next_of_trace(struct sy_arrival_stream *s)
{
    const struct sy_arrival_trace *trace = s->plan.trace;

    if (!s->is_tracing) {
        uint64_t ns = next_poisson(s);

        if (ns < s->warm_up_ns)
            return ns;
        s->is_tracing = 1;
    }
    if (s->number == trace->count)
        return SY_FOREVER;
    return s->warm_up_ns + trace->ns[s->number++];
}

uint64_t sy_arrival_stream_next(struct sy_arrival_stream *s)
{
    switch (s->plan.kind) {
    case SY_ARRIVALS_CONSTANT:
        /* From the number, so that the period need not be whole ns. */
        return (uint64_t)((double)s->number++ * (double)SY_NS_PER_S /
                          (double)s->plan.rate_hz);
    case SY_ARRIVALS_POISSON:
        return next_poisson(s);
    case SY_ARRIVALS_TRACE:
        return next_of_trace(s);
    case SY_ARRIVALS_KINDS:
        break;
    }
    return SY_FOREVER;
}

uint64_t sy_arrivals_count(const struct sy_arrivals *plan, uint64_t warm_up_ns,
                           uint64_t window_ns, uint64_t most)
{
    struct sy_arrival_stream s;
    uint64_t count = 0, ns;

    sy_arrival_stream_begin(&s, plan, warm_up_ns);
    while (count < most &&
           (ns = sy_arrival_stream_next(&s)) < warm_up_ns + window_ns)
        count += ns >= warm_up_ns;
    return count;
}
