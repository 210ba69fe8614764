/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row "combination": one Switchyard job for each operation, with the
 * switcher and the engine of the experiment.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/errors.h>
#include <switchyard/job.h>
#include <switchyard/runtime.h>
#include <sys/select.h>

#include "../load_cycle.h"

struct combination {
    struct sy_runtime *rt;
    struct sy_waker waker; /* ends the runtime's sleep */
    unsigned in_flight;
    unsigned started;     /* jobs started so far, up to the number wanted */
    unsigned descriptors; /* open before the first job */
};

/* ---- inside the job ---------------------------------------------------- */

static int job_main(void *arg)
{
    struct sy__op *op = arg;
    struct sy__load *load = op->row;
    struct combination *c = load->row;
    int err = 0;

    for (op->step = 0; op->step < op->ops->steps && err == 0; op->step++) {
        if (sy__op_offloaded(op, op->step))
            err = sy_device_call(load->device, c->rt, sy__op_step, op);
        else
            err = sy__op_step(op);
    }
    return err;
}

static void job_done(void *user, struct sy_job *job, int result)
{
    struct sy__op *op = user;
    struct sy__load *load = op->row;
    struct combination *c = load->row;

    (void)job;
    c->in_flight--;
    sy__load_finish(load, op, result);
}

/* ---- starting ---------------------------------------------------------- */

/* How many descriptors this process has open; 0 if there is none left even to
   look. */
static unsigned open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", "..", and dir itself */
}

static const char *with_commas(char *buf, size_t bytes, unsigned value)
{
    if (value < 1000)
        snprintf(buf, bytes, "%u", value);
    else if (value < 1000000)
        snprintf(buf, bytes, "%u,%03u", value / 1000, value % 1000);
    else
        snprintf(buf, bytes, "%u,%03u,%03u", value / 1000000,
                 value / 1000 % 1000, value % 1000);
    return buf;
}

/* Only a variant of that name has the limit of select(), and that is not the
   process's. */
static int is_select(const struct sy_experiment *exp)
{
    return exp->variant != NULL && strcmp(exp->variant, "select") == 0;
}

/* Say which resource ran out, with the figures. */
/* How many jobs were in flight at most: each of them has descriptors. */
static unsigned most_in_flight(struct combination *c)
{
    struct sy_runtime_stats stats = {.size = sizeof(stats)};

    return sy_runtime_get_stats(c->rt, &stats) == 0
               ? (unsigned)stats.stacks_peak
               : 0;
}

static void explain_start(struct sy__load *load, int err)
{
    const struct sy_engine_ops *engine = load->exp->engine;
    struct combination *c = load->row;
    unsigned now = open_descriptors(), each = 0, fit = most_in_flight(c);
    char name[128], a[16], b[16], all[16];

    if (now == 0)
        now = load->out->fd_limit;
    if (fit > 0 && now > c->descriptors)
        each = (now - c->descriptors + fit / 2) / fit;
    sy_experiment_name(load->exp, name, sizeof(name));
    if ((engine->caps & SY_EN_FD_PER_JOB) != 0 && err == -EMFILE &&
        is_select(load->exp) && load->out->fd_limit > FD_SETSIZE)
        sy__load_skip(load,
                      "%s needs %u descriptors for each job, and select() "
                      "watches none above %s: %s of %s jobs could be "
                      "started",
                      name, each > 0 ? each : 1,
                      with_commas(a, sizeof(a), FD_SETSIZE - 1),
                      with_commas(b, sizeof(b), fit),
                      with_commas(all, sizeof(all), load->jobs));
    else if ((engine->caps & SY_EN_FD_PER_JOB) != 0 && err == -EMFILE)
        sy__load_skip(load,
                      "%s needs %u descriptor%s for each job and the process "
                      "may have %s: %s of %s jobs could be started",
                      name, each > 0 ? each : 1, each > 1 ? "s" : "",
                      with_commas(a, sizeof(a), load->out->fd_limit),
                      with_commas(b, sizeof(b), fit),
                      with_commas(all, sizeof(all), load->jobs));
    else
        sy__load_skip(load, "only %s of %s jobs could be started: %s",
                      with_commas(a, sizeof(a), c->started),
                      with_commas(all, sizeof(all), load->jobs),
                      sy_strerror(err));
}

