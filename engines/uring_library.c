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

/* What sy__uring_wait() relies on: no completion is dropped (Linux 5.5), and
   entering takes a time-out (5.11). */
#define NEEDED_FEATURES (IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG)

#define CQ_ENTRIES_MIN 64u /* not less, however short memory is */

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
    int (*register_ring_fd)(struct io_uring *ring); /* NULL before 2.2 */
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
    *(void **)&lib.register_ring_fd = dlsym(so, "io_uring_register_ring_fd");
    lib.found = lib.queue_init_params != NULL && lib.queue_exit != NULL &&
                lib.submit != NULL;
}

/* Make a ring with the best of setups that the kernel knows. */
static int set_up(struct sy__uring *u, unsigned entries, unsigned cq_entries,
                  const unsigned *setups)
{
    int err;

    for (;; setups++) {
        struct io_uring_params params = {
            .flags = IORING_SETUP_CQSIZE | *setups,
            .cq_entries = cq_entries,
        };

        err = lib.queue_init_params(entries, &u->ring, &params);
        if (err == -EINVAL && *setups != 0)
            continue;
        if (err != 0)
            return err;
        u->flags = *setups;
        u->cq_entries = params.cq_entries;
        if ((params.features & NEEDED_FEATURES) == NEEDED_FEATURES)
            return 0;
        lib.queue_exit(&u->ring);
        return -ENOSYS;
    }
}

int sy__uring_open(struct sy__uring *u, const struct sy__uring_plan *plan)
{
    unsigned cq_entries = plan->cq_entries;
    int err;

    (void)pthread_once(&lib.once, load);
    if (!lib.found)
        return -ENOTSUP;
    memset(u, 0, sizeof(*u));
    for (;;) {
        err = set_up(u, plan->entries, cq_entries, plan->setups);
        if (err != -ENOMEM || cq_entries / 4 < CQ_ENTRIES_MIN)
            break;
        cq_entries /= 4;
    }
    if (err != 0)
        return err;
    u->owner = getpid();
    u->thread = pthread_self();
    u->registered = plan->registers && lib.register_ring_fd != NULL &&
                    lib.register_ring_fd(&u->ring) == 1;
    return 0;
}

bool sy__uring_is_here(const struct sy__uring *u)
{
    return pthread_equal(pthread_self(), u->thread);
}

/* A registration belongs to its thread: elsewhere the same number may be
   another ring. Without the bit, liburing neither uses nor undoes it; the
   kernel does when the thread ends. */
static void forget_registration(struct sy__uring *u)
{
    u->registered = false;
    u->ring.enter_ring_fd = u->ring.ring_fd;
    u->ring.int_flags = 0;
}

static void leave_registration(struct sy__uring *u)
{
    if (u->registered && !sy__uring_is_here(u))
        forget_registration(u);
}

void sy__uring_close(struct sy__uring *u)
{
    leave_registration(u);
    if (u->registered && getpid() != u->owner)
        forget_registration(u);
    lib.queue_exit(&u->ring);
}

/* io_uring_enter(2) with what the ring's descriptor needs. */
static int enter_ring(struct sy__uring *u, unsigned wanted, unsigned flags,
                      const struct io_uring_getevents_arg *arg)
{
    leave_registration(u);
    if (u->registered)
        flags |= IORING_ENTER_REGISTERED_RING;
    return syscall(SYS_io_uring_enter, u->ring.enter_ring_fd, 0, wanted, flags,
                   arg, arg != NULL ? sizeof(*arg) : 0) == -1
               ? -errno
               : 0;
}

/* Would entering fail in the same way again? */
static bool is_final(int err)
{
    return err != 0 && err != -ETIME && err != -EINTR && err != -EAGAIN &&
           err != -EBUSY;
}

int sy__uring_try_enter(struct sy__uring *u)
{
    int err = enter_ring(u, 0, 0, NULL);

    return is_final(err) ? err : 0;
}

