/* SPDX-License-Identifier: Apache-2.0 */
#include "syscall_counter.h"

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The calling thread is stopped first, by a call that is still counted. */
#define OWN_CALLS 1

/* The number of the tracepoint, which differs from kernel to kernel. */
static int tracepoint_id(uint64_t *id, char *why, size_t why_bytes)
{
    static const char *const paths[] = {
        "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
        "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id"};
    int err = ENOENT;

    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        FILE *f = fopen(paths[i], "re");
        unsigned long long value;
        int got;

        if (f == NULL) {
            if (errno != ENOENT)
                err = errno;
            continue;
        }
        got = fscanf(f, "%llu", &value);
        fclose(f);
        if (got == 1) {
            *id = value;
            return 0;
        }
    }
    if (err == EACCES || err == EPERM)
        snprintf(why, why_bytes,
                 "reading the tracepoint raw_syscalls:sys_enter needs root");
    else
        snprintf(why, why_bytes,
                 "the kernel offers no tracepoint raw_syscalls:sys_enter "
                 "(is tracefs mounted at /sys/kernel/tracing?)");
    return -err;
}

static int open_thread(uint64_t id, pid_t thread)
{
    struct perf_event_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.size = sizeof(attr);
    attr.type = PERF_TYPE_TRACEPOINT;
    attr.config = id;
    attr.disabled = 1;
    attr.inherit = 1;
    return (int)syscall(SYS_perf_event_open, &attr, thread, -1, -1,
                        PERF_FLAG_FD_CLOEXEC);
}

static void drop(struct sy__syscall_counter *c)
{
    for (unsigned i = 0; i < c->count; i++)
        close(c->fds[i]);
    c->count = 0;
}

static void explain(int err, char *why, size_t why_bytes)
{
    if (err == EACCES || err == EPERM)
        snprintf(why, why_bytes,
                 "counting system calls needs root or CAP_PERFMON "
                 "(kernel.perf_event_paranoid forbids it)");
    else if (err == EMFILE)
        snprintf(why, why_bytes, "no file descriptor left to count with");
    else
        snprintf(why, why_bytes, "perf_event_open: %s", strerror(err));
}

static int open_all(struct sy__syscall_counter *c, uint64_t id, DIR *tasks,
                    char *why, size_t why_bytes)
{
    struct dirent *entry;

    while ((entry = readdir(tasks)) != NULL) {
        pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        int fd;

        if (thread <= 0)
            continue;
        if (c->count == SY__COUNTED_THREADS_MAX) {
            snprintf(why, why_bytes,
                     "system calls of more than %d threads are not counted",
                     SY__COUNTED_THREADS_MAX);
            return -E2BIG;
        }
        fd = open_thread(id, thread);
        if (fd == -1) {
            int err = errno;

            if (err == ESRCH)
                continue; /* it has ended since */
            explain(err, why, why_bytes);
            return -err;
        }
        c->fds[c->count++] = fd;
    }
    return 0;
}

int sy__syscall_counter_open(struct sy__syscall_counter *c, char *why,
                             size_t why_bytes)
{
    uint64_t id = 0;
    DIR *tasks;
    int err;

    c->count = 0;
    err = tracepoint_id(&id, why, why_bytes);
    if (err != 0)
        return err;
    tasks = opendir("/proc/self/task");
    if (tasks == NULL) {
        err = -errno;
        explain(-err, why, why_bytes);
        return err;
    }
    err = open_all(c, id, tasks, why, why_bytes);
    closedir(tasks);
    if (err != 0)
        drop(c);
    return err;
}

int sy__syscall_counter_start(struct sy__syscall_counter *c, char *why,
                              size_t why_bytes)
{
    /* Backwards, for the first entry is the thread that calls: it is started
       last and stopped first, and so counts none of these calls. */
    for (unsigned i = c->count; i-- > 0;) {
        if (ioctl(c->fds[i], PERF_EVENT_IOC_ENABLE, 0) == -1) {
            int err = errno;

            explain(err, why, why_bytes);
            return -err;
        }
    }
    return 0;
}

int64_t sy__syscall_counter_close(struct sy__syscall_counter *c)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < c->count; i++) {
        if (ioctl(c->fds[i], PERF_EVENT_IOC_DISABLE, 0) == -1)
            sum = -1;
    }
    for (unsigned i = 0; i < c->count; i++) {
        uint64_t value = 0;

        if (read(c->fds[i], &value, sizeof(value)) != (ssize_t)sizeof(value))
            sum = -1;
        else if (sum >= 0)
            sum += (int64_t)value;
    }
    drop(c);
    return sum > OWN_CALLS ? sum - OWN_CALLS : sum;
}
