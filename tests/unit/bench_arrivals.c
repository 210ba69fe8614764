/* SPDX-License-Identifier: Apache-2.0 */
/* Planned arrivals: the same plan is the same times, rates and shapes are as
   described, and a trace that is none is refused with the number of its line.
 */
#include <errno.h>
#include <math.h>
#include <switchyard/clock.h>
#include <unistd.h>

#include "../../bench/load/arrivals.h"
#include "unit.h"

#define MS    SY_NS_PER_MS
#define COUNT 200000

static char path[64];

static void write_file(const char *text)
{
    FILE *f;

    snprintf(path, sizeof(path), "/tmp/sy-arrivals-%ld", (long)getpid());
    f = fopen(path, "w");
    CHECK(f != NULL);
    CHECK(fputs(text, f) >= 0);
    CHECK_EQ(fclose(f), 0);
}

static struct sy_arrivals plan_of(enum sy_arrivals_kind kind, uint64_t rate_hz)
{
    return (struct sy_arrivals){.kind = kind, .rate_hz = rate_hz, .seed = 7};
}

/* ---- streams ------------------------------------------------------------- */

static void constant_is_evenly_spaced(void)
{
    struct sy_arrivals plan = plan_of(SY_ARRIVALS_CONSTANT, 3000000);
    struct sy_arrival_stream s;

    sy_arrival_stream_begin(&s, &plan, 0);
    CHECK_EQ(sy_arrival_stream_next(&s), 0);
    CHECK_EQ(sy_arrival_stream_next(&s), 333);
    CHECK_EQ(sy_arrival_stream_next(&s), 666);
    CHECK_EQ(sy_arrival_stream_next(&s), 1000); /* no error adds up */
    CHECK_EQ(sy_arrivals_count(&plan, 10 * MS, MS, UINT64_MAX), 3000);
    CHECK_EQ(sy_arrivals_count(&plan, 10 * MS, MS, 17), 17);
}

/* The gaps of a Poisson stream have a mean, and a deviation of the same size;
   5 deviations of each estimate. */
static void poisson_is_memoryless(void)
{
    struct sy_arrivals plan = plan_of(SY_ARRIVALS_POISSON, 100000);
    struct sy_arrival_stream s, t;
    double sum = 0, squares = 0, mean, deviation;
    uint64_t before = 0;

    sy_arrival_stream_begin(&s, &plan, 0);
    sy_arrival_stream_begin(&t, &plan, 5 * MS); /* a warm-up changes nothing */
    for (int i = 0; i < COUNT; i++) {
        uint64_t at = sy_arrival_stream_next(&s);
        double gap = (double)(at - before);

        CHECK_EQ(sy_arrival_stream_next(&t), at);
        CHECK(at >= before);
        before = at;
        sum += gap;
        squares += gap * gap;
    }
    mean = sum / COUNT;
    deviation = sqrt(squares / COUNT - mean * mean);
    CHECK(fabs(mean - 10000) < 5 * 10000 / sqrt(COUNT));
    CHECK(fabs(deviation - 10000) < 5 * 10000 * sqrt(2.0 / COUNT));

    plan.seed++;
    sy_arrival_stream_begin(&t, &plan, 0);
    sy_arrival_stream_begin(&s,
                            &(struct sy_arrivals){.kind = plan.kind,
                                                  .rate_hz = plan.rate_hz,
                                                  .seed = 7},
                            0);
    CHECK(sy_arrival_stream_next(&s) != sy_arrival_stream_next(&t));
}

/* ---- traces -------------------------------------------------------------- */

static void trace_follows_a_warm_up(void)
{
    struct sy_arrival_trace trace;
    struct sy_arrivals plan = {.kind = SY_ARRIVALS_TRACE, .seed = 1};
    struct sy_arrival_stream s;
    char why[512];
    uint64_t at, before = 0, warm = 0;

    write_file("# a remark\n0us\n\n1.5us\n1.5us\n2ms\n");
    CHECK_EQ(sy_arrival_trace_read(&trace, path, why, sizeof(why)), 0);
    CHECK_STR(why, "");
    CHECK_EQ(trace.count, 4);
    CHECK_EQ(trace.length_ns, 2 * MS);
    CHECK_EQ(sy_arrival_trace_rate_hz(&trace), 2000);
    plan.trace = &trace;
    sy_arrival_stream_begin(&s, &plan, 10 * MS);
    while ((at = sy_arrival_stream_next(&s)) < 10 * MS) {
        CHECK(at >= before);
        before = at;
        warm++;
    }
    CHECK(warm > 2 && warm < 60); /* 20 are expected */
    CHECK_EQ(at, 10 * MS);
    CHECK_EQ(sy_arrival_stream_next(&s), 10 * MS + 1500);
    CHECK_EQ(sy_arrival_stream_next(&s), 10 * MS + 1500);
    CHECK_EQ(sy_arrival_stream_next(&s), 12 * MS);
    CHECK(sy_arrival_stream_next(&s) == SY_FOREVER);
    CHECK(sy_arrival_stream_next(&s) == SY_FOREVER);
    CHECK_EQ(sy_arrivals_count(&plan, 10 * MS, 2 * MS, UINT64_MAX), 3);
    sy_arrival_trace_free(&trace);
    CHECK(trace.ns == NULL);
}

