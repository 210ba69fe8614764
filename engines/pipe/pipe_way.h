/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between the variants of the pipe engine: how the read ends are
 * waited on. The rest is in pipe.c.
 */
#ifndef SWITCHYARD_ENGINES_PIPE_WAY_H
#define SWITCHYARD_ENGINES_PIPE_WAY_H

#include "../epoll_set.h"
#include <poll.h>
#include <switchyard/engine.h>
#include <sys/select.h>

struct pipe_slot {
    int read_fd;
    int write_fd;
    uint32_t place; /* in pipe_list */
};
_Static_assert(sizeof(struct pipe_slot) <= SY_ENGINE_SLOT_BYTES, "slot");

static inline struct pipe_slot *sy__pipe_of(struct sy_engine_slot *slot)
{
    return (void *)slot->priv.bytes;
}

/* Every read end, densely. */
struct pipe_list {
    struct sy_engine_counts *counts;
    struct pollfd *fds;            /* [room] */
    struct sy_engine_slot **slots; /* [room], in the order of fds */
    uint32_t count, room;
    uint32_t next;   /* where the next scan begins */
    fd_set watched;  /* select only */
    fd_set readable; /* select only: result of the last call */
    int highest;     /* select only: largest fd in watched, -1 if none */
};

union pipe_wait {
    struct sy__epoll_set set;
    struct pipe_list list;
};

/* The hooks of sy_engine_ops for read ends. */
struct pipe_way {
    const char *name;
    int (*open)(union pipe_wait *w, struct sy_engine_counts *counts);
    void (*close)(union pipe_wait *w);
    int (*add)(union pipe_wait *w, struct sy_engine_slot *slot);
    /* owned: called in the process that opened the engine */
    void (*remove)(union pipe_wait *w, struct sy_engine_slot *slot, bool owned);
    /* Report readable slots; the caller reads them empty. */
    int (*wait)(union pipe_wait *w, struct sy_engine_slot **ready, unsigned max,
                uint64_t timeout_ns);
    int (*fd)(union pipe_wait *w, int *fd);
    /* Optional: the slot's read end is another one from now on. With it each
       wake-up gets a new pipe. Returns 0, or -EMFILE: it cannot be watched. */
    int (*replace)(union pipe_wait *w, struct sy_engine_slot *slot,
                   int read_fd);
};

extern const struct pipe_way sy__pipe_epoll;
extern const struct pipe_way sy__pipe_poll;
extern const struct pipe_way sy__pipe_select;

#endif
