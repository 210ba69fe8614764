/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a poll policy costs and what it delays, in the loop of a server: jobs
 * wait in turn for the network (a time of their own) and for a device that has
 * to be polled. Prints, for each policy, operations of the device per second,
 * CPU time of the thread for each, how long the jobs waited for them, and how
 * many turns the loop made.
 *
 *     policy_costs [SECONDS [SERVICE [NETWORK [SERVERS [JOBS [POLICY...]]]]]]
 *
 * SECONDS are for all policies together; SERVICE and NETWORK are mean times
 * like "50us".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/device.h>
#include <switchyard/job.h>
#include <switchyard/poll_policy.h>
#include <switchyard/runtime.h>
#include <time.h>

#define JOBS_MAX 4096
#define WAITS    100000

static struct {
    struct sy_device *device, *network;
    struct sy_runtime *rt;
    uint64_t end_ns, operations;
    unsigned running;
    uint64_t *waited_ns; /* room for WAITS: every one, then every other ... */
    uint64_t waits, stride, seen;
} loop;

static uint64_t now(void)
{
    return sy_clock_now_ns(sy_clock_monotonic());
}

static void note_wait(uint64_t ns)
{
    if (loop.seen++ % loop.stride != 0)
        return;
    loop.waited_ns[loop.waits++] = ns;
    if (loop.waits < WAITS)
        return;
    for (uint64_t i = 0; i < WAITS / 2; i++)
        loop.waited_ns[i] = loop.waited_ns[2 * i];
    loop.waits = WAITS / 2;
    loop.stride *= 2;
}

static void check(int err)
{
    if (err < 0) {
        fprintf(stderr, "policy_costs: error %d\n", err);
        exit(1);
    }
}

static int job(void *arg)
{
    (void)arg;
    while (now() < loop.end_ns) {
        uint64_t begin_ns;

        check(sy_device_call(loop.network, loop.rt, NULL, NULL));
        begin_ns = now();
        check(sy_device_call(loop.device, loop.rt, NULL, NULL));
        note_wait(now() - begin_ns);
        loop.operations++;
    }
    return 0;
}

static void ended(void *user, struct sy_job *handle, int result)
{
    (void)user, (void)handle, (void)result;
    loop.running--;
}

static struct sy_device *open_device(const char *spec)
{
    struct sy_device *device;
    char why[256];

    if (sy_device_open(&device, spec, NULL, why, sizeof(why)) != 0) {
        fprintf(stderr, "policy_costs: %s\n", why);
        exit(1);
    }
    return device;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static double thread_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void start_jobs(unsigned jobs)
{
    struct sy_job_spec spec = {.fn = job, .done = ended};
    struct sy_job *handle;
    int result, state;

    for (unsigned i = 0; i < jobs; i++) {
        state = sy_job_start(loop.rt, &spec, &handle, &result);
        check(state);
        loop.running += state == SY_JOB_PAUSED;
    }
}

static void measure(double seconds, unsigned jobs)
{
    double begin_ns, cpu_ns, took_s, sum = 0;
    uint64_t turns = 0;
    char words[64];

    loop.operations = loop.waits = loop.seen = 0;
    loop.stride = 1;
    begin_ns = (double)now();
    loop.end_ns = now() + (uint64_t)(seconds * 1e9);
    cpu_ns = thread_cpu_ns();
    start_jobs(jobs);
    while (loop.running > 0) {
        uint64_t next_ns, network_ns, now_ns;

        turns++;
        (void)sy_device_poll(loop.network, &network_ns);
        (void)sy_device_poll_for(loop.device, loop.running, &next_ns);
        next_ns = network_ns < next_ns ? network_ns : next_ns;
        now_ns = now();
        check(sy_runtime_run(loop.rt, next_ns > now_ns ? next_ns - now_ns : 0));
    }
    cpu_ns = thread_cpu_ns() - cpu_ns;
    took_s = ((double)now() - begin_ns) / 1e9;
    qsort(loop.waited_ns, loop.waits, sizeof(uint64_t), by_size);
    for (uint64_t i = 0; i < loop.waits; i++)
        sum += (double)loop.waited_ns[i];
    printf("%-24s %10.0f %10.0f %10.1f %10.1f %8.2f\n",
           sy_device_poll_policy(loop.device, words, sizeof(words)),
           (double)loop.operations / took_s, cpu_ns / (double)loop.operations,
           sum / (double)loop.waits / 1e3,
           (double)loop.waited_ns[loop.waits * 99 / 100] / 1e3,
           (double)turns / (double)loop.operations);
}

int main(int argc, char **argv)
{
    static const char *const own[] = {
        "event",           "inline",       "timer:5us",    "timer:10us",
        "timer:20us",      "timer:50us",   "timer:100us",  "heuristic:8",
        "heuristic:16",    "heuristic:24", "heuristic:48", "heuristic:48:20us",
        "heuristic:48:1ms"};
    const char *const *policies = own;
    const char *service = argc > 2 ? argv[2] : "50us";
    const char *network = argc > 3 ? argv[3] : "200us";
    double seconds = argc > 1 ? atof(argv[1]) : 3;
    int count = sizeof(own) / sizeof(own[0]);
    int servers = argc > 4 ? atoi(argv[4]) : 16;
    int jobs = argc > 5 ? atoi(argv[5]) : 64;
    char spec[256];

    if (argc > 6) {
        policies = (const char *const *)(void *)(argv + 6);
        count = argc - 6;
    }
    if (seconds <= 0 || jobs < 1 || jobs > JOBS_MAX) {
        fprintf(stderr, "usage: policy_costs [SECONDS [SERVICE [NETWORK "
                        "[SERVERS [JOBS [POLICY...]]]]]]\n");
        return 2;
    }
    loop.waited_ns = malloc(WAITS * sizeof(uint64_t));
    if (loop.waited_ns == NULL)
        return 1;
    check(sy_runtime_open(&loop.rt, NULL));
    printf("%d jobs, network %s, device with %d servers of %s\n"
           "%-24s %10s %10s %10s %10s %8s\n",
           jobs, network, servers, service, "policy", "ops/s", "CPU ns/op",
           "wait us", "p99 us", "turns/op");
    for (int i = 0; i < count; i++) {
        snprintf(spec, sizeof(spec),
                 "sim:servers=1024,service=exponential:%s,mode=poll", network);
        loop.network = open_device(spec);
        snprintf(spec, sizeof(spec),
                 "sim:servers=%d,service=exponential:%s,poll=%s", servers,
                 service, policies[i]);
        loop.device = open_device(spec);
        measure(seconds / count, (unsigned)jobs);
        sy_device_close(loop.device);
        sy_device_close(loop.network);
    }
    check(sy_runtime_close(loop.rt));
    free(loop.waited_ns);
    return 0;
}