static void gaps_add_up(void)
{
    struct sy_arrival_trace trace;
    char why[512];

    write_file("+1us\n+2us\r\n+0ns\n+1ms");
    CHECK_EQ(sy_arrival_trace_read(&trace, path, why, sizeof(why)), 0);
    CHECK_EQ(trace.count, 4);
    CHECK_EQ(trace.ns[0], 1000);
    CHECK_EQ(trace.ns[1], 3000);
    CHECK_EQ(trace.ns[2], 3000);
    CHECK_EQ(trace.ns[3], 1003000);
    sy_arrival_trace_free(&trace);
}

static void no_trace(const char *text, const char *words)
{
    struct sy_arrival_trace trace;
    char why[512];

    write_file(text);
    CHECK_EQ(sy_arrival_trace_read(&trace, path, why, sizeof(why)), -EINVAL);
    if (strstr(why, words) == NULL) {
        fprintf(stderr, "\"%s\": why is \"%s\", expected \"%s\" in it\n", text,
                why, words);
        exit(1);
    }
    CHECK(trace.ns == NULL);
}

static void what_is_no_trace(void)
{
    struct sy_arrival_trace trace;
    char why[512], longer[400] = "1us\n#";

    no_trace("", "needs at least two");
    no_trace("# only this\n", "needs at least two");
    no_trace("5us\n", "has only one");
    no_trace("0us\n-5us\n", ":2: not a time");
    no_trace("0us\n5\n", ":2: not a time");
    no_trace("0us\n1us\n1e3us\n", ":3: not a time");
    no_trace("0us\n0x10us\n", ":2: not a time");
    no_trace("0us\nnanus\n", ":2: not a time");
    no_trace("0us\n1.2.3us\n", ":2: not a time");
    no_trace("0us\n.us\n", ":2: not a time");
    no_trace("0us\n1us 2us\n", ":2: not a time");
    no_trace("0us\n++1us\n", ":2: not a time");
    no_trace("0us\n+1us\n", ":2: times and '+' gaps are mixed");
    no_trace("+0us\n1us\n", ":2: times and '+' gaps are mixed");
    no_trace("2us\n1us\n", ":2: earlier than");
    no_trace("0us\n90000s\n", ":2: later than 24 hours");
    no_trace("+80000s\n+80000s\n", ":2: later than 24 hours");
    no_trace("\177ELF\001\002\n", ":1: not a time");

    /* A line that is too long, and a remark of that length. */
    memset(longer + 5, '1', 300);
    strcpy(longer + 305, "\n2us\n");
    write_file(longer);
    CHECK_EQ(sy_arrival_trace_read(&trace, path, why, sizeof(why)), 0);
    CHECK_EQ(trace.count, 2);
    sy_arrival_trace_free(&trace);
    longer[4] = '1';
    no_trace(longer, ":2: longer than a time");

    CHECK_EQ(sy_arrival_trace_read(&trace, "/nowhere/x", why, sizeof(why)),
             -ENOENT);
    CHECK(strstr(why, "/nowhere/x: cannot be opened") != NULL);

    /* Has no end: only the first bytes say that it is no trace. */
    CHECK_EQ(sy_arrival_trace_read(&trace, "/dev/zero", why, sizeof(why)),
             -EINVAL);
    CHECK(strstr(why, "/dev/zero:1: a zero byte") != NULL);
}

int main(void)
{
    constant_is_evenly_spaced();
    poisson_is_memoryless();
    trace_follows_a_warm_up();
    gaps_add_up();
    what_is_no_trace();
    unlink(path);
    return 0;
}
