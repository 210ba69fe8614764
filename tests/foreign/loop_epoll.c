/* SPDX-License-Identifier: Apache-2.0 */
#include "foreign.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

static void run_epoll(struct foreign *f, uint32_t events)
{
    struct epoll_event event = {.events = events};
    int loop = epoll_create1(EPOLL_CLOEXEC);

    FOREIGN_CHECK(loop != -1);
    FOREIGN_CHECK(epoll_ctl(loop, EPOLL_CTL_ADD, f->fd, &event) == 0);
    while (foreign_turn(f))
        FOREIGN_CHECK(epoll_wait(loop, &event, 1, -1) == 1 || errno == EINTR);
    FOREIGN_CHECK(close(loop) == 0);
}

static void run_level(struct foreign *f)
{
    run_epoll(f, EPOLLIN);
}

static void run_edge(struct foreign *f)
{
    run_epoll(f, EPOLLIN | EPOLLET);
}

const struct foreign_loop foreign_loops[] = {
    {"epoll, level-triggered", run_level},
    {"epoll, edge-triggered", run_edge},
    {0},
};
