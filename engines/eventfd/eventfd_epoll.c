/* SPDX-License-Identifier: Apache-2.0 */
#include "eventfd_way.h"

#include "../epoll_set.h"

_Static_assert(sizeof(struct sy__epoll_set) <= EVENTFD_WAY_BYTES, "way");

static int probe(const char *variant, char *why, size_t why_bytes)
{
    (void)variant, (void)why, (void)why_bytes;
    return 0;
}

static int open_set(void *w, const struct sy_engine_config *cfg)
{
    return sy__epoll_set_open(w, cfg->counts);
}

static void close_set(void *w)
{
    sy__epoll_set_close(w);
}

static int add(void *w, struct sy_engine_slot *slot)
{
    return sy__epoll_set_add(w, sy__eventfd_of(slot)->fd, slot);
}

static void take_out(void *w, struct sy_engine_slot *slot)
{
    sy__epoll_set_remove(w, sy__eventfd_of(slot)->fd);
}

static int wait_set(void *w, struct sy_engine_slot **ready, unsigned max,
                    uint64_t timeout_ns)
{
    return sy__epoll_set_wait(w, ready, max, timeout_ns);
}

static int set_fd(void *w, int *fd)
{
    return sy__epoll_set_fd(w, fd);
}

const struct eventfd_way sy__eventfd_epoll = {
    .name = "epoll",
    .probe = probe,
    .open = open_set,
    .close = close_set,
    .add = add,
    .remove = take_out,
    .wait = wait_set,
    .fd = set_fd,
};
