/* SPDX-License-Identifier: Apache-2.0 */
#include "drop_in.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "beside.h"

static const char *const drop_in_places[] = {
    SY_LIBDIR_FROM_BINDIR "/" DROP_IN,
    DROP_IN,
    "../openssl/" DROP_IN,
    NULL,
};

int drop_in_find(char *path)
{
    int err = beside_find("the OpenSSL drop-in", drop_in_places, path);

    return err != 0 ? err : beside_check_preload(path);
}

/* What was to be preloaded goes first: some of it insists (the runtimes of
   sanitizers), and none of it has jobs. */
int drop_in_preload(const char *path)
{
    const char *before = getenv("LD_PRELOAD");
    char *all;
    size_t bytes;
    int err;

    if (before == NULL || before[0] == '\0')
        return setenv("LD_PRELOAD", path, 1) == 0 ? 0 : -errno;
    bytes = strlen(before) + 1 + strlen(path) + 1;
    all = malloc(bytes);
    if (all == NULL)
        return -ENOMEM;
    (void)snprintf(all, bytes, "%s:%s", before, path);
    err = setenv("LD_PRELOAD", all, 1) == 0 ? 0 : -errno;
    free(all);
    return err;
}
