/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting by poll(2) and by select(2): the kernel is given every read end with
 * every call, and says how many are readable but not which came first. The
 * scan for them goes on where the last one stopped.
 */
#include "pipe_way.h"

#include "../kernel_wait.h"
#include <errno.h>
#include <stdlib.h>

static int list_open(union pipe_wait *w, struct sy_engine_counts *counts)
{
    w->list.counts = counts;
    w->list.highest = -1;
    FD_ZERO(&w->list.watched);
    return 0;
}

static void list_close(union pipe_wait *w)
{
    free(w->list.fds);
    free(w->list.slots);
}

static int grow(struct pipe_list *l)
{
    uint32_t room = l->room == 0 ? 64 : 2 * l->room;
    void *slots, *fds = realloc(l->fds, room * sizeof(*l->fds));

    if (fds == NULL)
        return -ENOMEM;
    l->fds = fds;
    slots = realloc(l->slots, room * sizeof(*l->slots));
    if (slots == NULL)
        return -ENOMEM;
    l->slots = slots;
    l->room = room;
    return 0;
}

static int list_add(union pipe_wait *w, struct sy_engine_slot *slot)
{
    struct pipe_list *l = &w->list;

    if (l->count == l->room) {
        int err = grow(l);

        if (err != 0)
            return err;
    }
    sy__pipe_of(slot)->place = l->count;
    l->fds[l->count].fd = sy__pipe_of(slot)->read_fd;
    l->fds[l->count].events = POLLIN;
    l->slots[l->count] = slot;
    l->count++;
    return 0;
}

static void list_remove(union pipe_wait *w, struct sy_engine_slot *slot,
                        bool owned)
{
    struct pipe_list *l = &w->list;
    uint32_t place = sy__pipe_of(slot)->place, last = --l->count;

    (void)owned;
    l->fds[place] = l->fds[last];
    l->slots[place] = l->slots[last];
    sy__pipe_of(l->slots[place])->place = place;
}

static bool poll_found(const struct pipe_list *l, uint32_t place)
{
    return l->fds[place].revents != 0;
}

static bool select_found(const struct pipe_list *l, uint32_t place)
{
    return FD_ISSET(l->fds[place].fd, &l->readable);
}

/* Take up to max of the got readable ones. */
static int collect(struct pipe_list *l, struct sy_engine_slot **ready,
                   unsigned max, int got,
                   bool (*found)(const struct pipe_list *l, uint32_t place))
{
    uint32_t at = l->next < l->count ? l->next : 0;
    unsigned n = 0, want = (unsigned)got < max ? (unsigned)got : max;

    for (uint32_t left = l->count; left > 0 && n < want; left--) {
        if (found(l, at))
            ready[n++] = l->slots[at];
        if (++at == l->count)
            at = 0;
    }
    l->next = at;
    return (int)n;
}

static int poll_wait(union pipe_wait *w, struct sy_engine_slot **ready,
                     unsigned max, uint64_t timeout_ns)
{
    struct pipe_list *l = &w->list;
    struct timespec ts;
    int got;

    sy__count_call(l->counts, timeout_ns);
    got = ppoll(l->fds, l->count, sy__timespec(timeout_ns, &ts), NULL);
    if (got == -1)
        return errno == EINTR ? 0 : -errno;
    return collect(l, ready, max, got, poll_found);
}

static int select_add(union pipe_wait *w, struct sy_engine_slot *slot)
{
    struct pipe_list *l = &w->list;
    int fd = sy__pipe_of(slot)->read_fd;
    int err;

    if (fd >= FD_SETSIZE) /* fd_set has no bit for it */
        return -EMFILE;
    err = list_add(w, slot);
    if (err != 0)
        return err;
    FD_SET(fd, &l->watched);
    if (fd > l->highest)
        l->highest = fd;
    return 0;
}

static void select_remove(union pipe_wait *w, struct sy_engine_slot *slot,
                          bool owned)
{
    struct pipe_list *l = &w->list;

    FD_CLR(sy__pipe_of(slot)->read_fd, &l->watched);
    while (l->highest >= 0 && !FD_ISSET(l->highest, &l->watched))
        l->highest--;
    list_remove(w, slot, owned);
}

/* The slot keeps its place, so that the scan passes over nobody. */
static int select_replace(union pipe_wait *w, struct sy_engine_slot *slot,
                          int read_fd)
{
    struct pipe_list *l = &w->list;

    if (read_fd >= FD_SETSIZE)
        return -EMFILE;
    FD_CLR(sy__pipe_of(slot)->read_fd, &l->watched);
    FD_SET(read_fd, &l->watched);
    l->fds[sy__pipe_of(slot)->place].fd = read_fd;
    if (read_fd > l->highest)
        l->highest = read_fd;
    return 0;
}

static int select_wait(union pipe_wait *w, struct sy_engine_slot **ready,
                       unsigned max, uint64_t timeout_ns)
{
    struct pipe_list *l = &w->list;
    struct timespec ts;
    int got;

    sy__count_call(l->counts, timeout_ns);
    l->readable = l->watched;
    got = pselect(l->highest + 1, &l->readable, NULL, NULL,
                  sy__timespec(timeout_ns, &ts), NULL);
    if (got == -1)
        return errno == EINTR ? 0 : -errno;
    return collect(l, ready, max, got, select_found);
}

const struct pipe_way sy__pipe_poll = {
    .name = "poll",
    .open = list_open,
    .close = list_close,
    .add = list_add,
    .remove = list_remove,
    .wait = poll_wait,
};

const struct pipe_way sy__pipe_select = {
    .name = "select",
    .open = list_open,
    .close = list_close,
    .add = select_add,
    .remove = select_remove,
    .wait = select_wait,
    .replace = select_replace,
};
