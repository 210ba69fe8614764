/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program takes the descriptor and then never looks at it, nor runs the
 * runtime, while a hundred thousand wake-ups come. Wakers do not block,
 * memory does not grow, and nothing is lost: as soon as it runs, every job
 * learns of all that came.
 */
#include "foreign.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define JOBS       64
#define WAKES      100000
#define LIMIT_S    100
#define GROWTH_KIB 4096 /* a sender's ring, and what the libc buffers */

static struct sy_waker wakers[JOBS];
static atomic_uint letters[JOBS];
static unsigned taken;

static int take_letters(void *arg)
{
    atomic_uint *box = arg;

    FOREIGN_CHECK(sy_job_pause() == 0);
    taken += atomic_exchange_explicit(box, 0, memory_order_relaxed);
    return 0;
}

static void count_end(void *user, struct sy_job *job, int result)
{
    (void)job, (void)result;
    ((struct foreign *)user)->jobs_left--;
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    FOREIGN_CHECK(file != NULL);
    FOREIGN_CHECK(fscanf(file, "%*d %ld", &pages) == 1);
    FOREIGN_CHECK(fclose(file) == 0);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void wake(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        atomic_fetch_add_explicit(&letters[i % JOBS], 1, memory_order_relaxed);
        FOREIGN_CHECK(sy_wake(wakers[i % JOBS]) == 0);
    }
}

static void *wake_and_weigh(void *arg)
{
    long before;

    wake(JOBS); /* what is made once is made now */
    before = resident_kib();
    wake(WAKES - JOBS);
    *(long *)arg = resident_kib() - before;
    return NULL;
}

static void ignore(const char *engine)
{
    struct foreign f;
    struct pollfd watched = {.events = POLLIN};
    pthread_t thread;
    long growth_kib = 0;

    taken = 0;
    foreign_open(&f, engine);
    for (int i = 0; i < JOBS; i++) {
        struct sy_job_spec spec = {.fn = take_letters,
                                   .arg = &letters[i],
                                   .done = count_end,
                                   .user = &f};
        struct sy_job *job;

        FOREIGN_CHECK(sy_job_start(f.rt, &spec, &job, NULL) == SY_JOB_PAUSED);
        wakers[i] = sy_job_waker(job);
        f.jobs_left++;
    }
    FOREIGN_CHECK(sy_runtime_run(f.rt, 0) == 0);
    FOREIGN_CHECK(pthread_create(&thread, NULL, wake_and_weigh, &growth_kib) ==
                  0);
    FOREIGN_CHECK(pthread_join(thread, NULL) == 0);
    printf("%s: %d wake-ups unseen, %ld KiB more\n", engine, WAKES, growth_kib);
    if (!SY_ASAN && !SY_TSAN)
        FOREIGN_CHECK(growth_kib <= GROWTH_KIB);

    watched.fd = f.fd;
    FOREIGN_CHECK(f.jobs_left == JOBS);
    while (f.jobs_left > 0) {
        FOREIGN_CHECK(poll(&watched, 1, -1) == 1);
        FOREIGN_CHECK(sy_runtime_run(f.rt, 0) >= 0);
    }
    FOREIGN_CHECK(taken == WAKES);
    foreign_close(&f);
}

int main(void)
{
    alarm(LIMIT_S);
    foreign_each_engine(ignore);
    return 0;
}
