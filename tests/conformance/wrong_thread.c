/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

struct foreign {
    struct sy_runtime *rt;
    struct sy_job *job;
};

static void *touch_everything(void *arg)
{
    struct foreign *f = arg;
    struct sy_job *same = f->job, *job = f->job;
    struct sy_job_spec spec = {.fn = sy_conformance_return};
    struct sy_runtime_stats stats = {.size = sizeof(stats)};
    struct sy_waker waker = {f->job, 1};
    int result = -1, fd = 0;

    CHECK_EQ(sy_job_resume(&job, &result), -EXDEV);
    CHECK(job == same);
    CHECK_EQ(sy_job_abandon(&job), -EXDEV);
    CHECK(job == same);
    CHECK_EQ(sy_job_cancel(job), -EXDEV);
    CHECK_EQ(sy_job_start(f->rt, &spec, &job, &result), -EXDEV);
    CHECK(job == NULL);
    CHECK_EQ(result, -1);
    CHECK_EQ(sy_runtime_run(f->rt, 0), -EXDEV);
    CHECK_EQ(sy_runtime_fd(f->rt, &fd), -EXDEV);
    CHECK_EQ(fd, -1);
    CHECK_EQ(sy_runtime_get_stats(f->rt, &stats), -EXDEV);
    CHECK_EQ(sy_runtime_close(f->rt), -EXDEV);
    CHECK_EQ(sy_job_pin(f->rt, &waker), -EXDEV);
    CHECK(waker.slot == NULL);
    CHECK_EQ(waker.generation, 0);
    CHECK_EQ(sy_wait_here(sy_job_waker(f->job), 0), -EXDEV);
    CHECK_EQ(sy_wait_here(sy_runtime_waker(f->rt), 0), -EXDEV);
    CHECK(sy_job_current() == NULL);
    CHECK_EQ(sy_job_pause(), SY_NOT_PAUSED);
    return NULL;
}

CONFORMANCE(wrong_thread_is_refused)
{
    struct foreign f = {.rt = t->rt};
    int steps = 0, result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    f.job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    sy_conformance_on_thread(touch_everything, &f);
    CHECK_EQ(steps, 1); /* and nothing was corrupted */
    CHECK_EQ(sy_job_resume(&f.job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 2);
}
