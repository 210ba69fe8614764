/* SPDX-License-Identifier: Apache-2.0 */
/* Each poll policy looks at the device when it says it does, and at no other
   time; whatever the policy, no operation is forgotten; what is malformed is
   refused with words. */
#include <errno.h>
#include <stdlib.h>
#include <switchyard/device.h>
#include <switchyard/job.h>
#include <switchyard/poll_policy.h>
#include <switchyard/runtime.h>

#include "unit.h"

#define US      SY_NS_PER_US
#define OPS_MAX 8

static struct sy_virtual_clock vc;
static struct sy_device *device;
static struct sy_device_op ops[OPS_MAX];

static void notify(struct sy_waker waker, void *user)
{
    (void)waker, (void)user;
}

static void open_device(const char *spec)
{
    char why[256];

    sy_virtual_clock_init(&vc, 1000000);
    if (sy_device_open(&device, spec, &vc.clock, why, sizeof(why)) != 0) {
        fprintf(stderr, "%s: %s\n", spec, why);
        exit(1);
    }
    memset(ops, 0, sizeof(ops));
}

static void submit(int i)
{
    ops[i].notify = notify;
    sy_device_submit(device, &ops[i]);
}

static void pass(uint64_t ns)
{
    vc.clock.sleep_until(&vc.clock, vc.now_ns + ns);
}

static void words_are(const char *expected)
{
    char words[64] = "untouched";

    CHECK_STR(sy_device_poll_policy(device, words, sizeof(words)), expected);
}

/* As if there were no policies: when it is complete, and not before. */
static void event(void)
{
    uint64_t next_ns;

    open_device("sim:1,service=fixed:50us");
    words_are("event");
    CHECK_EQ(sy_device_poll(device, &next_ns), 0);
    CHECK(next_ns == SY_FOREVER);
    submit(0);
    CHECK_EQ(sy_device_poll(device, &next_ns), 0);
    CHECK_EQ(next_ns, vc.now_ns + 50 * US);
    pass(50 * US);
    CHECK_EQ(sy_device_poll(device, &next_ns), 1);
    CHECK(next_ns == SY_FOREVER);
    sy_device_close(device);
}

/* Every 30 us, though the device could say that 50 us are enough. */
static void timer(void)
{
    uint64_t next_ns;

    open_device("sim:1,service=fixed:50us,poll=timer:30us");
    words_are("timer:30us");
    CHECK_EQ(sy_device_poll(device, &next_ns), 0);
    CHECK(next_ns == SY_FOREVER);
    submit(0);
    CHECK_EQ(sy_device_poll(device, &next_ns), 0);
    CHECK_EQ(next_ns, vc.now_ns + 30 * US);
    pass(30 * US);
    CHECK_EQ(sy_device_poll(device, &next_ns), 0); /* looked, in vain */
    CHECK_EQ(next_ns, vc.now_ns + 30 * US);
    pass(25 * US); /* complete, but not looked for */
    CHECK_EQ(sy_device_poll(device, &next_ns), 0);
    CHECK_EQ(next_ns, vc.now_ns + 5 * US);
    CHECK_EQ(sy_device_op_done(&ops[0]), 0);
    pass(5 * US);
    CHECK_EQ(sy_device_poll(device, &next_ns), 1);
    CHECK(next_ns == SY_FOREVER);
    sy_device_close(device);
}

/* Submitting looks too, outside of a job; and a clock that only we move does
   not stand still. */
static void inline_too(void)
{
    uint64_t next_ns;

    open_device("sim:2,service=fixed:50us,poll=inline");
    words_are("inline");
    submit(0);
    pass(50 * US);
    submit(1);
    CHECK_EQ(sy_device_op_done(&ops[0]), 1);
    CHECK_EQ(sy_device_poll(device, &next_ns), 0);
    CHECK_EQ(next_ns, vc.now_ns + 50 * US);
    sy_device_close(device);
    CHECK_EQ(ops[1].status, -ECANCELED);
}

