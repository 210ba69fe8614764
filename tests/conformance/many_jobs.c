/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/select.h>

static int square(void *arg)
{
    unsigned n = *(const unsigned *)arg;
    unsigned half = n / 2;

    CHECK_EQ(sy_job_pause(), 0);
    half += n - half;
    CHECK_EQ(sy_job_pause(), 0);
    return (int)(half * n % 1000003u);
}

static void run_rounds(struct sy_conformance *t, struct sy_job **jobs,
                       unsigned count)
{
    unsigned round, i;

    for (round = 0; round < 2; round++) {
        unsigned resumed = 0;

        for (i = 0; i < count; i++)
            /* 7919 is prime, so this is another order of all of them. */
            CHECK_EQ(sy_wake(sy_job_waker(jobs[(i * 7919u) % count])), 0);
        while (resumed < count) {
            int n = sy_runtime_run(t->rt, SY_FOREVER);

            CHECK_GE(n, 1);
            resumed += (unsigned)n;
        }
        CHECK_EQ(resumed, count);
    }
}

/* Start count jobs, or as many as there are descriptors for. */
static unsigned start_all(struct sy_conformance *t, struct sy_job **jobs,
                          unsigned count)
{
    unsigned i;

    for (i = 0; i < count; i++) {
        struct sy_job_spec spec = {
            .fn = square, .arg = &i, .arg_bytes = sizeof(i)};
        int state = sy_job_start(t->rt, &spec, &jobs[i], NULL);

        if (state == -EMFILE && (t->en->caps & SY_EN_FD_PER_JOB) != 0)
            break;
        CHECK_EQ(state, SY_JOB_PAUSED);
    }
    return i;
}

/* Returns how many jobs were in flight. */
static unsigned in_flight(struct sy_conformance *t, unsigned count)
{
    struct sy_job **jobs = calloc(count, sizeof(*jobs));
    unsigned started, i;

    CHECK(jobs != NULL);
    started = start_all(t, jobs, count);
    run_rounds(t, jobs, started);
    for (i = 0; i < started; i++) {
        int result = -1;

        CHECK_EQ(sy_job_resume(&jobs[i], &result), SY_JOB_FINISHED);
        CHECK_EQ(result, i * i % 1000003u);
    }
    free((void *)jobs);
    return started;
}

/* Raise the limit on descriptors as far as it goes, and return it. */
static unsigned long long raise_fd_limit(void)
{
    struct rlimit limit;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit.rlim_cur;
}

/* With fewer jobs than asked for, the results of those are still checked. */
static void try_in_flight(struct sy_conformance *t, unsigned count)
{
    unsigned long long fds = raise_fd_limit();
    unsigned started = in_flight(t, count);

    if (started < count)
        SKIP(t,
             "engine %s had descriptors for %u of %u jobs, which were fine "
             "(limit: %llu; select(2) takes %d)",
             t->engine_name, started, count, fds, FD_SETSIZE);
}

CONFORMANCE(in_flight_1000)
{
    NEEDS(t, SY_SW_CAN_PAUSE);
    try_in_flight(t, 1000);
}

CONFORMANCE(in_flight_10000)
{
    struct sy_runtime_config config = sy_conformance_config(t);

    NEEDS(t, SY_SW_CAN_PAUSE);
    if ((t->sw->caps & SY_SW_SAME_THREAD) == 0)
        SKIP(t, "switcher %s would need 10000 threads; it is tested with 1000",
             t->sw->name);
    if (SY_TESTS_UNDER_TSAN)
        SKIP(t, "10000 fibers are beyond ThreadSanitizer; 1000 are tested");
    config.stack_bytes = 32 * 1024;
    sy_conformance_reopen(t, &config);
    try_in_flight(t, 10000);
}
