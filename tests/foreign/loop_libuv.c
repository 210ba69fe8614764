/* SPDX-License-Identifier: Apache-2.0 */
#include "foreign.h"

#include <uv.h>

static void on_readable(uv_poll_t *watcher, int status, int events)
{
    FOREIGN_CHECK(status == 0 && (events & UV_READABLE) != 0);
    if (!foreign_turn(watcher->data))
        uv_close((uv_handle_t *)watcher, NULL); /* ends uv_run() */
}

static void run_libuv(struct foreign *f)
{
    uv_poll_t watcher;
    uv_loop_t loop;

    FOREIGN_CHECK(uv_loop_init(&loop) == 0);
    FOREIGN_CHECK(uv_poll_init(&loop, &watcher, f->fd) == 0);
    watcher.data = f;
    FOREIGN_CHECK(uv_poll_start(&watcher, UV_READABLE, on_readable) == 0);
    if (!foreign_turn(f))
        uv_close((uv_handle_t *)&watcher, NULL);
    FOREIGN_CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
    FOREIGN_CHECK(uv_loop_close(&loop) == 0);
}

const struct foreign_loop foreign_loops[] = {{"libuv", run_libuv}, {0}};
