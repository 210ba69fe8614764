/* SPDX-License-Identifier: Apache-2.0 */
#include "recommend_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "command.h"
#include "list.h"
#include "parts.h"

int recommend_parts(const struct option_texts *files,
                    char word[RECOMMEND_PARTS_BYTES])
{
    static struct parts parts;
    int status = parts_open(&parts, files), fd;
    json_t *all;

    if (status != -1)
        return status;
    all = list_to_json(&parts, 0);
    /* Without MFD_CLOEXEC: the analysis reads it. */
    fd = memfd_create("switchyard-parts", 0);
    if (all == NULL || fd == -1 || json_dumpfd(all, fd, 0) != 0) {
        say("no memory for what there is here: %s", strerror(errno));
        if (fd != -1)
            close(fd);
        status = CLI_ENVIRONMENT;
    } else {
        snprintf(word, RECOMMEND_PARTS_BYTES, "--parts=/proc/self/fd/%d", fd);
    }
    json_decref(all);
    return status;
}
