/* SPDX-License-Identifier: Apache-2.0 */
/* Runtimes on several threads share one device, which all of them poll: every
   job gets its own result, each operation is executed once, and the counters
   add up; with a lane for each, with one for all, when the device is full most
   of the time, and where the thread that submits does not poll. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <switchyard/device.h>
#include <switchyard/job.h>
#include <switchyard/runtime.h>
#include <unistd.h>

#include "unit.h"

#define THREADS 4
#define JOBS    12
#define CALLS   60

static struct sy_device *device;
static _Atomic uint64_t executed;

struct work {
    uint64_t input, output;
    int times;
};

static int execute(void *arg)
{
    struct work *work = arg;

    work->output = work->input * UINT64_C(0x9e3779b97f4a7c15) + 1;
    work->times++;
    atomic_fetch_add_explicit(&executed, 1, memory_order_relaxed);
    return work->input % 2 == 0 ? 0 : -EDOM;
}

struct side {
    struct sy_runtime *rt;
    int running, first;
};

struct start {
    struct side *side;
    int number;
};

static int job(void *arg)
{
    struct start start = *(struct start *)arg;

    for (int i = 0; i < CALLS; i++) {
        struct work work = {.input = (uint64_t)(start.number * CALLS + i)};

        CHECK_EQ(sy_device_call(device, start.side->rt, execute, &work),
                 work.input % 2 == 0 ? 0 : -EDOM);
        CHECK_EQ(work.times, 1);
        CHECK(work.output == work.input * UINT64_C(0x9e3779b97f4a7c15) + 1);
    }
    return 0;
}

static void ended(void *user, struct sy_job *handle, int result)
{
    (void)handle, (void)result;
    ((struct side *)user)->running--;
}

static void *side_main(void *arg)
{
    struct side *side = arg;
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_clock *clock = sy_clock_monotonic();
    struct sy_job *handle;
    int result, err;

    cfg.engine = "queue";
    CHECK_EQ(sy_runtime_open(&side->rt, &cfg), 0);
    for (int i = 0; i < JOBS; i++) {
        struct start start = {side, side->first + i};
        struct sy_job_spec spec = {.fn = job,
                                   .arg = &start,
                                   .arg_bytes = sizeof(start),
                                   .done = ended,
                                   .user = side};

        side->running +=
            sy_job_start(side->rt, &spec, &handle, &result) == SY_JOB_PAUSED;
    }
    while (side->running > 0) {
        uint64_t next_ns, now_ns, idle_ns = SY_NS_PER_MS;

        (void)sy_device_poll_for(device, (uint64_t)side->running, &next_ns);
        now_ns = sy_clock_now_ns(clock);
        if (next_ns < now_ns + idle_ns)
            idle_ns = next_ns > now_ns ? next_ns - now_ns : 0;
        CHECK(sy_runtime_run(side->rt, idle_ns) >= 0);
    }
    /* Another thread may be between the last wake-up and its return. */
    while ((err = sy_runtime_close(side->rt)) == -EBUSY)
        (void)!sy_runtime_run(side->rt, SY_NS_PER_MS);
    CHECK_EQ(err, 0);
    return NULL;
}

static void share(const char *spec, int threads, uint64_t queue)
{
    struct side side[THREADS];
    pthread_t thread[THREADS];
    struct sy_device_stats stats;
    uint64_t all = (uint64_t)threads * JOBS * CALLS;
    char why[256];

    atomic_store_explicit(&executed, 0, memory_order_relaxed);
    if (sy_device_open(&device, spec, NULL, why, sizeof(why)) != 0) {
        fprintf(stderr, "%s: %s\n", spec, why);
        exit(1);
    }
    memset(side, 0, sizeof(side));
    for (int i = 0; i < threads; i++) {
        side[i].first = i * JOBS;
        CHECK_EQ(pthread_create(&thread[i], NULL, side_main, &side[i]), 0);
    }
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    sy_device_get_stats(device, &stats);
    CHECK_EQ(atomic_load_explicit(&executed, memory_order_relaxed), all);
    CHECK_EQ(stats.submitted, all);
    CHECK_EQ(stats.completed, all);
    CHECK_EQ(stats.late_count, all);
    CHECK_EQ(stats.repeated, 0);
    /* One more for each thread that is just announcing: it has freed the
       operation's room already. */
    CHECK(stats.depth_peak <= queue + THREADS);
    sy_device_close(device);
}

/* Operations of threads that never poll, and have lanes of their own. */
static struct sy_device_op lonely[2];

static void *submit_only(void *op)
{
    sy_device_submit(device, op);
    usleep(1000); /* so that both threads live at once */
    return NULL;
}

static void silent(struct sy_waker waker, void *user)
{
    (void)waker, (void)user;
}

static int is_done(void)
{
    return sy_device_op_done(&lonely[0]) && sy_device_op_done(&lonely[1]);
}

static void nobody_polls_that_lane(void)
{
    struct sy_device_op own = {.notify = silent};
    uint64_t end_ns = sy_clock_now_ns(sy_clock_monotonic()) + 10 * SY_NS_PER_S;
    pthread_t thread[2];
    char why[256];

    CHECK_EQ(sy_device_open(&device, "sim:4,lanes=4,service=fixed:0ns", NULL,
                            why, sizeof(why)),
             0);
    sy_device_submit(device, &own); /* this thread's number is the lowest */
    for (int i = 0; i < 2; i++) {
        lonely[i].notify = silent;
        CHECK_EQ(pthread_create(&thread[i], NULL, submit_only, &lonely[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    /* The own lane has something at each poll. */
    while (!is_done() && sy_clock_now_ns(sy_clock_monotonic()) < end_ns) {
        CHECK(sy_device_poll(device, NULL) > 0);
        CHECK_EQ(sy_device_op_done(&own), 1);
        sy_device_submit(device, &own);
    }
    CHECK(is_done());
    sy_device_close(device);
    CHECK_EQ(own.status, -ECANCELED);
}

int main(void)
{
    share("sim:2,lanes=2,service=fixed:0ns", 2, 1024);
    share("sim:4,lanes=4,service=fixed:0ns,poll=inline", 4, 1024);
    share("sim:4,lanes=4,service=exponential:3us,queue=8", 4, 8);
    share("sim:4,service=exponential:2us,mode=poll", 3, 1024);
    share("sim:4,lanes=2,service=exponential:2us,batch=4", 4, 1024);
    share("sim:2,service=fixed:0ns,queue=5,mode=poll", 4, 5);
    share("sim:2,lanes=2,service=fixed:1us,poll=heuristic:4:100us", 2, 1024);
    share("sim:2,lanes=2,service=fixed:1us,poll=timer:20us,queue=4", 4, 4);
    share("sim:2,service=fixed:1us,mode=thread,queue=6", 4, 6);
    share("workers:2,queue=7", 4, 7);
    nobody_polls_that_lane();
    return 0;
}
