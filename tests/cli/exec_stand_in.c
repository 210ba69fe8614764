/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for the OpenSSL drop-in: tells into SWITCHYARD_EXEC_REPORT what
 * STAND_IN says ("loaded" if unset; "silent": nothing), and in the end counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/compiler.h>
#include <unistd.h>

static void tell(const char *words)
{
    const char *path = getenv("SWITCHYARD_EXEC_REPORT");
    char line[256];
    int fd, n;

    if (path == NULL)
        return;
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd == -1)
        return;
    n = snprintf(line, sizeof(line), "%ld %s\n", (long)getpid(), words);
    (void)!write(fd, line, (size_t)n);
    close(fd);
}

static void ends(void)
{
    const char *counts = getenv("STAND_IN_COUNTS");

    if (counts != NULL)
        tell(counts);
}

SY_CONSTRUCTOR static void loaded(void)
{
    const char *says = getenv("STAND_IN");
    char words[200];

    atexit(ends);
    if (says != NULL && strcmp(says, "silent") == 0)
        return;
    (void)snprintf(words, sizeof(words), "%s %s", program_invocation_short_name,
                   says != NULL ? says : "loaded");
    tell(words);
}
