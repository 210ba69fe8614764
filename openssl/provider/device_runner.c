/* SPDX-License-Identifier: Apache-2.0 */
#include "device_runner.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>
#include <switchyard/poll_policy.h>
#include <sys/prctl.h>
#include <time.h>

struct device_runner {
    struct device_runner *next; /* in runners */
    struct sy_device *device;
    int is_polled;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t kick;
    pthread_t poller;
    int has_poller; /* in this process */
    int is_kicked;  /* something was submitted since the last poll */
    int is_stopping;
};

/* Locks that a fork takes, so that the child finds them free. */
static struct {
    pthread_mutex_t lock; /* guards runners; taken before a runner's */
    struct device_runner *runners;
    pthread_rwlock_t inside; /* read: a thread of a device is in OpenSSL */
} process = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    /* A fork must not wait for ever while devices are busy. */
    .inside = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP,
};

/* ---- forks -------------------------------------------------------------- */

static void before_fork(void)
{
    pthread_rwlock_wrlock(&process.inside);
    pthread_mutex_lock(&process.lock);
    for (struct device_runner *at = process.runners; at; at = at->next)
        pthread_mutex_lock(&at->lock);
}

static void after_fork_in_parent(void)
{
    for (struct device_runner *at = process.runners; at; at = at->next)
        pthread_mutex_unlock(&at->lock);
    pthread_mutex_unlock(&process.lock);
    pthread_rwlock_unlock(&process.inside);
}

static void kick_init(struct device_runner *runner)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&runner->kick, &attr);
    pthread_condattr_destroy(&attr);
}

static void after_fork_in_child(void)
{
    static const pthread_rwlock_t fresh =
        PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

    for (struct device_runner *at = process.runners; at; at = at->next) {
        at->has_poller = 0;
        kick_init(at); /* the poller, which is not here, may wait on it */
        pthread_mutex_unlock(&at->lock);
    }
    pthread_mutex_unlock(&process.lock);
    /* Readers that were about to enter are not here either. */
    memcpy(&process.inside, &fresh, sizeof(fresh));
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork_in_parent,
                         after_fork_in_child);
}

void device_runner_enter(void)
{
    pthread_rwlock_rdlock(&process.inside);
}

void device_runner_leave(void)
{
    pthread_rwlock_unlock(&process.inside);
}

/* ---- the thread that polls ---------------------------------------------- */

/* Sleep until the device's clock shows next_ns, or a kick. With the lock. */
static void sleep_locked(struct device_runner *runner, uint64_t next_ns)
{
    uint64_t now_ns = sy_clock_now_ns(sy_clock_monotonic()), until_ns;
    struct timespec until;

    if (next_ns == SY_FOREVER) {
        pthread_cond_wait(&runner->kick, &runner->lock);
        return;
    }
    if (next_ns <= now_ns)
        return;
    /* The device's clock may count from elsewhere than the kernel's. */
    clock_gettime(CLOCK_MONOTONIC, &until);
    until_ns = sy_ns_after((uint64_t)until.tv_sec * SY_NS_PER_S +
                               (uint64_t)until.tv_nsec,
                           next_ns - now_ns);
    until.tv_sec = (time_t)(until_ns / SY_NS_PER_S);
    until.tv_nsec = (long)(until_ns % SY_NS_PER_S);
    pthread_cond_timedwait(&runner->kick, &runner->lock, &until);
}

static void *poller(void *arg)
{
    struct device_runner *runner = arg;
    uint64_t next_ns;

    /* The default slack of 50 us is as long as an operation takes. */
    (void)prctl(PR_SET_TIMERSLACK, 1ul);
    pthread_mutex_lock(&runner->lock);
    while (!runner->is_stopping) {
        runner->is_kicked = 0;
        pthread_mutex_unlock(&runner->lock);
        (void)sy_device_poll(runner->device, &next_ns);
        pthread_mutex_lock(&runner->lock);
        if (!runner->is_kicked && !runner->is_stopping)
            sleep_locked(runner, next_ns);
    }
    pthread_mutex_unlock(&runner->lock);
    return NULL;
}

static int have_poller(struct device_runner *runner)
{
    sigset_t all, old;
    int has_poller;

    pthread_mutex_lock(&runner->lock);
    if (!runner->has_poller) {
        sigfillset(&all); /* signals are for the program's own threads */
        pthread_sigmask(SIG_SETMASK, &all, &old);
        runner->has_poller =
            pthread_create(&runner->poller, NULL, poller, runner) == 0;
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    has_poller = runner->has_poller;
    pthread_mutex_unlock(&runner->lock);
    return has_poller;
}

static void stop_poller(struct device_runner *runner)
{
    int running;

    pthread_mutex_lock(&runner->lock);
    runner->is_stopping = 1;
    running = runner->has_poller;
    pthread_cond_signal(&runner->kick);
    pthread_mutex_unlock(&runner->lock);
    if (running)
        pthread_join(runner->poller, NULL);
}

/* ---- the device --------------------------------------------------------- */

int device_runner_submit(struct device_runner *runner, struct sy_device_op *op)
{
    if (!runner->is_polled) {
        sy_device_submit(runner->device, op);
        return 0;
    }
    if (!have_poller(runner))
        return -EAGAIN;
    sy_device_submit(runner->device, op);
    pthread_mutex_lock(&runner->lock);
    runner->is_kicked = 1;
    pthread_cond_signal(&runner->kick);
    pthread_mutex_unlock(&runner->lock);
    return 0;
}

int device_runner_open(struct device_runner **out, const char *spec, char *why,
                       size_t why_bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct device_runner *runner;
    char words[64];
    int err;

    *out = NULL;
    pthread_once(&once, watch_forks);
    if (strstr(spec, "execute=no") != NULL) {
        snprintf(why, why_bytes,
                 "sim: execute=no: results would be missing; accepted here: "
                 "yes");
        return -EINVAL;
    }
    runner = calloc(1, sizeof(*runner));
    if (runner == NULL) {
        snprintf(why, why_bytes, "no memory");
        return -ENOMEM;
    }
    err = sy_device_open(&runner->device, spec, NULL, why, why_bytes);
    if (err != 0) {
        free(runner);
        return err;
    }
    runner->is_polled =
        *sy_device_poll_policy(runner->device, words, sizeof(words)) != '\0';
    pthread_mutex_init(&runner->lock, NULL);
    kick_init(runner);
    pthread_mutex_lock(&process.lock);
    runner->next = process.runners;
    process.runners = runner;
    pthread_mutex_unlock(&process.lock);
    *out = runner;
    return 0;
}

void device_runner_close(struct device_runner *runner)
{
    struct device_runner **at = &process.runners;

    if (runner == NULL)
        return;
    stop_poller(runner);
    sy_device_close(runner->device);
    pthread_mutex_lock(&process.lock);
    while (*at != runner)
        at = &(*at)->next;
    *at = runner->next;
    pthread_mutex_unlock(&process.lock);
    pthread_cond_destroy(&runner->kick);
    pthread_mutex_destroy(&runner->lock);
    free(runner);
}
