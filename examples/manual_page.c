/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The example of OpenSSL's ASYNC_start_job(3ssl) manual page with Switchyard's
 * API: a job that hands a pipe to the event loop of a program that knows
 * nothing of jobs but their wait contexts. It prints the same lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <switchyard/switchyard.h>
#include <sys/select.h>
#include <unistd.h>

/* Its address names us among all that may add descriptors. */
static const char key;

/* The wait context is about to go: close both ends. */
static void cleanup(struct sy_wait *wait, const void *name, int read_end,
                    void *custom)
{
    int *write_end = custom;

    (void)wait;
    (void)name;
    close(read_end);
    close(*write_end);
    free(write_end);
}

static int say(void *arg)
{
    const char *message = arg;
    struct sy_job *job = sy_job_current();
    int ends[2], *write_end;
    char byte = 'X';

    if (job == NULL) {
        printf("Not executing within a job - should not happen\n");
        return 0;
    }
    printf("Executing within a job\n");
    printf("Passed in message is: %s\n", message);

    if (pipe(ends) == -1) {
        printf("Failed to create pipe\n");
        return 0;
    }
    write_end = malloc(sizeof(*write_end));
    if (write_end == NULL) {
        printf("Failed to malloc\n");
        return 0;
    }
    *write_end = ends[1];
    if (sy_wait_set_fd(sy_job_wait(job), &key, ends[0], write_end, cleanup) !=
        0) {
        printf("Failed to add the descriptor\n");
        return 0;
    }

    /*
     * Usually a device writes this, some time later. Here it is written at
     * once: the job is ready to go on as soon as it has paused.
     */
    if (write(ends[1], &byte, 1) != 1)
        printf("Failed to write\n");

    sy_job_pause();

    if (read(ends[0], &byte, 1) != 1)
        printf("Failed to read\n");
    printf("Resumed the job after a pause\n");
    return 1;
}

/* What an event loop does with the descriptors of a paused job. */
static void wait_for_job(const struct sy_wait *wait)
{
    size_t count = 1;
    fd_set readable;
    int fd;

    printf("Waiting for the job to be woken up\n");
    if (sy_wait_all_fds(wait, &fd, &count) != 0 || count != 1) {
        printf("Unexpected number of fds\n");
        abort();
    }
    FD_ZERO(&readable);
    FD_SET(fd, &readable);
    select(fd + 1, &readable, NULL, NULL, NULL);
}

int main(void)
{
    char message[] = "Hello world!";
    struct sy_job_spec spec = {
        .fn = say, .arg = message, .arg_bytes = sizeof(message)};
    struct sy_runtime *rt;
    struct sy_job *job;
    int result, state;

    printf("Starting...\n");
    if (sy_runtime_open(&rt, NULL) != 0 || sy_wait_new(&spec.wait) != 0) {
        printf("Failed to set up\n");
        return 1;
    }

    state = sy_job_start(rt, &spec, &job, &result);
    while (state == SY_JOB_PAUSED) {
        printf("Job was paused\n");
        wait_for_job(spec.wait);
        state = sy_job_resume(&job, &result);
    }
    if (state == SY_JOB_FINISHED)
        printf("Job finished with return value %d\n", result);
    else
        printf("An error occurred: %s\n", sy_strerror(state));

    sy_wait_unref(spec.wait);
    printf("Finishing\n");
    return sy_runtime_close(rt) != 0;
}
