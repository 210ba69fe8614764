/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tracing costs a job: operations from start to end on
 * libswitchyard-traced with tracing off and on in turns, the device polled by
 * the same thread, as in counted_switchyard.c. Prints medians of many short
 * batches.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>
#include <switchyard/switchyard.h>
#include <switchyard/trace.h>

#define IN_FLIGHT 64
#define BATCHES   401
#define PER_BATCH (IN_FLIGHT * 500)

static unsigned long finished;

static int offload(void *arg)
{
    if (sy_job_pin(NULL, arg) != 0)
        return -1;
    return sy_job_pause();
}

static void count_finished(void *user, struct sy_job *job, int result)
{
    (void)user, (void)job;
    finished += result == 0;
}

/* Returns ns per job; ends the program if one went wrong. */
static double batch(struct sy_runtime *rt)
{
    struct sy_clock *clock = sy_clock_monotonic();
    struct sy_waker wakers[IN_FLIGHT];
    uint64_t begin_ns = sy_clock_now_ns(clock);
    struct sy_job *job;

    finished = 0;
    for (unsigned long n = 0; n < PER_BATCH; n += IN_FLIGHT) {
        for (int i = 0; i < IN_FLIGHT; i++) {
            struct sy_job_spec spec = {
                .fn = offload, .arg = &wakers[i], .done = count_finished};

            if (sy_job_start(rt, &spec, &job, NULL) != SY_JOB_PAUSED)
                exit(1);
        }
        for (int i = 0; i < IN_FLIGHT; i++)
            (void)sy_complete(wakers[i]);
        while (finished < n + IN_FLIGHT)
            if (sy_runtime_run(rt, SY_FOREVER) < 0)
                exit(1);
    }
    return (double)(sy_clock_now_ns(clock) - begin_ns) / PER_BATCH;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, BATCHES, sizeof(*values), compare);
    return values[BATCHES / 2];
}

static int measure(const char *switcher, const char *engine)
{
    static double off[BATCHES], on[BATCHES];
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_trace_phases *phases = calloc(1, sizeof(*phases));
    struct sy_runtime *rt;
    double off_ns, on_ns;
    int err;

    cfg.switcher = switcher;
    cfg.engine = engine;
    cfg.jobs_init = IN_FLIGHT;
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    err = phases == NULL ? -1 : sy_runtime_open(&rt, &cfg);
    for (int i = 0; i < BATCHES && err == 0; i++) {
        off[i] = batch(rt);
        err = sy_trace_start(rt, NULL);
        if (err != 0)
            break;
        on[i] = batch(rt);
        (void)sy_trace_stop(rt);
        phases->size = sizeof(*phases);
        err = sy_trace_read(rt, phases);
        if (err == 0 && phases->jobs != PER_BATCH)
            err = -1;
    }
    if (err != 0) {
        fprintf(stderr, "trace_cost: %s on %s: error %d\n", switcher, engine,
                err);
        return EXIT_FAILURE;
    }
    off_ns = median(off);
    on_ns = median(on);
    printf("%-10s %-8s %8.1f %8.1f %8.1f   %s\n", switcher, engine, off_ns,
           on_ns, on_ns - off_ns, phases->clock);
    free(phases);
    return sy_runtime_close(rt) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    if (argc != 1 && argc != 3) {
        fprintf(stderr, "usage: switchyard_trace_cost [SWITCHER ENGINE]\n");
        return 2;
    }
    printf("%-10s %-8s %8s %8s %8s   %s\n", "switcher", "engine", "off, ns",
           "on, ns", "cost, ns", "clock");
    if (argc == 3)
        return measure(argv[1], argv[2]);
    return measure("asm", "queue") | measure("asm", "poll");
}
