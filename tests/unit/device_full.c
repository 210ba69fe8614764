/* SPDX-License-Identifier: Apache-2.0 */
/* A full device holds no more than it said, and what waits for it enters first
   come, first served: for jobs, and for threads that submit at once. */
#include <pthread.h>
#include <stdatomic.h>
#include <switchyard/device.h>
#include <switchyard/job.h>
#include <switchyard/runtime.h>

#include "unit.h"

#define JOBS    100
#define THREADS 3
#define OPS     400

static struct sy_device *device;
static struct sy_runtime *rt;
static char why[256];

/* ---- jobs ---------------------------------------------------------------- */

static int order[JOBS], ordered, running;

static int note(void *arg)
{
    order[ordered++] = *(int *)arg;
    return 0;
}

static int job(void *arg)
{
    int number = *(int *)arg;

    return sy_device_call(device, rt, note, &number);
}

static void ended(void *user, struct sy_job *handle, int result)
{
    (void)user, (void)handle;
    CHECK_EQ(result, 0);
    running--;
}

static void jobs_keep_their_order(void)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_device_stats stats;
    struct sy_virtual_clock vc;
    struct sy_job *handle;
    int result;

    sy_virtual_clock_init(&vc, 1);
    cfg.clock = &vc.clock;
    CHECK_EQ(sy_runtime_open(&rt, &cfg), 0);
    CHECK_EQ(sy_device_open(&device, "sim:2,queue=4,service=fixed:10us",
                            &vc.clock, why, sizeof(why)),
             0);
    for (int i = 0; i < JOBS; i++) {
        struct sy_job_spec spec = {
            .fn = job, .arg = &i, .arg_bytes = sizeof(i), .done = ended};

        CHECK_EQ(sy_job_start(rt, &spec, &handle, &result), SY_JOB_PAUSED);
        running++;
    }
    while (running > 0) {
        uint64_t next_ns;

        (void)sy_device_poll(device, &next_ns);
        CHECK(sy_runtime_run(rt, next_ns > vc.now_ns ? next_ns - vc.now_ns
                                                     : 0) >= 0);
    }
    CHECK_EQ(ordered, JOBS);
    for (int i = 0; i < JOBS; i++)
        CHECK_EQ(order[i], i);
    sy_device_get_stats(device, &stats);
    CHECK_EQ(stats.depth_peak, 4);
    CHECK_EQ(stats.refused, JOBS - 4);
    sy_device_close(device);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

/* ---- threads ------------------------------------------------------------- */

static struct sy_device_op ops[THREADS][OPS];
static int last[THREADS];
static _Atomic int announced;

static void in_order(struct sy_waker waker, void *user)
{
    const struct sy_device_op *op = user;
    int thread = (int)((op - &ops[0][0]) / OPS);
    int number = (int)((op - &ops[0][0]) % OPS);

    (void)waker;
    /* One thread polls, so last needs no lock. */
    CHECK_EQ(number, last[thread]);
    last[thread]++;
    atomic_fetch_add_explicit(&announced, 1, memory_order_relaxed);
}

static void *submitter(void *arg)
{
    struct sy_device_op *op = arg;

    for (int i = 0; i < OPS; i++) {
        op[i].notify = in_order;
        op[i].user = &op[i];
        sy_device_submit(device, &op[i]);
    }
    return NULL;
}

static void threads_keep_their_order(const char *spec)
{
    pthread_t thread[THREADS];
    struct sy_device_stats stats;

    memset(ops, 0, sizeof(ops));
    memset(last, 0, sizeof(last));
    announced = 0;
    CHECK_EQ(sy_device_open(&device, spec, NULL, why, sizeof(why)), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&thread[i], NULL, submitter, ops[i]), 0);
    while (atomic_load_explicit(&announced, memory_order_relaxed) <
           THREADS * OPS)
        (void)sy_device_poll(device, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    sy_device_get_stats(device, &stats);
    CHECK(stats.depth_peak <= 3 + 1); /* one is just being announced */
    CHECK_EQ(stats.completed, THREADS * OPS);
    sy_device_close(device);
}

int main(void)
{
    jobs_keep_their_order();
    threads_keep_their_order("sim:1,queue=3,service=fixed:0ns,mode=poll");
    threads_keep_their_order("sim:1,queue=3,service=fixed:1us,poll=timer:5us");
    threads_keep_their_order("workers:1,queue=3");
    return 0;
}
