/* SPDX-License-Identifier: Apache-2.0 */
#include "beside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

static int find_own_folder(char folder[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    char *slash;

    if (n == -1)
        return -errno;
    folder[n] = '\0';
    slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    return 0;
}

/* Returns the path in joined. */
static const char *join(const char *folder, const char *place,
                        char joined[2 * PATH_MAX])
{
    const char *between = place[0] == '/' ? "" : "/";

    (void)snprintf(joined, 2 * PATH_MAX, "%s%s%s",
                   place[0] == '/' ? "" : folder, between, place);
    return joined;
}

int beside_find(const char *what, const char *const *places, char *path)
{
    char folder[PATH_MAX], joined[2 * PATH_MAX];
    int err = find_own_folder(folder);

    if (err != 0) {
        say("cannot find out where this command is, and thus where %s is: "
            "/proc/self/exe: %s",
            what, strerror(-err));
        return -ENOENT;
    }
    for (size_t i = 0; places[i] != NULL; i++)
        if (realpath(join(folder, places[i], joined), path) != NULL)
            return 0;
    say("%s is neither installed nor built: looked for", what);
    for (size_t i = 0; places[i] != NULL; i++)
        say("  %s", join(folder, places[i], joined));
    return -ENOENT;
}

int beside_check_preload(const char *path)
{
    if (strpbrk(path, ": ") == NULL)
        return 0;
    say("LD_PRELOAD cannot name a path with a space or a colon, which %s has",
        path);
    return -EINVAL;
}
