/* SPDX-License-Identifier: Apache-2.0 */
#include "foreign.h"

#include <event2/event.h>

struct watched {
    struct foreign *f;
    struct event *event;
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct watched *w = arg;

    FOREIGN_CHECK(fd == w->f->fd && (what & EV_READ) != 0);
    if (!foreign_turn(w->f))
        FOREIGN_CHECK(event_del(w->event) == 0); /* ends the dispatch */
}

static void run_libevent(struct foreign *f, short how)
{
    struct event_base *base = event_base_new();
    struct watched w = {.f = f};

    FOREIGN_CHECK(base != NULL);
    w.event = event_new(base, f->fd, (short)(EV_READ | EV_PERSIST | how),
                        on_readable, &w);
    FOREIGN_CHECK(w.event != NULL && event_add(w.event, NULL) == 0);
    if (!foreign_turn(f))
        FOREIGN_CHECK(event_del(w.event) == 0);
    FOREIGN_CHECK(event_base_dispatch(base) >= 0);
    event_free(w.event);
    event_base_free(base);
}

static void run_level(struct foreign *f)
{
    run_libevent(f, 0);
}

static void run_edge(struct foreign *f)
{
    run_libevent(f, EV_ET);
}

const struct foreign_loop foreign_loops[] = {
    {"libevent, level-triggered", run_level},
    {"libevent, edge-triggered", run_edge},
    {0},
};
