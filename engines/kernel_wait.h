/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping in the kernel, shared by the engines: timeouts in ns whatever unit
 * a system call takes, and doorbells.
 *
 * Errors  -errno. The callers of wait count the calls; sy__bell_ring() leaves
 *         errno alone, because wakers ring from signal handlers.
 */
#ifndef SWITCHYARD_ENGINES_KERNEL_WAIT_H
#define SWITCHYARD_ENGINES_KERNEL_WAIT_H

#include <stdatomic.h>
#include <stdint.h>
#include <switchyard/engine.h>
#include <time.h>

struct epoll_event;

/* Count one system call of wait; timeout_ns != 0 means that it may block. */
static inline void sy__count_call(struct sy_engine_counts *counts,
                                  uint64_t timeout_ns)
{
    counts->syscalls++;
    counts->sleeps += timeout_ns != 0;
}

/* Return ns as a timespec in *room, or NULL, "no limit", for SY_FOREVER. */
static inline struct timespec *sy__timespec(uint64_t ns, struct timespec *room)
{
    if (ns == SY_FOREVER)
        return NULL;
    room->tv_sec = (time_t)(ns / SY_NS_PER_S);
    room->tv_nsec = (long)(ns % SY_NS_PER_S);
    return room;
}

/* A timeout turned into a moment, and back again after a part of it passed. */
uint64_t sy__deadline_ns(uint64_t timeout_ns);
uint64_t sy__left_ns(uint64_t deadline_ns);

/* epoll_wait(2); returns the number of events or -errno. */
int sy__epoll_wait(int epfd, struct epoll_event *events, int max,
                   uint64_t timeout_ns);

/* Sleep until fd is readable. Returns 1, 0 when the time is over, -errno. */
int sy__readable_wait(int fd, uint64_t timeout_ns);

/* Sleep while *word is seen. Returns 0 (perhaps for no reason) or -errno. */
int sy__futex_wait(atomic_uint *word, unsigned seen, uint64_t deadline_ns);
void sy__futex_wake(atomic_uint *word);

/* An eventfd as every engine wants it. Returns it or -errno. */
int sy__bell_open(void);

/* Add 1 to an eventfd. */
void sy__bell_ring(int fd);

/* Reset an eventfd that may be at 0. Returns how often it had been rung. */
uint64_t sy__bell_clear(int fd);

#endif
