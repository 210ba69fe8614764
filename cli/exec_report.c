/* SPDX-License-Identifier: Apache-2.0 */
#include "exec_report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINE_BYTES 1024

int exec_report_open(void)
{
    int fd = memfd_create("switchyard-exec-report", MFD_CLOEXEC);

    return fd == -1 ? -errno : fd;
}

void exec_report_path(int fd, char *path, unsigned bytes)
{
    (void)snprintf(path, bytes, "/proc/%ld/fd/%d", (long)getpid(), fd);
}

static int ends_with(const char *line, const char *end)
{
    size_t n = strlen(line), m = strlen(end);

    return n >= m && strcmp(line + n - m, end) == 0;
}

static void read_line(const char *line, struct exec_report *r)
{
    static const char down[] = " stands-down:";
    uint64_t jobs, pauses, switches, wakes, switch_ps;
    const char *why;

    if (sscanf(line, "%*d exit jobs=%" SCNu64 " pauses=%" SCNu64, &jobs,
               &pauses) == 2) {
        r->exits++;
        r->jobs += jobs;
        r->pauses += pauses;
        return;
    }
    if (sscanf(line,
               "%*d dose switches=%" SCNu64 " wakes=%" SCNu64
               " switch-ps=%" SCNu64,
               &switches, &wakes, &switch_ps) == 3) {
        r->switches += switches;
        r->wakes += wakes;
        if (switch_ps != 0)
            r->switch_ps = switch_ps;
        return;
    }
    why = strstr(line, down);
    if (why != NULL) {
        if (r->stands_down++ == 0)
            (void)snprintf(r->why, sizeof(r->why), "%s",
                           why + sizeof(down) - 1);
    } else if (ends_with(line, " loaded")) {
        r->loaded++;
    }
}

void exec_report_read(int fd, struct exec_report *report)
{
    char line[LINE_BYTES];
    size_t used = 0;
    off_t at = 0;

    memset(report, 0, sizeof(*report));
    for (;;) {
        char chunk[LINE_BYTES];
        ssize_t n = pread(fd, chunk, sizeof(chunk), at);

        if (n <= 0)
            return; /* a line without its end is still being written */
        at += n;
        for (ssize_t i = 0; i < n; i++) {
            if (chunk[i] == '\n') {
                line[used] = '\0';
                read_line(line, report);
                used = 0;
            } else if (used < sizeof(line) - 1) {
                line[used++] = chunk[i];
            }
        }
    }
}
