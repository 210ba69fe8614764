/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_wait.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_epoll_pwait2     /* headers from before Linux 5.11 */
#define SYS_epoll_pwait2 441 /* on every architecture but alpha */
#endif

static uint64_t now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail on Linux */
    return (uint64_t)ts.tv_sec * SY_NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t sy__deadline_ns(uint64_t timeout_ns)
{
    if (timeout_ns == 0 || timeout_ns == SY_FOREVER)
        return timeout_ns; /* 0 is always over */
    return sy_ns_after(now_ns(), timeout_ns);
}

uint64_t sy__left_ns(uint64_t deadline_ns)
{
    uint64_t now;

    if (deadline_ns == 0 || deadline_ns == SY_FOREVER)
        return deadline_ns;
    now = now_ns();
    return deadline_ns > now ? deadline_ns - now : 0;
}

/* Rounded up: to wake early would mean to wake again. */
static int whole_ms(uint64_t ns)
{
    if (ns == SY_FOREVER)
        return -1;
    if (ns > (uint64_t)INT_MAX * SY_NS_PER_MS)
        return INT_MAX;
    return (int)((ns + SY_NS_PER_MS - 1) / SY_NS_PER_MS);
}

int sy__epoll_wait(int epfd, struct epoll_event *events, int max,
                   uint64_t timeout_ns)
{
    struct timespec ts;
    int got;

    if (timeout_ns != 0 && timeout_ns != SY_FOREVER) {
        got = (int)syscall(SYS_epoll_pwait2, epfd, events, max,
                           sy__timespec(timeout_ns, &ts), NULL, 0);
        /* Before Linux 5.11, or under a seccomp filter older than that. */
        if (got != -1 || (errno != ENOSYS && errno != EPERM))
            return got == -1 ? -errno : got;
    }
    got = epoll_wait(epfd, events, max, whole_ms(timeout_ns));
    return got == -1 ? -errno : got;
}

int sy__readable_wait(int fd, uint64_t timeout_ns)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    struct timespec ts;
    int got = ppoll(&watched, 1, sy__timespec(timeout_ns, &ts), NULL);

    return got == -1 ? -errno : got;
}

int sy__futex_wait(atomic_uint *word, unsigned seen, uint64_t deadline_ns)
{
    struct timespec ts;

    /* BITSET takes an absolute time on CLOCK_MONOTONIC: nothing to recompute
       after a wake-up for no reason. */
    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, seen,
                sy__timespec(deadline_ns, &ts), NULL,
                FUTEX_BITSET_MATCH_ANY) == -1)
        return errno == EAGAIN ? 0 : -errno;
    return 0;
}

void sy__futex_wake(atomic_uint *word)
{
    int kept = errno;

    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = kept;
}

int sy__bell_open(void)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    return fd == -1 ? -errno : fd;
}

void sy__bell_ring(int fd)
{
    const uint64_t one = 1;
    int kept = errno;

    /* It would be full after 2^64 - 2 rings, centuries away. */
    while (write(fd, &one, sizeof(one)) == -1 && errno == EINTR)
        continue;
    errno = kept;
}

uint64_t sy__bell_clear(int fd)
{
    uint64_t rung = 0;
    ssize_t got;

    do
        got = read(fd, &rung, sizeof(rung));
    while (got == -1 && errno == EINTR);
    return got == (ssize_t)sizeof(rung) ? rung : 0;
}
