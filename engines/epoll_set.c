/* SPDX-License-Identifier: Apache-2.0 */
#include "epoll_set.h"

#include "kernel_wait.h"
#include <errno.h>
#include <unistd.h>

int sy__epoll_set_open(struct sy__epoll_set *set,
                       struct sy_engine_counts *counts)
{
    set->counts = counts;
    set->rung = false;
    set->bell = -1;
    set->epfd = epoll_create1(EPOLL_CLOEXEC);
    return set->epfd == -1 ? -errno : 0;
}

void sy__epoll_set_close(struct sy__epoll_set *set)
{
    if (set->bell != -1)
        (void)close(set->bell);
    (void)close(set->epfd);
}

int sy__epoll_set_add(struct sy__epoll_set *set, int fd,
                      struct sy_engine_slot *slot)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = slot};

    return epoll_ctl(set->epfd, EPOLL_CTL_ADD, fd, &event) == -1 ? -errno : 0;
}

/* Not left to close(): a forked child may hold the descriptor open. */
void sy__epoll_set_remove(struct sy__epoll_set *set, int fd)
{
    (void)epoll_ctl(set->epfd, EPOLL_CTL_DEL, fd, NULL);
}

/*
 * Fetch up to room events. Returns how many there were, adding to *n the slots
 * among them, or -errno.
 */
static int fetch(struct sy__epoll_set *set, struct sy_engine_slot **ready,
                 unsigned *n, unsigned room, uint64_t timeout_ns)
{
    int got;

    sy__count_call(set->counts, timeout_ns);
    got = sy__epoll_wait(set->epfd, set->events, (int)room, timeout_ns);
    for (int i = 0; i < got; i++) {
        if (set->events[i].data.ptr == NULL)
            set->rung = false;
        else
            ready[(*n)++] = set->events[i].data.ptr;
    }
    return got;
}

/*
 * Collect until nothing is left or the room is used up. The last epoll_wait is
 * one that returned fewer than it could have: the kernel looked again, and
 * what comes after that makes epfd readable with an edge.
 *
 * Stopping early rings the own doorbell. It leaves epfd readable even if
 * nothing else is left, and gives the edge that a foreign loop needs which
 * watches epfd edge-triggered.
 */
int sy__epoll_set_wait(struct sy__epoll_set *set, struct sy_engine_slot **ready,
                       unsigned max, uint64_t timeout_ns)
{
    /* A rung doorbell would end the sleep at once: take it out first. */
    uint64_t sleep_ns = set->rung ? 0 : timeout_ns;
    unsigned n = 0;

    while (n < max) {
        unsigned room =
            max - n < SY_EPOLL_SET_EVENTS ? max - n : SY_EPOLL_SET_EVENTS;
        int got = fetch(set, ready, &n, room, n == 0 ? sleep_ns : 0);

        if (got < 0)
            return n > 0 || got == -EINTR ? (int)n : got;
        if (got == (int)room)
            continue;
        if (n > 0 || sleep_ns == timeout_ns)
            return (int)n;
        sleep_ns = timeout_ns;
    }
    if (set->bell != -1) {
        set->rung = true;
        sy__count_call(set->counts, 0);
        sy__bell_ring(set->bell);
    }
    return (int)n;
}

int sy__epoll_set_fd(struct sy__epoll_set *set, int *fd)
{
    int bell, err;

    *fd = -1;
    if (set->bell == -1) {
        bell = sy__bell_open();
        if (bell < 0)
            return bell;
        err = sy__epoll_set_add(set, bell, NULL);
        if (err != 0) {
            (void)close(bell);
            return err;
        }
        set->bell = bell;
    }
    *fd = set->epfd;
    return 0;
}
