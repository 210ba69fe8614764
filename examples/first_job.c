/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <switchyard/switchyard.h>

static int greet(void *arg)
{
    printf("Hello");
    sy_job_pause(); /* back to main, with everything kept */
    printf(", %s!\n", (const char *)arg);
    return 42;
}

int main(void)
{
    struct sy_job_spec spec = {.fn = greet, .arg = "world", .arg_bytes = 6};
    struct sy_runtime *rt;
    struct sy_job *job;
    int result;

    if (sy_runtime_open(&rt, NULL) != 0)
        return 1;
    if (sy_job_start(rt, &spec, &job, &result) == SY_JOB_PAUSED &&
        sy_job_resume(&job, &result) == SY_JOB_FINISHED)
        printf("The job returned %d.\n", result);
    return sy_runtime_close(rt) != 0;
}
