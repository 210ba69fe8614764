/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <pthread.h>

static void *complete(void *arg)
{
    const struct sy_waker *waker = arg;

    sy_complete(*waker);
    return NULL;
}

static int wait_for_a_thread(void *arg)
{
    struct sy_waker waker;
    pthread_t thread;

    CHECK_EQ(sy_job_pin(arg, &waker), 0);
    CHECK_EQ(pthread_create(&thread, NULL, complete, &waker), 0);
    CHECK_EQ(sy_job_pause(), SY_NOT_PAUSED);
    CHECK_EQ(sy_wait_here(waker, SY_FOREVER), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return 11;
}

CONFORMANCE(job_that_cannot_pause_waits_here)
{
    struct sy_job_spec spec = {.fn = wait_for_a_thread, .arg = t->rt};
    struct sy_job *job;
    int result = -1;

    if ((t->sw->caps & SY_SW_CAN_PAUSE) != 0)
        SKIP(t, "switcher %s can pause", t->sw->name);
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 11);
}