static void heuristic(void)
{
    uint64_t next_ns;

    open_device("sim:8,service=fixed:0ns,poll=heuristic:3:40us");
    words_are("heuristic:3:40us");
    CHECK_EQ(sy_device_poll_for(device, 10, &next_ns), 0);
    submit(0);
    submit(1); /* 2 of 10: not worth while */
    CHECK_EQ(sy_device_poll_for(device, 10, &next_ns), 0);
    CHECK_EQ(next_ns, vc.now_ns + 40 * US);
    submit(2); /* the threshold */
    CHECK_EQ(sy_device_poll_for(device, 10, &next_ns), 3);
    CHECK(next_ns == SY_FOREVER);
    submit(0); /* 2 of 2: everybody waits */
    submit(1);
    CHECK_EQ(sy_device_poll_for(device, 2, &next_ns), 2);
    submit(0); /* a caller with nothing else to do */
    CHECK_EQ(sy_device_poll(device, &next_ns), 1);
    submit(0); /* the fail-over */
    CHECK_EQ(sy_device_poll_for(device, 10, &next_ns), 0);
    pass(39 * US);
    CHECK_EQ(sy_device_poll_for(device, 10, &next_ns), 0);
    CHECK_EQ(next_ns, vc.now_ns + 1 * US);
    pass(1 * US);
    CHECK_EQ(sy_device_poll_for(device, 10, &next_ns), 1);
    sy_device_close(device);
}

static int never(const uint64_t *values, const struct sy_poll_view *view,
                 uint64_t *again_ns)
{
    *again_ns = view->now_ns + values[0];
    return view->inside == values[1];
}

static void from_outside(void)
{
    struct sy_poll_policy_ops mine = {
        .abi = SY_POLL_POLICY_ABI,
        .name = "exactly",
        .summary = "exactly so many",
        .values = {{.name = "pause", .is_ns = 1, .initial = 7, .max = 9},
                   {.name = "many", .initial = 2, .min = 1, .max = 5}},
        .decide = never,
    };
    const uint64_t good[] = {8, 3}, bad[] = {10, 3};
    uint64_t next_ns;
    char why[256];

    open_device("sim:4,service=fixed:0ns");
    CHECK_EQ(sy_device_set_poll_policy(device, &mine, bad), -EINVAL);
    words_are("event");
    CHECK_EQ(sy_device_set_poll_policy(device, &mine, NULL), 0);
    words_are("exactly:7ns:2");
    CHECK_EQ(sy_device_set_poll_policy(device, &mine, good), 0);
    words_are("exactly:8ns:3");
    submit(0);
    submit(1);
    CHECK_EQ(sy_device_poll(device, &next_ns), 0);
    CHECK_EQ(next_ns, vc.now_ns + 8);
    submit(2);
    CHECK_EQ(sy_device_poll(device, &next_ns), 3);
    mine.abi++;
    CHECK_EQ(sy_device_set_poll_policy(device, &mine, NULL), -EPROTO);
    sy_device_close(device);
    mine.abi--;
    CHECK_EQ(sy_device_open(&device, "workers", NULL, why, sizeof(why)), 0);
    words_are("");
    CHECK_EQ(sy_device_set_poll_policy(device, &mine, NULL), -ENOTSUP);
    sy_device_close(device);
}

static void refused(const char *spec, const char *a, const char *b)
{
    char why[256] = "";
    int err = sy_device_open(&device, spec, NULL, why, sizeof(why));

    if (err != -EINVAL || device != NULL || strstr(why, a) == NULL ||
        strstr(why, b) == NULL) {
        fprintf(stderr, "\"%s\": %d, \"%s\"; expected %d, \"%s\", \"%s\"\n",
                spec, err, why, -EINVAL, a, b);
        exit(1);
    }
    CHECK_EQ(sy_device_open(&device, spec, NULL, NULL, 0), -EINVAL);
}

