/* SPDX-License-Identifier: Apache-2.0 */
/* A program as its author would write it, in what C11 and C++17 share. Built
   against an installation, in every way that an installation offers. */
#include <stdio.h>
#include <string.h>
#include <switchyard/switchyard.h>

#ifdef CONSUMER_WITH_DEVICES
#include <switchyard/device.h>
#endif
#ifdef CONSUMER_WITH_WORKLOADS
#include <switchyard/workload.h>
#endif
#ifdef CONSUMER_WITH_OFFLOAD
#include <switchyard/offload.h>
#endif

static int work(void *arg)
{
    int *steps = (int *)arg;

    while (*steps > 0 && sy_job_pause() == 0)
        (*steps)--;
    return 42;
}

static int run_a_job(void)
{
    struct sy_runtime *rt;
    struct sy_job_spec spec;
    struct sy_job *job = NULL;
    int steps = 3, result = 0, pauses = 0, state;

    if (sy_runtime_open(&rt, NULL) != 0)
        return 1;
    memset(&spec, 0, sizeof(spec));
    spec.fn = work;
    spec.arg = &steps;
    state = sy_job_start(rt, &spec, &job, &result);
    while (state == SY_JOB_PAUSED) {
        pauses++;
        state = sy_job_resume(&job, &result);
    }
    printf("%d pauses, result %d\n", pauses, result);
    return sy_runtime_close(rt) != 0 || state != SY_JOB_FINISHED;
}

#ifdef CONSUMER_WITH_DEVICES
static int open_a_device(void)
{
    struct sy_device *device;
    char why[256];

    if (sy_device_open(&device, "workers:1", NULL, why, sizeof(why)) != 0) {
        printf("no device: %s\n", why);
        return 1;
    }
    sy_device_close(device);
    puts("a device");
    return 0;
}
#endif

#ifdef CONSUMER_WITH_WORKLOADS
static int find_a_workload(void)
{
    char why[256];
    size_t param_bytes;

    if (sy_workload_find("null", &param_bytes, why, sizeof(why)) == NULL) {
        printf("no workload: %s\n", why);
        return 1;
    }
    puts("a workload");
    return 0;
}
#endif

int main(void)
{
    int failed = run_a_job();

    if (strcmp(sy_version(), SY_VERSION_STRING) != 0) {
        printf("headers of %s, library %s\n", SY_VERSION_STRING, sy_version());
        failed = 1;
    }
#ifdef CONSUMER_WITH_DEVICES
    failed |= open_a_device();
#endif
#ifdef CONSUMER_WITH_WORKLOADS
    failed |= find_a_workload();
#endif
#ifdef CONSUMER_WITH_OFFLOAD
    printf("in a job of OpenSSL's: %d\n", sy_offload_in_job());
#endif
    return failed;
}
