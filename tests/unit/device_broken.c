/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that break their contract: one that announces an operation twice, or
   one that it was never given, is noticed and does no harm; from one that
   never announces, a program gets away with a timeout of its own. */
#include <errno.h>
#include <stdlib.h>
#include <switchyard/device.h>
#include <switchyard/job.h>
#include <switchyard/runtime.h>

#include "unit.h"

#define LOST_MAX 4

/* Announces as often as told, or never. */
struct broken {
    struct sy_device *device;
    struct sy_device_op *inside[LOST_MAX];
    int count;
};

static int times = 2;

static int broken_open(void *state, const struct sy_device_config *cfg,
                       uint32_t *caps, char *why, size_t why_bytes)
{
    (void)why, (void)why_bytes;
    ((struct broken *)state)->device = cfg->device;
    *caps = SY_DV_POLLED;
    return 0;
}

static int broken_submit(void *state, struct sy_device_op *op)
{
    struct broken *broken = state;

    if (broken->count == LOST_MAX)
        return -EAGAIN;
    broken->inside[broken->count++] = op;
    return 0;
}

static int broken_poll(void *state, uint64_t *next_ns)
{
    struct broken *broken = state;
    int announced = 0;

    *next_ns = SY_FOREVER;
    if (times == 0)
        return 0;
    while (broken->count > 0) {
        struct sy_device_op *op = broken->inside[--broken->count];

        for (int i = 0; i < times; i++)
            sy_device_announce(broken->device, op, i == 0 ? 5 : 6, 0);
        announced++;
    }
    return announced;
}

static void broken_close(void *state)
{
    (void)state; /* not even now */
}

static const struct sy_device_ops broken_ops = {
    .abi = SY_DEVICE_ABI,
    .name = "broken",
    .summary = "a device with a fault",
    .options = "",
    .state_bytes = sizeof(struct broken),
    .open = broken_open,
    .close = broken_close,
    .submit = broken_submit,
    .poll = broken_poll,
};

static struct sy_device *open_broken(int announces)
{
    struct sy_device *device;
    char why[128];

    times = announces;
    CHECK_EQ(
        sy_device_open_ops(&device, &broken_ops, "", NULL, why, sizeof(why)),
        0);
    return device;
}

static void notified(struct sy_waker waker, void *user)
{
    (void)waker;
    ++*(int *)user;
}

static void announced_twice(void)
{
    struct sy_device *device = open_broken(3);
    struct sy_device_stats stats;
    int count = 0;
    struct sy_device_op op = {.notify = notified, .user = &count},
                        stranger = {.notify = notified, .user = &count};

    sy_device_submit(device, &op);
    CHECK_EQ(sy_device_poll(device, NULL), 1);
    CHECK_EQ(sy_device_op_done(&op), 1);
    CHECK_EQ(op.status, 5);
    CHECK_EQ(count, 1);
    sy_device_announce(device, &stranger, 0, 0);
    CHECK_EQ(sy_device_op_done(&stranger), 0);
    CHECK_EQ(count, 1);
    sy_device_get_stats(device, &stats);
    CHECK_EQ(stats.submitted, 1);
    CHECK_EQ(stats.completed, 1);
    CHECK_EQ(stats.repeated, 3);
    CHECK_EQ(stats.late_count, 1);

    /* It goes on working. */
    sy_device_submit(device, &op);
    CHECK_EQ(sy_device_op_done(&op), 0);
    CHECK_EQ(sy_device_poll(device, NULL), 1);
    CHECK_EQ(count, 2);
    sy_device_close(device);
}

/* ---- never --------------------------------------------------------------- */

static struct sy_device *lossy;
static struct sy_runtime *rt;
static struct sy_device_op lost; /* not in the job's own memory */
static int result_of_job, ran_to_end;

static int patient_job(void *arg)
{
    int err = sy_job_pin(rt, &lost.waker);

    (void)arg;
    if (err != 0)
        return err;
    sy_device_submit(lossy, &lost);
    while (err == 0 && !sy_device_op_done(&lost))
        err = sy_job_pause();
    ran_to_end = 1;
    return err;
}

static void ended(void *user, struct sy_job *handle, int result)
{
    (void)user, (void)handle;
    result_of_job = result;
}

/* The program's timeout: cancel the job, close the device, and then give back
   the pin that the device will not give back. */
static void never_announced(void)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_job_spec spec = {.fn = patient_job, .done = ended};
    struct sy_job *handle;
    int result;

    lossy = open_broken(0);
    CHECK_EQ(sy_runtime_open(&rt, &cfg), 0);
    CHECK_EQ(sy_job_start(rt, &spec, &handle, &result), SY_JOB_PAUSED);
    (void)sy_device_poll(lossy, NULL);
    CHECK_EQ(sy_runtime_run(rt, 20 * SY_NS_PER_MS), 0); /* the time is over */
    CHECK_EQ(sy_job_cancel(handle), 0);
    CHECK_EQ(sy_runtime_run(rt, SY_NS_PER_S), 1);
    CHECK_EQ(ran_to_end, 1);
    CHECK_EQ(result_of_job, -ECANCELED);

    CHECK_EQ(sy_runtime_close(rt), -EBUSY); /* the device may still come */
    sy_device_close(lossy);
    CHECK_EQ(sy_device_op_done(&lost), 0); /* now it cannot */
    CHECK_EQ(sy_complete(lost.waker), -ESRCH);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

/* The same for sy_device_call(), whose operation is in the job's memory: the
   job cannot go on, but it can be abandoned. */
static int calling_job(void *arg)
{
    (void)arg;
    return sy_device_call(lossy, rt, NULL, NULL);
}

static void never_announced_to_a_call(void)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_job_spec spec = {.fn = calling_job};
    struct sy_job *handle;
    struct sy_waker waker;
    int result;

    lossy = open_broken(0);
    CHECK_EQ(sy_runtime_open(&rt, &cfg), 0);
    CHECK_EQ(sy_job_start(rt, &spec, &handle, &result), SY_JOB_PAUSED);
    waker = sy_job_waker(handle);
    CHECK_EQ(sy_job_cancel(handle), 0);
    (void)!sy_runtime_run(rt, 20 * SY_NS_PER_MS); /* it waits on */
    CHECK_EQ(sy_job_abandon(&handle), 0);
    CHECK_EQ(sy_runtime_close(rt), -EBUSY);
    sy_device_close(lossy);
    CHECK_EQ(sy_complete(waker), -ESRCH);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

int main(void)
{
    announced_twice();
    never_announced();
    never_announced_to_a_call();
    return 0;
}
