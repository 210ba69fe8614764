/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

/* The other runtime is not bound, even where these bodies are. */
#undef sy_runtime_open
#include <string.h>

/* A switcher unlike t's that works here, or t's if there is no other. */
static const struct sy_switcher_ops *another(const struct sy_conformance *t)
{
    const struct sy_switcher_ops *const *sw = sy_switcher_table();
    char why[256];

    for (; *sw != NULL; sw++)
        if (strcmp((*sw)->name, t->sw->name) != 0 &&
            ((*sw)->caps & SY_SW_CAN_PAUSE) != 0 &&
            sy_switcher_probe(*sw, why, sizeof(why)) == 0)
            return *sw;
    return t->sw;
}

struct both {
    struct sy_runtime *mine, *other;
    int depth;
};

static int alternate(void *arg)
{
    const struct both *b = arg;
    struct both below = {b->other, b->mine, b->depth - 1};
    struct sy_job_spec spec = {.fn = alternate, .arg = &below};
    struct sy_job *me = sy_job_current(), *job;
    int result = 0, state;

    CHECK_EQ(sy_job_pause(), 0);
    CHECK(sy_job_current() == me);
    if (b->depth == 0)
        return 1;
    state = sy_job_start(b->other, &spec, &job, &result);
    CHECK_EQ(state, SY_JOB_PAUSED);
    CHECK(sy_job_current() == me);
    while (state == SY_JOB_PAUSED) {
        CHECK_EQ(sy_job_pause(), 0);
        CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
        CHECK_EQ(sy_runtime_run(b->other, SY_FOREVER), 1);
        CHECK(sy_job_current() == me);
        state = sy_job_resume(&job, &result);
    }
    CHECK_EQ(state, SY_JOB_FINISHED);
    return result + 1;
}

CONFORMANCE(two_runtimes_nested_in_each_other)
{
    struct sy_runtime_config config = sy_conformance_config(t);
    struct both b = {.mine = t->rt, .depth = 3};
    struct sy_job *job;
    int result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    config.switcher_ops = another(t);
    CHECK_EQ(sy_runtime_open(&b.other, &config), 0);
    job = sy_conformance_paused(t->rt, alternate, &b);
    while (sy_job_resume(&job, &result) == SY_JOB_PAUSED)
        ;
    CHECK_EQ(result, 4);
    CHECK_EQ(sy_conformance_stats(t->rt).jobs_finished, 2);
    CHECK_EQ(sy_conformance_stats(b.other).jobs_finished, 2);
    CHECK_EQ(sy_runtime_close(b.other), 0);
}
