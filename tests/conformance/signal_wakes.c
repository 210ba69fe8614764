/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t signals;
static struct sy_waker signal_waker;

static void count_signal(int number)
{
    (void)number;
    signals = signals + 1;
}

static void wake_from_handler(int number)
{
    int saved = errno;

    count_signal(number);
    (void)sy_wake(signal_waker);
    errno = saved;
}

static void handle(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    CHECK_EQ(sigaction(SIGINT, &action, NULL), 0); /* no SA_RESTART */
}

struct interrupt {
    pthread_t target;
    struct sy_waker waker;
};

static void *interrupt_then_wake(void *arg)
{
    const struct interrupt *in = arg;
    struct timespec pause = {.tv_nsec = 10000000};
    int i;

    for (i = 0; i < 3; i++) {
        nanosleep(&pause, NULL);
        CHECK_EQ(pthread_kill(in->target, SIGINT), 0);
    }
    nanosleep(&pause, NULL);
    CHECK_EQ(sy_wake(in->waker), 0);
    return NULL;
}

CONFORMANCE(signal_does_not_end_the_wait)
{
    struct interrupt in = {.target = pthread_self()};
    struct sy_clock *clock = sy_clock_monotonic();
    struct sy_job *job;
    pthread_t thread;
    uint64_t start_ns;
    int steps = 0;

    NEEDS(t, SY_SW_CAN_PAUSE);
    handle(count_signal);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    in.waker = sy_job_waker(job);
    CHECK_EQ(pthread_create(&thread, NULL, interrupt_then_wake, &in), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(steps, 2);
    CHECK_GE(signals, 1);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);

    in.waker = sy_runtime_waker(t->rt);
    start_ns = sy_clock_now_ns(clock);
    CHECK_EQ(pthread_create(&thread, NULL, interrupt_then_wake, &in), 0);
    CHECK_EQ(sy_runtime_run(t->rt, 15 * SY_NS_PER_MS), 0);
    CHECK_GE(sy_clock_now_ns(clock) - start_ns, 15 * SY_NS_PER_MS);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void *interrupt_once(void *arg)
{
    const struct interrupt *in = arg;
    struct timespec pause = {.tv_nsec = 10000000};

    nanosleep(&pause, NULL);
    CHECK_EQ(pthread_kill(in->target, SIGINT), 0);
    return NULL;
}

CONFORMANCE(wake_in_a_signal_handler)
{
    struct interrupt in = {.target = pthread_self()};
    struct sy_job *job;
    int i;

    NEEDS(t, SY_SW_CAN_PAUSE);
    NEEDS_ENGINE(t, SY_EN_SIGNAL_SAFE);
    if (SY_TESTS_UNDER_TSAN && t->variant != NULL &&
        strcmp(t->variant, "select") == 0)
        SKIP(t, "ThreadSanitizer holds signals back during select(2)");
    for (i = 0; i < 5; i++) {
        pthread_t thread;
        int steps = 0;

        job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
        signal_waker = sy_job_waker(job);
        handle(wake_from_handler);
        CHECK_EQ(pthread_create(&thread, NULL, interrupt_once, &in), 0);
        CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(steps, 2);
        CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
        CHECK_EQ(sy_wake(signal_waker), -ESRCH);
    }
}
