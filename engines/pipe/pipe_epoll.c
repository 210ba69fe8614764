/* SPDX-License-Identifier: Apache-2.0 */
#include "pipe_way.h"

static int open_set(union pipe_wait *w, struct sy_engine_counts *counts)
{
    return sy__epoll_set_open(&w->set, counts);
}

static void close_set(union pipe_wait *w)
{
    sy__epoll_set_close(&w->set);
}

static int add(union pipe_wait *w, struct sy_engine_slot *slot)
{
    return sy__epoll_set_add(&w->set, sy__pipe_of(slot)->read_fd, slot);
}

static void take_out(union pipe_wait *w, struct sy_engine_slot *slot,
                     bool owned)
{
    if (owned)
        sy__epoll_set_remove(&w->set, sy__pipe_of(slot)->read_fd);
}

static int wait_set(union pipe_wait *w, struct sy_engine_slot **ready,
                    unsigned max, uint64_t timeout_ns)
{
    return sy__epoll_set_wait(&w->set, ready, max, timeout_ns);
}

static int set_fd(union pipe_wait *w, int *fd)
{
    return sy__epoll_set_fd(&w->set, fd);
}

const struct pipe_way sy__pipe_epoll = {
    .name = "epoll",
    .open = open_set,
    .close = close_set,
    .add = add,
    .remove = take_out,
    .wait = wait_set,
    .fd = set_fd,
};
