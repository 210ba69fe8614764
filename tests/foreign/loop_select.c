/* SPDX-License-Identifier: Apache-2.0 */
#include "foreign.h"

#include <errno.h>
#include <sys/select.h>

static void run_select(struct foreign *f)
{
    fd_set readable;

    FOREIGN_CHECK(f->fd < FD_SETSIZE);
    while (foreign_turn(f)) {
        FD_ZERO(&readable);
        FD_SET(f->fd, &readable);
        FOREIGN_CHECK(select(f->fd + 1, &readable, NULL, NULL, NULL) == 1 ||
                      errno == EINTR);
    }
}

const struct foreign_loop foreign_loops[] = {{"select", run_select}, {0}};
