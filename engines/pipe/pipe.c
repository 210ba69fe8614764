/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The baseline: a pipe for each job slot. wake writes a byte, wait finds the
 * readable pipes and reads the bytes.
 *
 * pipe+select does what the example of OpenSSL's manual page does and what
 * programs written after it do: a pipe for each operation, waited on by
 * select(2), read, and closed. The other variants make a slot's pipe once.
 * None of them can do without the read: a pipe that fills up stops its writer,
 * and before Linux 5.14 one that is not empty made no edge for epoll.
 *
 * A waker is done with slot and state when it calls write(2): from there on
 * only the kernel works for it, and holds the pipe open by itself.
 */
#include "pipe_way.h"

#include "../kernel_wait.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <switchyard/usdt.h>
#include <unistd.h>

struct pipe_state {
    const struct pipe_way *way;
    struct sy_engine_counts *counts;
    pid_t owner;
    union pipe_wait wait;
};

static const struct pipe_way *const ways[] = {
    &sy__pipe_epoll,
    &sy__pipe_poll,
    &sy__pipe_select,
};

static int pipe_probe(const char *variant, char *why, size_t why_bytes)
{
    (void)variant, (void)why, (void)why_bytes;
    return 0;
}

static int pipe_open(void *state, const struct sy_engine_config *cfg)
{
    struct pipe_state *p = state;

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        if (strcmp(cfg->variant, ways[i]->name) == 0)
            p->way = ways[i];
    if (p->way == NULL)
        return -EINVAL;
    p->counts = cfg->counts;
    p->owner = getpid();
    return p->way->open(&p->wait, cfg->counts);
}

static void pipe_close(void *state)
{
    struct pipe_state *p = state;

    p->way->close(&p->wait);
}

static int pipe_attach(void *state, struct sy_engine_slot *slot)
{
    struct pipe_state *p = state;
    struct pipe_slot *ps = sy__pipe_of(slot);
    int ends[2], err;

    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) == -1)
        return -errno;
    ps->read_fd = ends[0];
    ps->write_fd = ends[1];
    err = p->way->add(&p->wait, slot);
    if (err != 0) {
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
    return err;
}

/* In the child of a fork too: then only our copies are closed. */
static void pipe_detach(void *state, struct sy_engine_slot *slot)
{
    struct pipe_state *p = state;
    struct pipe_slot *ps = sy__pipe_of(slot);

    p->way->remove(&p->wait, slot, getpid() == p->owner);
    (void)close(ps->read_fd);
    (void)close(ps->write_fd);
}

static void pipe_wake(void *state, struct sy_engine_slot *slot)
{
    int fd, kept;

    /* first: nothing need be kept for it */
    SY_USDT3(doorbell, state, slot, sy__pipe_of(slot)->write_fd);
    fd = sy__pipe_of(slot)->write_fd;
    kept = errno;
    /* Never full: at most one byte is in it. */
    while (write(fd, "", 1) == -1 && errno == EINTR)
        continue;
    errno = kept;
}

/*
 * The pipe of an operation that is over makes room for that of the next. No
 * waker is behind: the slot is not given back yet, and who wrote the byte has
 * left everything to the kernel. Where no new pipe can be had, the old one
 * does as well.
 */
static void renew(struct pipe_state *p, struct sy_engine_slot *slot)
{
    struct pipe_slot *ps = sy__pipe_of(slot);
    int ends[2];

    sy__count_call(p->counts, 0);
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) == -1)
        return;
    sy__count_call(p->counts, 0);
    sy__count_call(p->counts, 0);
    if (p->way->replace(&p->wait, slot, ends[0]) != 0) {
        (void)close(ends[0]);
        (void)close(ends[1]);
        return;
    }
    (void)close(ps->read_fd);
    (void)close(ps->write_fd);
    ps->read_fd = ends[0];
    ps->write_fd = ends[1];
}

static int pipe_wait(void *state, struct sy_engine_slot **ready, unsigned max,
                     uint64_t timeout_ns)
{
    struct pipe_state *p = state;
    int n = p->way->wait(&p->wait, ready, max, timeout_ns);
    char byte;

    for (int i = 0; i < n; i++) {
        sy__count_call(p->counts, 0);
        while (read(sy__pipe_of(ready[i])->read_fd, &byte, 1) == -1 &&
               errno == EINTR)
            continue;
        if (p->way->replace != NULL)
            renew(p, ready[i]);
    }
    return n;
}

static int pipe_fd(void *state, int *fd)
{
    struct pipe_state *p = state;

    *fd = -1;
    return p->way->fd == NULL ? -ENOTSUP : p->way->fd(&p->wait, fd);
}

static const char *const variants[] = {"epoll", "poll", "select", NULL};

const struct sy_engine_ops sy_engine_pipe = {
    .abi = SY_ENGINE_ABI,
    /* Not SY_EN_POLLABLE: only +epoll has a descriptor for all slots. */
    .caps = SY_EN_SIGNAL_SAFE | SY_EN_FD_PER_JOB | SY_EN_BASELINE,
    .name = "pipe",
    .summary = "a pipe per job, one byte written and read per wake-up",
    .variants = variants,
    .state_bytes = sizeof(struct pipe_state),
    .probe = pipe_probe,
    .open = pipe_open,
    .close = pipe_close,
    .attach = pipe_attach,
    .detach = pipe_detach,
    .wake = pipe_wake,
    .wait = pipe_wait,
    .fd = pipe_fd,
};
