/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of slots, each watched through a descriptor of its own by one epoll
 * instance, which is at the same time the descriptor for a foreign loop.
 *
 * The descriptors are registered once, edge-triggered: a slot is reported once
 * for each write to its descriptor, whether or not that was read in between,
 * and so neither twice nor not at all.
 */
#ifndef SWITCHYARD_ENGINES_EPOLL_SET_H
#define SWITCHYARD_ENGINES_EPOLL_SET_H

#include <stdbool.h>
#include <stdint.h>
#include <switchyard/engine.h>
#include <sys/epoll.h>

/* Events fetched by one call: as many as the core collects at once, so that a
   full house takes one system call. */
#define SY_EPOLL_SET_EVENTS 256u

struct sy__epoll_set {
    struct sy_engine_counts *counts;
    int epfd;
    int bell;  /* own doorbell, registered with no slot; -1 before fd() */
    bool rung; /* the doorbell's event has not been seen yet */
    /* Here and not on the stack, which may be a job's. */
    struct epoll_event events[SY_EPOLL_SET_EVENTS];
};

/* These are what the hooks of sy_engine_ops are. remove is for the process
   that opened the set: epoll instances are shared across a fork. */
int sy__epoll_set_open(struct sy__epoll_set *set,
                       struct sy_engine_counts *counts);
void sy__epoll_set_close(struct sy__epoll_set *set);
int sy__epoll_set_add(struct sy__epoll_set *set, int fd,
                      struct sy_engine_slot *slot);
void sy__epoll_set_remove(struct sy__epoll_set *set, int fd);
int sy__epoll_set_wait(struct sy__epoll_set *set, struct sy_engine_slot **ready,
                       unsigned max, uint64_t timeout_ns);
int sy__epoll_set_fd(struct sy__epoll_set *set, int *fd);

#endif
