/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No descriptor is lost when there are none left: every engine is opened, and
 * jobs are started, under limits that end it at each possible place. What was
 * open before is open afterwards, and nothing else.
 */
#include "unit.h"
#include <dirent.h>
#include <errno.h>
#include <switchyard/engine.h>
#include <switchyard/switchyard.h>
#include <sys/resource.h>
#include <unistd.h>

#define JOBS 8

static int pause_once(void *arg)
{
    (void)arg;
    return sy_job_pause();
}

static unsigned open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    CHECK_EQ(closedir(dir), 0);
    return count;
}

/* The lowest free number: a limit of it leaves no descriptor. */
static unsigned first_free(void)
{
    int fd = dup(STDOUT_FILENO);

    CHECK(fd >= 0);
    CHECK_EQ(close(fd), 0);
    return (unsigned)fd;
}

static void limit_to(unsigned descriptors)
{
    struct rlimit limit;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = descriptors;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Returns what ended it: 0, or the first -errno. */
static int use(const char *engine)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_job_spec spec = {.fn = pause_once};
    struct sy_job *jobs[JOBS] = {NULL};
    struct sy_runtime *rt;
    int err, i, result;

    config.switcher = "ucontext";
    config.engine = engine;
    config.flags = SY_RT_NO_ENVIRONMENT;
    err = sy_runtime_open(&rt, &config);
    if (err != 0) {
        CHECK(rt == NULL);
        return err;
    }
    for (i = 0; i < JOBS && err == 0; i++) {
        int state = sy_job_start(rt, &spec, &jobs[i], &result);

        if (state < 0)
            err = state;
        else
            CHECK_EQ(state, SY_JOB_PAUSED);
    }
    for (i = 0; i < JOBS; i++)
        if (jobs[i] != NULL)
            CHECK_EQ(sy_job_resume(&jobs[i], &result), SY_JOB_FINISHED);
    CHECK_EQ(sy_runtime_close(rt), 0);
    return err;
}

static void run_out(const char *engine, unsigned caps)
{
    int refused = 0, fine = 0;
    unsigned before, first, more;

    CHECK_EQ(use(engine), 0); /* what is made once is made now */
    before = open_descriptors();
    first = first_free();
    for (more = 0; more <= 2 * JOBS + 12; more++) {
        int err;

        limit_to(first + more);
        err = use(engine);
        limit_to(1024);
        if (err == 0)
            fine++;
        else if (err == -EMFILE)
            refused++;
        else
            CHECK_EQ(err, -ENOTSUP); /* the probe had none */
        CHECK_EQ(open_descriptors(), before);
    }
    printf("%s: %d times -EMFILE, %d times well\n", engine, refused, fine);
    if ((caps & SY_EN_FD_PER_JOB) != 0)
        CHECK(refused >= JOBS);
    CHECK(fine > 0);
}

int main(void)
{
    const struct sy_engine_ops *const *e;
    char name[64], why[256];

    limit_to(1024);
    for (e = sy_engine_table(); *e != NULL; e++) {
        static const char *const only[] = {"", NULL};
        const char *const *variant = (*e)->variants;

        for (variant = variant != NULL ? variant : only; *variant != NULL;
             variant++) {
            snprintf(name, sizeof(name), "%s%s%s", (*e)->name,
                     (*variant)[0] != '\0' ? "+" : "", *variant);
            if (sy_engine_probe(*e, (*e)->variants != NULL ? *variant : NULL,
                                why, sizeof(why)) == 0)
                run_out(name, (*e)->caps);
            else
                printf("%s: left out: %s\n", name, why);
        }
    }
    return 0;
}