/* Start one operation as a job. Returns 0 or -errno. */
static int start(struct sy__load *load, struct sy__op *op)
{
    struct combination *c = load->row;
    struct sy_job_spec spec = {
        .fn = job_main, .arg = op, .done = job_done, .user = op};
    struct sy_job *job = NULL;
    int result = 0;
    int state;

    op->row = load;
    c->in_flight++;
    state = sy_job_start(c->rt, &spec, &job, &result);
    if (state == SY_JOB_PAUSED || state == SY_JOB_FINISHED) {
        if (c->started < load->jobs)
            c->started++;
    }
    if (state == SY_JOB_PAUSED)
        return 0;
    c->in_flight--;
    if (state == SY_JOB_FINISHED)
        sy__load_finish(load, op, result);
    else
        sy__load_give_back(load, op);
    return state == SY_JOB_FINISHED ? 0 : state;
}

static void start_more(struct sy__load *load)
{
    struct combination *c = load->row;
    struct sy__op *op;

    while (c->in_flight < load->jobs && (op = sy__load_take(load)) != NULL) {
        int err = start(load, op);

        if (err == -EINVAL || err == -EXDEV || err == -EBUSY)
            sy__load_fail(load, NULL, "a job could not be started: %s",
                          sy_strerror(err));
        else if (err != 0)
            explain_start(load, err);
    }
}

/* ---- the loop ---------------------------------------------------------- */

static void loop(struct sy__load *load)
{
    struct combination *c = load->row;

    for (;;) {
        uint64_t next;
        int ran;

        start_more(load);
        if (c->in_flight == 0 && load->phase == SY__DRAIN)
            return;
        sy_device_poll_for(load->device, c->in_flight, &next);
        ran = sy_runtime_run(c->rt, sy__load_idle_ns(load, next));
        if (ran < 0) {
            sy__load_fail(load, NULL, "waiting for jobs failed: %s",
                          sy_strerror(ran));
            return;
        }
    }
}

static void rouse(struct sy__load *load)
{
    struct combination *c = load->row;

    (void)sy_wake(c->waker);
}

static int open_runtime(struct sy__load *load, struct sy_runtime **rt)
{
    const struct sy_experiment *exp = load->exp;
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    char engine[128];
    int err;

    snprintf(engine, sizeof(engine), "%s%s%s", exp->engine->name,
             exp->variant != NULL ? "+" : "",
             exp->variant != NULL ? exp->variant : "");
    cfg.switcher_ops = exp->switcher;
    cfg.engine_ops = exp->engine;
    cfg.engine = engine;
    cfg.stack_bytes = exp->stack_bytes;
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    cfg.clock = load->clock;
    err = sy_runtime_open(rt, &cfg);
    if (err != 0)
        sy__load_skip(load, "the runtime could not be opened: %s",
                      sy_strerror(err));
    return err;
}

static void run(struct sy__load *load)
{
    const struct sy_experiment *exp = load->exp;
    struct combination *c = calloc(1, sizeof(*c));
    char why[SY_OUTCOME_TEXT_BYTES / 2] = "";

    if (c == NULL) {
        sy__load_skip(load, "no memory");
        return;
    }
    load->row = c;
    if ((exp->switcher->caps & SY_SW_CAN_PAUSE) == 0)
        load->jobs = load->out->jobs = 1; /* each start ends in a result */
    if (sy_switcher_probe(exp->switcher, why, sizeof(why)) != 0)
        sy__load_skip(load, "switcher %s: %s", exp->switcher->name, why);
    else if (sy_engine_probe(exp->engine, exp->variant, why, sizeof(why)) != 0)
        sy__load_skip(load, "engine %s: %s", exp->engine->name, why);
    else if (open_runtime(load, &c->rt) == 0) {
        int err;

        load->runtime = c->rt;
        c->waker = sy_runtime_waker(c->rt);
        load->rouse = rouse;
        c->descriptors = open_descriptors();
        loop(load);
        load->runtime = NULL;
        err = sy_runtime_close(c->rt);
        if (err != 0)
            sy__load_fail(load, NULL, "the runtime could not be closed: %s",
                          sy_strerror(err));
    }
}

static void release(struct sy__load *load)
{
    free(load->row);
}

const struct sy__row_ops sy__row_combination = {
    .name = "combination",
    .summary = "one job for each operation, with a switcher and an engine",
    .uses_device = 1,
    .run = run,
    .release = release,
};
