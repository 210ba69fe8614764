/* SPDX-License-Identifier: Apache-2.0 */
#include "foreign.h"

#include <errno.h>
#include <poll.h>

static void run_poll(struct foreign *f)
{
    struct pollfd watched = {.fd = f->fd, .events = POLLIN};

    while (foreign_turn(f))
        FOREIGN_CHECK(poll(&watched, 1, -1) == 1 || errno == EINTR);
}

const struct foreign_loop foreign_loops[] = {{"poll", run_poll}, {0}};
