/* SPDX-License-Identifier: Apache-2.0 */
#include "perf_counters.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    uint64_t config;
    int is_kernel;
} all[SY_PERF_COUNTERS] = {
    [SY_PERF_INSTRUCTIONS_USER] = {PERF_COUNT_HW_INSTRUCTIONS, 0},
    [SY_PERF_INSTRUCTIONS_KERNEL] = {PERF_COUNT_HW_INSTRUCTIONS, 1},
    [SY_PERF_CYCLES_USER] = {PERF_COUNT_HW_CPU_CYCLES, 0},
    [SY_PERF_CYCLES_KERNEL] = {PERF_COUNT_HW_CPU_CYCLES, 1},
};

/* What read() gives with the read_format that is asked for below. */
struct reading {
    uint64_t value, enabled_ns, running_ns;
};

static int open_one(int counter)
{
    struct perf_event_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.size = sizeof(attr);
    attr.type = PERF_TYPE_HARDWARE;
    attr.config = all[counter].config;
    attr.disabled = 1;
    attr.inherit = 1;
    attr.exclude_hv = 1;
    attr.exclude_kernel = all[counter].is_kernel ? 0 : 1;
    attr.exclude_user = all[counter].is_kernel ? 1 : 0;
    attr.read_format =
        PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1,
                        PERF_FLAG_FD_CLOEXEC);
}

static void explain(char why[SY_PERF_WHY_BYTES], int err)
{
    switch (err) {
    case ENOENT:
    case EOPNOTSUPP:
    case ENODEV:
        snprintf(why, SY_PERF_WHY_BYTES,
                 "the kernel offers no such counter: no PMU, as in many "
                 "virtual machines");
        break;
    case EACCES:
    case EPERM:
        snprintf(why, SY_PERF_WHY_BYTES,
                 "kernel.perf_event_paranoid forbids it; root and "
                 "CAP_PERFMON may");
        break;
    case ENOSYS:
        snprintf(why, SY_PERF_WHY_BYTES, "there is no perf_event_open here");
        break;
    default:
        snprintf(why, SY_PERF_WHY_BYTES, "perf_event_open: %s", strerror(err));
        break;
    }
}

int sy_perf_counters_open(struct sy_perf_counters *c)
{
    int count = 0;

    for (int i = 0; i < SY_PERF_COUNTERS; i++) {
        c->why[i][0] = '\0';
        c->fds[i] = open_one(i);
        if (c->fds[i] == -1)
            explain(c->why[i], errno);
        else
            count++;
    }
    return count;
}

void sy_perf_counters_start(struct sy_perf_counters *c)
{
    for (int i = 0; i < SY_PERF_COUNTERS; i++) {
        if (c->fds[i] == -1)
            continue;
        if (ioctl(c->fds[i], PERF_EVENT_IOC_RESET, 0) == -1 ||
            ioctl(c->fds[i], PERF_EVENT_IOC_ENABLE, 0) == -1) {
            explain(c->why[i], errno);
            close(c->fds[i]);
            c->fds[i] = -1;
        }
    }
}

/* RESET leaves the two times as they are, but both grow alike where the
   counter has a register to itself. */
static int64_t read_one(int fd, char why[SY_PERF_WHY_BYTES])
{
    struct reading r;

    if (read(fd, &r, sizeof(r)) != (ssize_t)sizeof(r)) {
        snprintf(why, SY_PERF_WHY_BYTES, "it could not be read");
        return -1;
    }
    if (r.running_ns < r.enabled_ns) {
        snprintf(why, SY_PERF_WHY_BYTES,
                 "the counter was shared: it ran for a part of the time only");
        return -1;
    }
    return r.value <= INT64_MAX ? (int64_t)r.value : -1;
}

void sy_perf_counters_stop(struct sy_perf_counters *c,
                           struct sy_perf_counts *counts)
{
    for (int i = 0; i < SY_PERF_COUNTERS; i++)
        if (c->fds[i] != -1)
            (void)ioctl(c->fds[i], PERF_EVENT_IOC_DISABLE, 0);
    for (int i = 0; i < SY_PERF_COUNTERS; i++)
        counts->value[i] =
            c->fds[i] != -1 ? read_one(c->fds[i], c->why[i]) : -1;
}

void sy_perf_counters_close(struct sy_perf_counters *c)
{
    for (int i = 0; i < SY_PERF_COUNTERS; i++) {
        if (c->fds[i] != -1)
            close(c->fds[i]);
        c->fds[i] = -1;
    }
}
