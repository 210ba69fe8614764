/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, each with its pool; wake-ups from other threads; fork. */
#include "parity.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS  4
#define OF_EACH  50
#define WAKE_MAX 10000 /* ms that a wake-up may take */

static void run_threads(int count, void *(*body)(void *), void *arg)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < count; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, body, arg), 0);
    for (int i = 0; i < count; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

/* ---- a pool for each --------------------------------------------------- */

static int three_pauses(void *arg)
{
    int id = *(int *)arg;

    for (int i = 0; i < 3; i++)
        CHECK_EQ(ASYNC_pause_job(), 1);
    return id;
}

static void *live_many_jobs(void *arg)
{
    ASYNC_WAIT_CTX *waits[OF_EACH];
    ASYNC_JOB *jobs[OF_EACH];

    (void)arg;
    CHECK_EQ(ASYNC_init_thread(OF_EACH, 5), 1);
    for (int turn = 0; turn < 10; turn++) {
        for (int i = 0; i < OF_EACH; i++) {
            waits[i] = parity_new_wait();
            jobs[i] =
                parity_start_paused(waits[i], three_pauses, &i, sizeof(i));
        }
        for (int pause = 1; pause < 3; pause++) {
            for (int i = 0; i < OF_EACH; i++)
                parity_resume_paused(jobs[i], waits[i]);
        }
        for (int i = 0; i < OF_EACH; i++) {
            CHECK_EQ(parity_resume_finished(jobs[i], waits[i]), i);
            ASYNC_WAIT_CTX_free(waits[i]);
        }
    }
    ASYNC_cleanup_thread();
    return NULL;
}

static void threads_each_with_a_pool(void)
{
    run_threads(THREADS, live_many_jobs, NULL);
}

static void *two_without_limit(void *arg)
{
    ASYNC_WAIT_CTX *waits[2] = {parity_new_wait(), parity_new_wait()};
    ASYNC_JOB *jobs[2];

    (void)arg;
    for (int i = 0; i < 2; i++)
        jobs[i] = parity_start_paused(waits[i], parity_pause_once, NULL, 0);
    for (int i = 0; i < 2; i++) {
        (void)parity_resume_finished(jobs[i], waits[i]);
        ASYNC_WAIT_CTX_free(waits[i]);
    }
    return NULL;
}

/* The limit of one thread does not bind another, nor does its clean-up. */
static void limit_is_of_one_thread(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job, *none = NULL;
    int result = UNTOUCHED;

    CHECK_EQ(ASYNC_init_thread(1, 1), 1);
    job = parity_start_paused(wait, parity_pause_once, NULL, 0);
    run_threads(2, two_without_limit, NULL);
    CHECK_EQ(
        ASYNC_start_job(&none, wait, &result, parity_return_seven, NULL, 0),
        ASYNC_NO_JOBS);
    CHECK_EQ(parity_resume_finished(job, wait), 1);
    ASYNC_WAIT_CTX_free(wait);
}

/* "This will normally occur automatically" */
static void threads_end_without_cleanup(void)
{
    for (int i = 0; i < 50; i++)
        run_threads(2, two_without_limit, NULL);
}

static void *look_around(void *arg)
{
    (void)arg;
    CHECK(ASYNC_get_current_job() == NULL);
    CHECK_EQ(ASYNC_pause_job(), 1);
    return NULL;
}

static int start_thread_inside(void *arg)
{
    (void)arg;
    run_threads(1, look_around, NULL);
    return 1;
}

/* The current job is of its thread: another one, started meanwhile, has none.
 */
static void current_job_is_of_its_thread(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(parity_run(wait, start_thread_inside, NULL, 0), 1);
    ASYNC_WAIT_CTX_free(wait);
}

/* ---- wake-ups ---------------------------------------------------------- */

static const char fd_key;

static void close_fd(ASYNC_WAIT_CTX *wait, const void *key, int fd,
                     void *custom)
{
    (void)wait;
    (void)key;
    (void)custom;
    (void)close(fd);
}

static void *ring_soon(void *arg)
{
    uint64_t one = 1;

    (void)usleep(2000);
    CHECK_EQ(write(*(int *)arg, &one, sizeof(one)), sizeof(one));
    return NULL;
}

/* What a provider does: an fd once per wait context, kept for the next. */
static int offload_by_fd(void *arg)
{
    ASYNC_WAIT_CTX *wait = ASYNC_get_wait_ctx(ASYNC_get_current_job());
    pthread_t device;
    void *custom;
    uint64_t count = 0;
    int fd;

    (void)arg;
    if (ASYNC_WAIT_CTX_get_fd(wait, &fd_key, &fd, &custom) == 0) {
        fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        CHECK(fd != -1);
        CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(wait, &fd_key, fd, NULL, close_fd),
                 1);
    }
    CHECK_EQ(pthread_create(&device, NULL, ring_soon, &fd), 0);
    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK_EQ(read(fd, &count, sizeof(count)), sizeof(count));
    CHECK_EQ(pthread_join(device, NULL), 0);
    return (int)count;
}

