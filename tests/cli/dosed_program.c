/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program with OpenSSL jobs, for tests of `switchyard dose`:
 *
 *     dosed_program JOBS [callback|never|crash TICKS|hang TICKS]
 *
 * starts so many jobs, of which each pauses once. "callback": woken by one,
 * not by a descriptor. "crash", "hang": it does that at a dose above so many
 * ticks.
 * "never": it has no job at all.
 */
#include <openssl/async.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ASYNC_WAIT_CTX *wait_ctx;

static int on_wake(void *arg)
{
    (*(uint64_t *)arg)++;
    return 1;
}

/* As a device does: it looks the callback up and calls it. */
static void wake(void)
{
    ASYNC_callback_fn callback;
    void *arg;

    if (ASYNC_WAIT_CTX_get_callback(wait_ctx, &callback, &arg) == 1)
        (void)callback(arg);
}

static int job_main(void *arg)
{
    (void)arg;
    return ASYNC_pause_job() == 1 ? 7 : 0;
}

static int run_job(void)
{
    ASYNC_JOB *job = NULL;
    int result = 0, status;

    while ((status = ASYNC_start_job(&job, wait_ctx, &result, job_main, NULL,
                                     0)) == ASYNC_PAUSE)
        wake();
    return status == ASYNC_FINISH && result == 7;
}

static void misbehave(const char *how, unsigned long long most)
{
    const char *dose = getenv("SWITCHYARD_DOSE");
    unsigned long long switch_ticks, wake_ticks;

    if (dose == NULL ||
        sscanf(dose, "%*[a-z]:%llu:%llu", &switch_ticks, &wake_ticks) != 2 ||
        (switch_ticks <= most && wake_ticks <= most))
        return;
    if (strcmp(how, "crash") == 0) {
        fputs("too slow for me\n", stderr);
        abort();
    }
    if (strcmp(how, "hang") == 0)
        for (;;)
            pause();
}

int main(int argc, char **argv)
{
    const char *how = argc > 2 ? argv[2] : "";
    long jobs = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    static uint64_t wakes;

    if (strcmp(how, "never") == 0)
        return OpenSSL_version_num() != 0 ? 0 : 1;
    misbehave(how, argc > 3 ? strtoull(argv[3], NULL, 10) : 0);
    wait_ctx = ASYNC_WAIT_CTX_new();
    if (wait_ctx == NULL)
        return 1;
    if (strcmp(how, "callback") == 0)
        (void)ASYNC_WAIT_CTX_set_callback(wait_ctx, on_wake, &wakes);
    for (long i = 0; i < jobs; i++)
        if (!run_job())
            return 1;
    ASYNC_WAIT_CTX_free(wait_ctx);
    return strcmp(how, "callback") == 0 && wakes != (uint64_t)jobs;
}
