/* SPDX-License-Identifier: Apache-2.0 */
#include "chrome_trace.h"

#include <inttypes.h>
#include <stdlib.h>

void chrome_trace_begin(struct chrome_trace *trace, FILE *to)
{
    *trace = (struct chrome_trace){.to = to};
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", to);
}

void chrome_trace_end(struct chrome_trace *trace)
{
    fputs("\n]}\n", trace->to);
}

static void begin_event(struct chrome_trace *trace)
{
    fputs(trace->has_events ? ",\n" : "\n", trace->to);
    trace->has_events = 1;
}

static void print_string(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            fputc('?', to);
        else
            fputc(c, to);
    }
    fputc('"', to);
}

static void name_it(struct chrome_trace *trace, const char *what, unsigned pid,
                    uint32_t tid, const char *name)
{
    begin_event(trace);
    fprintf(trace->to,
            "{\"name\":\"%s\",\"ph\":\"M\",\"pid\":%u,\"tid\":%" PRIu32
            ",\"args\":{\"name\":",
            what, pid, tid);
    print_string(trace->to, name);
    fputs("}}", trace->to);
}

/* Times are in us, with ns behind the point. */
static void complete_event(struct chrome_trace *trace, const char *name,
                           const char *category, unsigned pid,
                           const struct sy_trace_event *e, uint64_t zero_ns)
{
    uint64_t ts = e->begin_ns - zero_ns, dur = e->end_ns - e->begin_ns;

    begin_event(trace);
    fprintf(trace->to,
            "{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"ts\":%" PRIu64
            ".%03u,\"dur\":%" PRIu64 ".%03u,\"pid\":%u,\"tid\":%" PRIu32
            ",\"args\":{\"job\":%" PRIu64 "}}",
            name, category, ts / 1000, (unsigned)(ts % 1000), dur / 1000,
            (unsigned)(dur % 1000), pid, e->slot, e->job);
}

/* By slot, then by job, for a slot serves one after the other; then by time,
   and in the order of a job's life where that is the same. */
static int compare(const void *a, const void *b)
{
    const struct sy_trace_event *x = a, *y = b;

    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    if (x->job != y->job)
        return x->job < y->job ? -1 : 1;
    if (x->begin_ns != y->begin_ns)
        return x->begin_ns < y->begin_ns ? -1 : 1;
    if (x->end_ns != y->end_ns)
        return x->end_ns < y->end_ns ? -1 : 1;
    return (x->phase > y->phase) - (x->phase < y->phase);
}

/* A job with its phases; the events of that job come first. Returns how many
   they are. */
static size_t add_job(struct chrome_trace *trace, unsigned pid,
                      const struct sy_trace_event *events, size_t count,
                      uint64_t zero_ns)
{
    struct sy_trace_event whole = events[0];
    char name[32];
    size_t n = 0;

    while (n < count && events[n].job == whole.job) {
        if (events[n].end_ns > whole.end_ns)
            whole.end_ns = events[n].end_ns;
        n++;
    }
    (void)snprintf(name, sizeof(name), "job %" PRIu64, whole.job);
    complete_event(trace, name, "job", pid, &whole, zero_ns);
    for (size_t i = 0; i < n; i++)
        complete_event(
            trace, sy_trace_phase_name((enum sy_trace_phase)events[i].phase),
            "phase", pid, &events[i], zero_ns);
    return n;
}

void chrome_trace_runtime(struct chrome_trace *trace, unsigned pid,
                          const char *name, struct sy_trace_event *events,
                          size_t count)
{
    uint64_t zero_ns = UINT64_MAX;
    char slot[32];

    name_it(trace, "process_name", pid, 0, name);
    for (size_t i = 0; i < count; i++)
        if (events[i].begin_ns < zero_ns)
            zero_ns = events[i].begin_ns;
    qsort(events, count, sizeof(*events), compare);
    for (size_t i = 0; i < count;) {
        if (i == 0 || events[i].slot != events[i - 1].slot) {
            (void)snprintf(slot, sizeof(slot), "slot %" PRIu32, events[i].slot);
            name_it(trace, "thread_name", pid, events[i].slot, slot);
        }
        i += add_job(trace, pid, &events[i], count - i, zero_ns);
    }
}