unsigned sy__uring_submit(struct sy__uring *u)
{
    const struct timespec nap = {.tv_nsec = NAP_NS};
    unsigned calls = 0;

    leave_registration(u);
    while (io_uring_sq_ready(&u->ring) > 0 && calls < SUBMIT_CALLS_MAX) {
        int err = lib.submit(&u->ring);

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

struct io_uring_sqe *sy__uring_sqe(struct sy__uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

    if (sqe == NULL) {
        (void)sy__uring_submit(u);
        sqe = io_uring_get_sqe(&u->ring);
    }
    return sqe;
}

unsigned sy__uring_ring_own(struct sy__uring *u)
{
    struct io_uring_sqe *sqe = sy__uring_sqe(u);

    if (sqe == NULL)
        return 0;
    io_uring_prep_nop(sqe);
    io_uring_sqe_set_data(sqe, NULL);
    return sy__uring_submit(u);
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
        (void)snprintf(why, why_bytes,
                       "no io_uring as of Linux 5.11 here (the kernel's is "
                       "older, or a seccomp filter hides it)");
    else
        (void)snprintf(why, why_bytes, "io_uring failed with errno %d", -err);
}

unsigned sy__uring_describe(const struct sy__uring *u,
                            const struct sy__uring_plan *plan,
                            const struct sy_engine_feature *own, unsigned count,
                            struct sy_engine_feature *features, unsigned max)
{
    bool whole = u->cq_entries >= plan->cq_entries;
    const struct sy_engine_feature common[] = {
        {"registered ring descriptor",
         u->registered ? SY_FEATURE_USED : SY_FEATURE_MISSING,
         u->registered ? "" : "the kernel looks it up at each enter"},
        {"completion ring in full size",
         whole ? SY_FEATURE_USED : SY_FEATURE_MISSING,
         whole ? "" : "a smaller one, for memory is short (ulimit -l)"},
        {"overflow kept by the kernel", SY_FEATURE_USED, ""},
    };
    const unsigned commons = sizeof(common) / sizeof(common[0]);
    unsigned n;

    for (n = 0; n < count + commons && n < max; n++)
        features[n] = n < count ? own[n] : common[n - count];
    return n;
}

/* Sleep for a completion, or only let the kernel finish what is pending. */
static int enter(struct sy__uring *u, uint64_t timeout_ns,
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
    return enter_ring(u, timeout_ns != 0,
                      IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg);
}

/* Does the kernel hold back completions until it is entered? It may say so
   without having any: who adds one sets the flag after that, when the one may
   have been taken already (seen on Linux 6.18). */
static bool kernel_holds_some(const struct io_uring *ring)
{
    return (IO_URING_READ_ONCE(*ring->sq.kflags) &
            (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) != 0;
}

/* Returns how many were collected; *final is set to an error of the kernel
   that will not pass. */
static unsigned collect_all(struct sy__uring *u, void *state,
                            unsigned (*collect)(void *state,
                                                struct sy_engine_slot **ready,
                                                unsigned max),
                            struct sy_engine_slot **ready, unsigned max,
                            struct sy_engine_counts *counts, int *final)
{
    unsigned n = collect(state, ready, max), more = 1;

    while (more > 0 && n < max && kernel_holds_some(&u->ring)) {
        int err = enter(u, 0, counts);

        if (is_final(err)) {
            *final = err;
            break;
        }
        more = collect(state, ready + n, max - n);
        n += more;
    }
    return n;
}

int sy__uring_wait(struct sy__uring *u, void *state,
                   unsigned (*collect)(void *state,
                                       struct sy_engine_slot **ready,
                                       unsigned max),
                   struct sy_engine_slot **ready, unsigned max,
                   uint64_t timeout_ns, struct sy_engine_counts *counts)
{
    int err, final = 0;
    unsigned n = collect_all(u, state, collect, ready, max, counts, &final);
    bool over = timeout_ns == 0;
    uint64_t deadline;

    if (n > 0 || over || final != 0)
        return n > 0 ? (int)n : final;
    deadline = sy__deadline_ns(timeout_ns); /* after a look: it takes time */
    do {
        err = enter(u, sy__left_ns(deadline), counts);
        if (is_final(err))
            return err;
        over = err == -ETIME || err == -EINTR || sy__left_ns(deadline) == 0;
        n = collect_all(u, state, collect, ready, max, counts, &final);
    } while (n == 0 && !over && final == 0);
    return n > 0 ? (int)n : final;
}
