/* SPDX-License-Identifier: Apache-2.0 */
/* sy_device_call() comes back with the operation complete: from a job that
   pauses, one that may not pause, one that was cancelled, and outside of any
   job; with polled devices and with device threads, in real and virtual
   time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <switchyard/device.h>
#include <switchyard/job.h>
#include <switchyard/runtime.h>

static int bad;

static void expect(const char *spec, const char *what, long long got,
                   long long expected)
{
    if (got == expected)
        return;
    printf("%s: %s: %lld, expected %lld\n", spec, what, got, expected);
    bad = 1;
}

struct call {
    struct sy_device *device;
    struct sy_runtime *rt;
    int block, executed, result;
};

static int execute(void *arg)
{
    ((struct call *)arg)->executed++;
    return -EDOM;
}

static int job(void *arg)
{
    struct call *call = arg;

    if (call->block)
        sy_job_block_pause();
    call->result = sy_device_call(call->device, call->rt, execute, call);
    return 0;
}

static void ended(void *user, struct sy_job *handle, int result)
{
    (void)handle;
    (void)result;
    --*(int *)user;
}

static int start(struct call *call, int *running, struct sy_job **handle)
{
    struct sy_job_spec spec = {
        .fn = job, .arg = call, .done = ended, .user = running};
    int result;

    return sy_job_start(call->rt, &spec, handle, &result);
}

/* The loop of a program with a polled device. */
static void finish(struct call *call, const int *running,
                   struct sy_clock *clock)
{
    while (*running > 0) {
        uint64_t next_ns, now_ns;

        (void)sy_device_poll(call->device, &next_ns);
        now_ns = sy_clock_now_ns(clock);
        if (sy_runtime_run(call->rt, next_ns == SY_FOREVER ? 10 * SY_NS_PER_MS
                                     : next_ns > now_ns    ? next_ns - now_ns
                                                           : 0) < 0)
            exit(1);
    }
}

static void check(const char *spec, const char *switcher, int is_virtual)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_clock *clock = sy_clock_monotonic();
    struct sy_virtual_clock vc;
    struct call call = {0}, cancelled = {0}, blocked = {0};
    struct sy_job *handle;
    char why[256];
    int running = 0, state;

    sy_virtual_clock_init(&vc, 5);
    if (is_virtual)
        clock = &vc.clock;
    cfg.switcher = switcher;
    cfg.clock = clock;
    state = sy_runtime_open(&call.rt, &cfg);
    if (state == -ENOTSUP) {
        printf("%s: skipped: the switcher does not work here\n", switcher);
        return;
    }
    if (state != 0 ||
        sy_device_open(&call.device, spec, clock, why, sizeof(why)) != 0) {
        printf("%s: cannot be opened\n", spec);
        exit(1);
    }
    cancelled = blocked = call;

    expect(spec, "outside a job",
           sy_device_call(call.device, call.rt, execute, &call), -EDOM);
    expect(spec, "executed outside", call.executed, 1);

    state = start(&call, &running, &handle);
    running += state == SY_JOB_PAUSED;
    finish(&call, &running, clock);
    expect(spec, "in a job", call.result, -EDOM);
    expect(spec, "executed in a job", call.executed, 2);

    blocked.block = 1;
    expect(spec, "start, blocked", start(&blocked, &running, &handle),
           SY_JOB_FINISHED);
    expect(spec, "in a job that must not pause", blocked.result, -EDOM);

    state = start(&cancelled, &running, &handle);
    if (state == SY_JOB_PAUSED) {
        running = 1;
        expect(spec, "cancel", sy_job_cancel(handle), 0);
        finish(&cancelled, &running, clock);
        expect(spec, "in a cancelled job", cancelled.result, -ECANCELED);
    }
    expect(spec, "executed in a cancelled job", cancelled.executed, 1);

    sy_device_close(call.device);
    while ((state = sy_runtime_close(call.rt)) == -EBUSY)
        (void)!sy_runtime_run(call.rt, SY_NS_PER_MS);
    expect(spec, "close", state, 0);
}

int main(void)
{
    static const char *const switchers[] = {"asm", "setjmp", "ucontext",
                                            "threads", "direct"};

    for (size_t i = 0; i < sizeof(switchers) / sizeof(switchers[0]); i++) {
        check("workers:2", switchers[i], 0);
        check("sim:1,service=fixed:200us,mode=poll", switchers[i], 0);
        check("sim:1,service=fixed:200us,mode=thread", switchers[i], 0);
        check("sim:1,service=fixed:200us,queue=1", switchers[i], 1);
    }
    return bad;
}