static void wait_for_fd(ASYNC_WAIT_CTX *wait)
{
    struct pollfd ready = {.events = POLLIN};
    size_t count = 0;

    CHECK_EQ(ASYNC_WAIT_CTX_get_all_fds(wait, NULL, &count), 1);
    CHECK_EQ(count, 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_all_fds(wait, &ready.fd, &count), 1);
    CHECK_EQ(poll(&ready, 1, WAKE_MAX), 1);
}

static void woken_by_fd(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    for (int i = 0; i < 20; i++) {
        ASYNC_JOB *job = parity_start_paused(wait, offload_by_fd, NULL, 0);

        wait_for_fd(wait);
        CHECK_EQ(parity_resume_finished(job, wait), 1);
    }
    ASYNC_WAIT_CTX_free(wait);
}

static int post_semaphore(void *arg)
{
    return sem_post(arg) == 0;
}

static void *call_soon(void *arg)
{
    ASYNC_callback_fn callback;
    void *callback_arg;

    (void)usleep(2000);
    CHECK_EQ(ASYNC_WAIT_CTX_get_callback(arg, &callback, &callback_arg), 1);
    CHECK_EQ(callback(callback_arg), 1);
    return NULL;
}

static int offload_by_callback(void *arg)
{
    ASYNC_WAIT_CTX *wait = ASYNC_get_wait_ctx(ASYNC_get_current_job());
    pthread_t device;

    (void)arg;
    CHECK_EQ(ASYNC_WAIT_CTX_set_status(wait, ASYNC_STATUS_OK), 1);
    CHECK_EQ(pthread_create(&device, NULL, call_soon, wait), 0);
    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK_EQ(pthread_join(device, NULL), 0);
    return 1;
}

static void woken_by_callback(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    sem_t woken;

    CHECK_EQ(sem_init(&woken, 0, 0), 0);
    CHECK_EQ(ASYNC_WAIT_CTX_set_callback(wait, post_semaphore, &woken), 1);
    for (int i = 0; i < 20; i++) {
        ASYNC_JOB *job =
            parity_start_paused(wait, offload_by_callback, NULL, 0);

        CHECK_EQ(ASYNC_WAIT_CTX_get_status(wait), ASYNC_STATUS_OK);
        CHECK_EQ(sem_wait(&woken), 0);
        CHECK_EQ(parity_resume_finished(job, wait), 1);
    }
    ASYNC_WAIT_CTX_free(wait);
    CHECK_EQ(sem_destroy(&woken), 0);
}

#define TOGETHER 8

/* As a server does it: poll the fds of all, resume those that are ready. */
static void many_woken_by_fds(void)
{
    struct pollfd ready[TOGETHER];
    ASYNC_WAIT_CTX *waits[TOGETHER];
    ASYNC_JOB *jobs[TOGETHER];
    size_t count;
    int left = TOGETHER;

    for (int i = 0; i < TOGETHER; i++) {
        waits[i] = parity_new_wait();
        jobs[i] = parity_start_paused(waits[i], offload_by_fd, NULL, 0);
        ready[i] = (struct pollfd){.events = POLLIN};
        CHECK_EQ(ASYNC_WAIT_CTX_get_all_fds(waits[i], &ready[i].fd, &count), 1);
        CHECK_EQ(count, 1);
    }
    while (left > 0) {
        CHECK(poll(ready, TOGETHER, WAKE_MAX) > 0);
        for (int i = 0; i < TOGETHER; i++) {
            if (ready[i].revents == 0)
                continue;
            CHECK_EQ(parity_resume_finished(jobs[i], waits[i]), 1);
            ready[i].fd = -1;
            left--;
        }
    }
    for (int i = 0; i < TOGETHER; i++)
        ASYNC_WAIT_CTX_free(waits[i]);
}

