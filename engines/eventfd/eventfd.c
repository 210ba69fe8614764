/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An eventfd for each job slot, made once. wake adds 1 to it; each write is an
 * event by itself for those who watch, so nobody reads the eventfd and one
 * system call per wake-up is saved.
 *
 * A waker is done with slot and state when it calls write(2): from there on
 * only the kernel works for it, and holds the eventfd open by itself.
 */
#include "eventfd_way.h"

#include "../kernel_wait.h"
#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <switchyard/usdt.h>
#include <unistd.h>

struct eventfd_state {
    const struct eventfd_way *way;
    pid_t owner;
    alignas(SY_CACHE_LINE) unsigned char w[EVENTFD_WAY_BYTES];
};

static const struct eventfd_way *find(const char *variant)
{
    return strcmp(variant, sy__eventfd_uring.name) == 0 ? &sy__eventfd_uring
                                                        : &sy__eventfd_epoll;
}

static int eventfd_probe(const char *variant, char *why, size_t why_bytes)
{
    return find(variant)->probe(variant, why, why_bytes);
}

static int eventfd_open(void *state, const struct sy_engine_config *cfg)
{
    struct eventfd_state *e = state;

    e->way = find(cfg->variant);
    e->owner = getpid();
    return e->way->open(e->w, cfg);
}

static void eventfd_close(void *state)
{
    struct eventfd_state *e = state;

    e->way->close(e->w);
}

static int eventfd_attach(void *state, struct sy_engine_slot *slot)
{
    struct eventfd_state *e = state;
    int err, fd = sy__bell_open();

    if (fd < 0)
        return fd;
    sy__eventfd_of(slot)->fd = fd;
    err = e->way->add(e->w, slot);
    if (err != 0)
        (void)close(fd);
    return err;
}

/*
 * In the child of a fork too: then only our copy is closed. The owner reads the
 * eventfd before: it is the one thing in user space that orders what wakers
 * did before their write before our close, and so what ThreadSanitizer needs.
 */
static void eventfd_detach(void *state, struct sy_engine_slot *slot)
{
    struct eventfd_state *e = state;
    int fd = sy__eventfd_of(slot)->fd;

    if (getpid() == e->owner) {
        e->way->remove(e->w, slot);
        (void)sy__bell_clear(fd);
    }
    (void)close(fd);
}

static void eventfd_wake(void *state, struct sy_engine_slot *slot)
{
    SY_USDT3(doorbell, state, slot, sy__eventfd_of(slot)->fd);
    sy__bell_ring(sy__eventfd_of(slot)->fd);
}

static int eventfd_wait(void *state, struct sy_engine_slot **ready,
                        unsigned max, uint64_t timeout_ns)
{
    struct eventfd_state *e = state;

    return e->way->wait(e->w, ready, max, timeout_ns);
}

static int eventfd_fd(void *state, int *fd)
{
    struct eventfd_state *e = state;

    return e->way->fd(e->w, fd);
}

static unsigned eventfd_describe(const char *variant,
                                 struct sy_engine_feature *features,
                                 unsigned max)
{
    const struct eventfd_way *way = find(variant);

    return way->describe != NULL ? way->describe(variant, features, max) : 0;
}

static const char *const variants[] = {"epoll", "io_uring", NULL};

const struct sy_engine_ops sy_engine_eventfd = {
    .abi = SY_ENGINE_ABI,
    .caps = SY_EN_SIGNAL_SAFE | SY_EN_POLLABLE | SY_EN_FD_PER_JOB,
    .name = "eventfd",
    .summary = "an eventfd per job, written once per wake-up, never read",
    .variants = variants,
    .state_bytes = sizeof(struct eventfd_state),
    .probe = eventfd_probe,
    .open = eventfd_open,
    .close = eventfd_close,
    .attach = eventfd_attach,
    .detach = eventfd_detach,
    .wake = eventfd_wake,
    .wait = eventfd_wait,
    .fd = eventfd_fd,
    .describe = eventfd_describe,
};
