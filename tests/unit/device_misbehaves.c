/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that completes an operation twice, or never. What a program can do
 * about it, and what comes of it when it does nothing: no other job is taken
 * for the one that was meant, no stack is reused too early, and what cannot be
 * repaired shows in the counters.
 */
#include "unit.h"
#include <errno.h>
#include <switchyard/device.h>
#include <switchyard/switchyard.h>
#include <unistd.h>

#define TIMEOUT_NS (2 * SY_NS_PER_MS)

/* A device of which the test is the inside. It has room for one operation. */
static struct {
    struct sy_device *self;
    struct sy_device_op *op;
} inside;

static int dev_open(void *state, const struct sy_device_config *cfg,
                    uint32_t *caps, char *why, size_t why_bytes)
{
    (void)state, (void)caps, (void)why, (void)why_bytes;
    inside.self = cfg->device;
    inside.op = NULL;
    return 0;
}

static void complete(struct sy_device_op *op, int status)
{
    sy_device_announce(inside.self, op, status, 0);
}

static void dev_close(void *state)
{
    struct sy_device_op *op = inside.op;

    (void)state;
    inside.op = NULL;
    if (op != NULL)
        complete(op, -ECANCELED);
}

static int dev_submit(void *state, struct sy_device_op *op)
{
    (void)state;
    if (inside.op != NULL)
        return -EAGAIN;
    inside.op = op;
    return 0;
}

/* Complete what was submitted. */
static struct sy_device_op *complete_it(void)
{
    struct sy_device_op *op = inside.op;

    CHECK(op != NULL);
    inside.op = NULL;
    complete(op, 0);
    return op;
}

static const struct sy_device_ops ops = {
    .abi = SY_DEVICE_ABI,
    .name = "misbehaving",
    .summary = "does what it is told",
    .options = "",
    .state_bytes = 1,
    .open = dev_open,
    .close = dev_close,
    .submit = dev_submit,
};

static struct sy_device *open_device(void)
{
    struct sy_device *device;
    char why[256];

    CHECK_EQ(sy_device_open_ops(&device, &ops, "", NULL, why, sizeof(why)), 0);
    return device;
}

static struct sy_runtime *open_runtime(const char *engine)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;

    config.engine = engine;
    config.flags = SY_RT_NO_ENVIRONMENT;
    CHECK_EQ(sy_runtime_open(&rt, &config), 0);
    return rt;
}

static uint64_t quarantined(struct sy_runtime *rt)
{
    struct sy_runtime_stats stats = {.size = sizeof(stats)};

    CHECK_EQ(sy_runtime_get_stats(rt, &stats), 0);
    return stats.jobs_quarantined;
}

struct task {
    struct sy_device *device;
    struct sy_runtime *rt;
    struct sy_device_op *ops; /* outside the job's stack */
    int ops_done;             /* as the job sees it */
};

static void notify(struct sy_waker waker, void *user)
{
    *(int *)user = sy_wake(waker); /* the job is not pinned */
}

static struct sy_job *start(struct sy_runtime *rt, sy_job_fn fn, void *arg)
{
    struct sy_job_spec spec = {.fn = fn, .arg = arg};
    struct sy_job *job;

    CHECK_EQ(sy_job_start(rt, &spec, &job, NULL), SY_JOB_PAUSED);
    return job;
}

/* Two operations, one after the other, until the job is told to give up. */
static int two_operations(void *arg)
{
    struct task *task = arg;

    for (int i = 0; i < 2; i++) {
        struct sy_device_op *op = &task->ops[i];

        op->notify = notify;
        op->waker = sy_job_waker(sy_job_current());
        sy_device_submit(task->device, op);
        while (!sy_device_op_done(op)) {
            int err = sy_job_pause();

            if (err != 0)
                return err;
        }
        task->ops_done++;
    }
    return 0;
}

/* The operation does not live on the job's stack: a caller that is tired of
   waiting cancels the job, which ends at once. */
static void never_and_the_caller_has_a_timeout(const char *engine)
{
    struct task task = {open_device(), open_runtime(engine), NULL, 0};
    static struct sy_device_op both[2];
    int woken = 1, result = 0;
    struct sy_job *job;

    memset(both, 0, sizeof(both));
    both[0].user = both[1].user = &woken;
    task.ops = both;
    job = start(task.rt, two_operations, &task);
    CHECK_EQ(sy_runtime_run(task.rt, TIMEOUT_NS), 0);
    CHECK_EQ(sy_job_cancel(job), 0);
    CHECK_EQ(sy_runtime_run(task.rt, SY_FOREVER), 1);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, -ECANCELED);
    CHECK_EQ(sy_runtime_close(task.rt), 0);

    (void)complete_it(); /* after all, when nothing is left of the job */
    CHECK_EQ(woken, -ESRCH);
    sy_device_close(task.device);
}