static atomic_bool device_done;

static void *finish_soon(void *arg)
{
    (void)arg;
    (void)usleep(5000);
    atomic_store_explicit(&device_done, true, memory_order_release);
    return NULL;
}

static int pause_until_done(void *arg)
{
    (void)arg;
    /* acquire: pairs with the release in finish_soon() */
    while (!atomic_load_explicit(&device_done, memory_order_acquire))
        CHECK_EQ(ASYNC_pause_job(), 1);
    return 1;
}

/* "an application will have to periodically poll the job" */
static void resumed_without_a_wake(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    int result = UNTOUCHED, status = ASYNC_PAUSE;
    ASYNC_JOB *job = NULL;
    pthread_t device;

    CHECK_EQ(pthread_create(&device, NULL, finish_soon, NULL), 0);
    while (status == ASYNC_PAUSE)
        status =
            ASYNC_start_job(&job, wait, &result, pause_until_done, NULL, 0);
    CHECK_EQ(status, ASYNC_FINISH);
    CHECK_EQ(result, 1);
    CHECK_EQ(pthread_join(device, NULL), 0);
    ASYNC_WAIT_CTX_free(wait);
}

/* ---- fork -------------------------------------------------------------- */

/* The child's own jobs work, and the parent's go on in the parent. */
static void jobs_on_both_sides_of_fork(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, parity_pause_once, NULL, 0);
    int status = -1;
    pid_t child = fork();

    CHECK(child != -1);
    if (child == 0) {
        (void)live_many_jobs(NULL);
        _exit(EXIT_SUCCESS);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(parity_resume_finished(job, wait), 1);
    (void)live_many_jobs(NULL);
    ASYNC_WAIT_CTX_free(wait);
}

#define FORKS 200

static atomic_bool forks_done;

static void *make_and_clean_pools(void *arg)
{
    (void)arg;
    /* relaxed: only to stop */
    while (!atomic_load_explicit(&forks_done, memory_order_relaxed)) {
        CHECK_EQ(ASYNC_init_thread(2, 1), 1);
        (void)two_without_limit(NULL);
        ASYNC_cleanup_thread();
    }
    return NULL;
}

/* Whatever other threads are at, fork comes back, and its child has jobs. */
static void fork_while_pools_come_and_go(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    pthread_t threads[2];
    int status;
    pid_t child;

    CHECK_EQ(parity_run(wait, parity_return_seven, NULL, 0), 7);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, make_and_clean_pools, NULL),
                 0);
    for (int i = 0; i < FORKS; i++) {
        child = fork();
        CHECK(child != -1);
        if (child == 0) {
            (void)parity_run(wait, parity_return_seven, NULL, 0);
            _exit(EXIT_SUCCESS);
        }
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK_EQ(status, 0);
    }
    atomic_store_explicit(&forks_done, true, memory_order_relaxed);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    ASYNC_WAIT_CTX_free(wait);
}

const struct parity_row parity_thread_rows[] = {
    PARITY_ROW(threads_each_with_a_pool),
    PARITY_ROW(limit_is_of_one_thread),
    PARITY_ROW(threads_end_without_cleanup),
    PARITY_ROW(current_job_is_of_its_thread),
    PARITY_ROW(woken_by_fd),
    PARITY_ROW(woken_by_callback),
    PARITY_ROW(many_woken_by_fds),
    PARITY_ROW(resumed_without_a_wake),
    PARITY_ROW(jobs_on_both_sides_of_fork),
    PARITY_ROW(fork_while_pools_come_and_go),
    PARITY_END,
};
