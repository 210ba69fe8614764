/* SPDX-License-Identifier: Apache-2.0 */
#include "uring_library.h"

#include "kernel_wait.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* After so many calls, more than a second of naps, a submission has failed. */
#define SUBMIT_CALLS_MAX 10000u
#define NAP_NS           (100 * 1000)

/* The few functions of liburing that its header does not hold itself. Written
   once, by load(). */
static struct {
    pthread_once_t once;
    bool found;
    int (*queue_init_params)(unsigned entries, struct io_uring *ring,
                             struct io_uring_params *params);
    void (*queue_exit)(struct io_uring *ring);
    int (*submit)(struct io_uring *ring);
} lib = {.once = PTHREAD_ONCE_INIT};

/* Never closed again: rings outlive whoever asked first. */
static void load(void)
{
    void *so = dlopen("liburing.so.2", RTLD_NOW | RTLD_LOCAL);

    if (so == NULL)
        return;
    /* POSIX lets the result of dlsym be stored like this. */
    *(void **)&lib.queue_init_params = dlsym(so, "io_uring_queue_init_params");
    *(void **)&lib.queue_exit = dlsym(so, "io_uring_queue_exit");
    *(void **)&lib.submit = dlsym(so, "io_uring_submit");
    lib.found = lib.queue_init_params != NULL && lib.queue_exit != NULL &&
                lib.submit != NULL;
}

int sy__uring_open(struct io_uring *ring, unsigned entries, unsigned cq_entries)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_CQSIZE,
        .cq_entries = cq_entries,
    };

    (void)pthread_once(&lib.once, load);
    if (!lib.found)
        return -ENOTSUP;
    return lib.queue_init_params(entries, ring, &params);
}

void sy__uring_close(struct io_uring *ring)
{
    lib.queue_exit(ring);
}

unsigned sy__uring_submit(struct io_uring *ring)
{
    const struct timespec nap = {.tv_nsec = NAP_NS};
    unsigned calls = 0;

    while (io_uring_sq_ready(ring) > 0 && calls < SUBMIT_CALLS_MAX) {
        int err = lib.submit(ring);

        calls++;
        if (err > 0 || err == -EINTR)
            continue;
        if (err != 0 && err != -EAGAIN && err != -EBUSY)
            break; /* a filter that allows rings but no use of them */
        /* No memory now; or, old kernels, completions wait to be read. */
        if (calls < 100)
            (void)sched_yield();
        else
            (void)nanosleep(&nap, NULL);
    }
    return calls;
}

struct io_uring_sqe *sy__uring_sqe(struct io_uring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    if (sqe == NULL) {
        (void)sy__uring_submit(ring);
        sqe = io_uring_get_sqe(ring);
    }
    return sqe;
}

/* The value of the sysctl kernel.io_uring_disabled, 0 before Linux 6.6. */
static int disabled_by_sysctl(void)
{
    FILE *f = fopen("/proc/sys/kernel/io_uring_disabled", "re");
    int value = 0;

    if (f == NULL)
        return 0;
    if (fscanf(f, "%d", &value) != 1)
        value = 0;
    (void)fclose(f);
    return value;
}

bool sy__uring_is_shortage(int err)
{
    return err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

void sy__uring_explain(int err, char *why, size_t why_bytes)
{
    int sysctl = disabled_by_sysctl();

    if (err == -ENOTSUP)
        (void)snprintf(why, why_bytes, "liburing.so.2 was not found");
    else if (err == -EPERM && sysctl != 0)
        (void)snprintf(why, why_bytes,
                       "the sysctl kernel.io_uring_disabled is %d", sysctl);
    else if (err == -EPERM || err == -EACCES)
        (void)snprintf(why, why_bytes,
                       "io_uring is forbidden here (by a seccomp filter?)");
    else if (err == -ENOSYS)
        (void)snprintf(why, why_bytes, "this kernel has no io_uring");
    else
        (void)snprintf(why, why_bytes, "io_uring_setup failed with errno %d",
                       -err);
}

/* Sleep for a completion, or only let the kernel finish what is pending. */
static int enter(struct io_uring *ring, uint64_t timeout_ns,
                 struct sy_engine_counts *counts)
{
    struct timespec room;
    struct timespec *ts = sy__timespec(timeout_ns, &room);
    struct __kernel_timespec kts = {0, 0};
    struct io_uring_getevents_arg arg = {.ts = (uintptr_t)&kts};

    if (ts == NULL) {
        arg.ts = 0;
    } else {
        kts.tv_sec = ts->tv_sec;
        kts.tv_nsec = ts->tv_nsec;
    }
    sy__count_call(counts, timeout_ns);
    if (syscall(SYS_io_uring_enter, ring->ring_fd, 0, timeout_ns != 0,
                IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg,
                sizeof(arg)) == -1)
        return -errno;
    return 0;
}

/* Does the kernel hold back completions until it is entered? */
static bool kernel_holds_some(struct io_uring *ring)
{
    return (IO_URING_READ_ONCE(*ring->sq.kflags) &
            (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) != 0;
}

/* Would entering fail in the same way again? */
static bool is_final(int err)
{
    return err != 0 && err != -ETIME && err != -EINTR && err != -EAGAIN &&
           err != -EBUSY;
}

int sy__uring_wait(struct io_uring *ring, void *state,
                   unsigned (*collect)(void *state,
                                       struct sy_engine_slot **ready,
                                       unsigned max),
                   struct sy_engine_slot **ready, unsigned max,
                   uint64_t timeout_ns, struct sy_engine_counts *counts)
{
    uint64_t deadline = sy__deadline_ns(timeout_ns);
    bool over = timeout_ns == 0;
    unsigned n = 0;
    int err;

    for (;;) {
        n += collect(state, ready + n, max - n);
        if (n == max)
            return (int)n;
        if (kernel_holds_some(ring)) {
            err = enter(ring, 0, counts);
            if (is_final(err))
                return n > 0 ? (int)n : err;
            continue;
        }
        if (n > 0 || over)
            return (int)n;
        err = enter(ring, sy__left_ns(deadline), counts);
        if (is_final(err))
            return err;
        if (err == -ETIME || err == -EINTR)
            over = true;
        else
            over = sy__left_ns(deadline) == 0;
    }
}
