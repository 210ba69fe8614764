/* SPDX-License-Identifier: Apache-2.0 */
#include "last_line.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of what was written, the end that is looked at. */
#define END_BYTES 512

void last_line(int fd, char *line, size_t bytes)
{
    char text[END_BYTES + 1];
    off_t end = fd != -1 ? lseek(fd, 0, SEEK_END) : 0;
    off_t from = end > END_BYTES ? end - END_BYTES : 0;
    ssize_t n = end > 0 ? pread(fd, text, END_BYTES, from) : 0;
    const char *newline;

    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--;
    text[n > 0 ? n : 0] = '\0';
    newline = strrchr(text, '\n');
    (void)snprintf(line, bytes, "%s", newline != NULL ? newline + 1 : text);
    for (; *line != '\0'; line++)
        if (*line < ' ' || *line > '~')
            *line = '?';
}