static int call_the_device(void *arg)
{
    struct task *task = arg;

    return sy_device_call(task->device, task->rt, NULL, NULL);
}

/* sy_device_call() has the operation on the job's stack, and so cannot end
   before it: the caller abandons the job, and closes the device. */
static void never_and_the_stack_is_in_use(const char *engine)
{
    struct task task = {open_device(), open_runtime(engine), NULL, 0};
    struct sy_job *job = start(task.rt, call_the_device, &task);

    CHECK_EQ(sy_job_cancel(job), 0);
    CHECK_EQ(sy_runtime_run(task.rt, SY_FOREVER), 1);
    CHECK_EQ(sy_runtime_run(task.rt, TIMEOUT_NS), 0); /* it waits on */
    CHECK_EQ(sy_job_abandon(&job), 0);
    CHECK_EQ(quarantined(task.rt), 1);
    CHECK_EQ(sy_runtime_close(task.rt), -EBUSY);
    sy_device_close(task.device); /* completes it, with -ECANCELED */
    CHECK_EQ(quarantined(task.rt), 0);
    CHECK_EQ(sy_runtime_close(task.rt), 0);
}

static uint64_t repeated(struct sy_device *device)
{
    struct sy_device_stats stats;

    sy_device_get_stats(device, &stats);
    return stats.repeated;
}

/* The second completion of an operation is counted and has no effect: not at
   once, not while the job waits for another one, and not after its end. */
static void twice(const char *engine)
{
    struct task task = {open_device(), open_runtime(engine), NULL, 0};
    static struct sy_device_op both[2];
    int woken = 1, result = -1;
    struct sy_device_op *first;
    struct sy_job *job;

    memset(both, 0, sizeof(both));
    both[0].user = both[1].user = &woken;
    task.ops = both;
    job = start(task.rt, two_operations, &task);
    first = complete_it();
    complete(first, 0);
    CHECK_EQ(woken, 0);
    CHECK_EQ(sy_runtime_run(task.rt, SY_FOREVER), 1);
    CHECK_EQ(task.ops_done, 1);
    complete(first, 0);
    CHECK_EQ(sy_runtime_run(task.rt, 0), 0);
    CHECK_EQ(task.ops_done, 1);
    CHECK_EQ(repeated(task.device), 2);
    first = complete_it();
    CHECK_EQ(sy_runtime_run(task.rt, SY_FOREVER), 1);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 0);
    complete(first, 0);
    CHECK_EQ(repeated(task.device), 3);
    CHECK_EQ(sy_runtime_close(task.rt), 0);
    sy_device_close(task.device);
}

static int pinned_operation(void *arg)
{
    struct task *task = arg;
    struct sy_device_op *op = &task->ops[0];

    CHECK_EQ(sy_job_pin(task->rt, &op->waker), 0);
    sy_device_submit(task->device, op);
    while (!sy_device_op_done(op))
        (void)sy_job_pause();
    return 7;
}

static int pause_once(void *arg)
{
    (void)arg;
    return sy_job_pause();
}

/* sy_complete() twice for one pin is an error that nothing repairs: the job
   ends as it should, but its slot is never used again, and the runtime, which
   cannot know that the device is through with it, stays open. */
static void twice_for_one_pin(const char *engine)
{
    struct task task = {open_device(), open_runtime(engine), NULL, 0};
    static struct sy_device_op op;
    struct sy_waker ended;
    struct sy_job *job;
    int result = -1;

    memset(&op, 0, sizeof(op));
    task.ops = &op;
    job = start(task.rt, pinned_operation, &task);
    ended = sy_job_waker(job);
    (void)complete_it();
    CHECK_EQ(sy_complete(op.waker), 0); /* as no device of ours does */
    CHECK_EQ(sy_runtime_run(task.rt, SY_FOREVER), 1);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 7);
    CHECK_EQ(quarantined(task.rt), 1);

    job = start(task.rt, pause_once, NULL);
    CHECK(sy_job_waker(job).slot != ended.slot);
    CHECK_EQ(sy_wake(ended), -ESRCH);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(sy_runtime_close(task.rt), -EBUSY);
    sy_device_close(task.device);
}

int main(void)
{
    static const char *const engines[] = {"queue", "eventfd", "pipe",
                                          "pipe+select", "poll"};

    alarm(60);
    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        never_and_the_caller_has_a_timeout(engines[i]);
        never_and_the_stack_is_in_use(engines[i]);
        twice(engines[i]);
        twice_for_one_pin(engines[i]);
        printf("%s: ok\n", engines[i]);
    }
    return 0;
}