static void bad_options(void)
{
    refused("sim:poll=", "poll=", "event, timer[:every], inline");
    refused("sim:poll=sometimes", "poll=sometimes", "heuristic[:threshold]");
    refused("sim:poll=Timer", "poll=Timer", "accepted");
    refused("sim:poll=timer:", "\"\"", "unit");
    refused("sim:poll=timer:5", "\"5\"", "unit");
    refused("sim:poll=timer:-5us", "\"-5us\"", "not a time");
    refused("sim:poll=timer:11s", "out of range", "10000ms");
    refused("sim:poll=timer:1us:2us", "no more values", "\"2us\"");
    refused("sim:poll=event:1", "no more values", "\"1\"");
    refused("sim:poll=heuristic:0", "threshold", "1 .. 65536");
    refused("sim:poll=heuristic:x", "threshold", "not a number");
    refused("sim:poll=heuristic:8:0ns", "failover", "1ns .. 10000ms");
    refused("sim:poll=heuristic:8:1us:1", "no more values", "\"1\"");
    refused("sim:poll=heuristic:99999999999999999999", "threshold", "range");
    refused("sim:4,poll=event,poll=event", "poll", "given twice");
    refused("sim:poll=event,4,poll=event", "poll", "given twice");
    refused("sim:poll=event,", "empty option", "event");
    refused("sim:4,poll=event,", "empty option", "event");
    refused("sim:4,poll=event,,queue=3", "empty option", "event");
    refused("sim:4,,poll=event", "empty option", "sim");
    refused("sim:,poll=event", "empty option", "sim");
    refused("sim:mode=thread,poll=event", "poll=event", "threads");
    refused("workers:2,poll=timer", "poll=timer", "threads");
    refused("sim:poll=event,colour=red", "colour", "servers");
    refused("sim:lanes=0", "lanes=0", "1 .. 64");
    refused("sim:lanes=65", "lanes=65", "1 .. 64");
    refused("sim:servers=3,lanes=2", "lanes=2", "servers=3");
    refused("sim:servers=2,queue=3,lanes=2", "lanes=2", "queue=3");
    refused("sim:servers=2,lanes=2,mode=thread", "lanes=2", "mode=poll");
}

/* ---- nothing is forgotten ------------------------------------------------ */

static struct sy_runtime *rt;
static int running, executed;

static int execute(void *arg)
{
    (void)arg;
    executed++;
    return 0;
}

static int job(void *arg)
{
    int block = *(int *)arg;

    if (block)
        sy_job_block_pause();
    for (int i = 0; i < 20; i++)
        CHECK_EQ(sy_device_call(device, rt, execute, NULL), 0);
    return 0;
}

static void ended(void *user, struct sy_job *handle, int result)
{
    (void)user, (void)handle, (void)result;
    running--;
}

static void run_jobs(const char *spec, int is_virtual)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_clock *clock = sy_clock_monotonic();
    struct sy_job *handle;
    char why[256];
    int result;

    sy_virtual_clock_init(&vc, 1);
    if (is_virtual)
        clock = &vc.clock;
    cfg.clock = clock;
    executed = 0;
    CHECK_EQ(sy_runtime_open(&rt, &cfg), 0);
    CHECK_EQ(sy_device_open(&device, spec, clock, why, sizeof(why)), 0);
    for (int i = 0; i < 10; i++) {
        int block = i == 9; /* one that must not pause */
        struct sy_job_spec job_spec = {.fn = job,
                                       .arg = &block,
                                       .arg_bytes = sizeof(block),
                                       .done = ended};

        running +=
            sy_job_start(rt, &job_spec, &handle, &result) == SY_JOB_PAUSED;
    }
    while (running > 0) {
        uint64_t next_ns, now_ns;

        (void)sy_device_poll_for(device, (uint64_t)running, &next_ns);
        now_ns = sy_clock_now_ns(clock);
        CHECK(sy_runtime_run(rt, next_ns == SY_FOREVER ? 10 * SY_NS_PER_MS
                                 : next_ns > now_ns    ? next_ns - now_ns
                                                       : 0) >= 0);
    }
    CHECK_EQ(executed, 200);
    sy_device_close(device);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

int main(void)
{
    static const char *const specs[] = {
        "sim:2,service=exponential:5us,poll=event",
        "sim:2,service=exponential:5us,poll=timer:20us",
        "sim:2,service=exponential:5us,poll=timer:0ns",
        "sim:2,service=exponential:5us,poll=inline",
        "sim:2,service=exponential:5us,poll=heuristic",
        "sim:2,service=exponential:5us,poll=heuristic:65536:50us,queue=3",
        "sim:2,service=exponential:5us,lanes=2,queue=2,poll=inline",
    };

    event();
    timer();
    inline_too();
    heuristic();
    from_outside();
    bad_options();
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        run_jobs(specs[i], 0);
        run_jobs(specs[i], 1);
    }
    return 0;
}
