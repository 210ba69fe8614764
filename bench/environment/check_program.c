/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of this program itself, and of what it may use. */
#include <errno.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* As many as the standard suite has jobs in flight at most, each of which may
   need an eventfd, and some for the program. */
#define FDS_ENOUGH 4096

/* Of the library's: two mappings for a stack, and an eighth is left. */
#define MAPPINGS_USUAL 65530

/* Before Linux 5.12 rings counted as locked memory; this holds one. */
#define MEMLOCK_ENOUGH (INT64_C(1) << 20)

/* valgrind loads a library of this name into what it runs. */
static int is_under_valgrind(const char *proc)
{
    char path[512], line[1024];
    int found = 0;
    FILE *f;

    snprintf(path, sizeof(path), "%s/self/maps", proc);
    f = fopen(path, "re");
    if (f == NULL)
        return 0;
    while (!found && fgets(line, sizeof(line), f) != NULL)
        found = strstr(line, "/vgpreload_") != NULL;
    fclose(f);
    return found;
}

/* The last of -O0, -O1, ... counts. */
static int is_optimised(const char *flags)
{
    char level = '0';

    for (const char *p = flags; (p = strstr(p, "-O")) != NULL; p += 2)
        if (p == flags || p[-1] == ' ')
            level = p[2] == ' ' || p[2] == '\0' ? '1' : p[2];
    return level != '0' && level != '1' && level != 'g';
}

void sy__check_build(const struct sy_checkup *c, struct sy_finding *f)
{
    const char *flags = c->figures->build.flags;
    const char *sanitizer = strstr(flags, "-fsanitize=");

    if (sanitizer != NULL) {
        sy__find(f, SY_CHECK_RED, "built with %.*s",
                 (int)strcspn(sanitizer, " "), sanitizer);
        sy__advise(f,
                   "A sanitizer makes memory accesses, switches and system "
                   "calls several times as expensive, each by another factor.",
                   "Measure with a release build: cmake --preset release");
    } else if (is_under_valgrind(c->proc)) {
        sy__find(f, SY_CHECK_RED, "runs under valgrind");
        sy__advise(f, "valgrind interprets every instruction.",
                   "Run it without valgrind.");
    } else if (!is_optimised(flags)) {
        sy__find(f, SY_CHECK_AMBER, "built without -O2: '%.200s'", flags);
        sy__advise(f,
                   "Every figure contains the cost of unoptimised code, which "
                   "is not the same for every combination.",
                   "Measure with a release build: cmake --preset release");
    } else {
        sy__find(f, SY_CHECK_GREEN, "built with '%.200s'", flags);
    }
}

void sy__check_tracer(const struct sy_checkup *c, struct sy_finding *f)
{
    char text[64];
    int err = sy_kernel_value(c->proc, "self/status", "TracerPid", text,
                              sizeof(text));

    if (err != 0) {
        sy__not_known(f, "/proc/self/status has no TracerPid", err);
    } else if (strcmp(text, "0") == 0) {
        sy__find(f, SY_CHECK_GREEN, "no");
    } else {
        sy__find(f, SY_CHECK_RED, "process %.20s traces this one", text);
        sy__advise(f,
                   "A debugger or strace stops this program at signals, often "
                   "at each system call.",
                   "Run it without strace, gdb and the like.");
    }
}

void sy__check_io_uring(const struct sy_checkup *c, struct sy_finding *f)
{
    const int64_t features = c->figures->io_uring_features;
    const int64_t setups = c->figures->io_uring_setups;
    long long disabled;

    if (features < 0) {
        /* The setting came with Linux 6.6. */
        if (sy_kernel_number(c->proc, "sys/kernel/io_uring_disabled",
                             &disabled) == 0)
            sy__find(f, SY_CHECK_AMBER,
                     "refused: %s (kernel.io_uring_disabled is %lld)",
                     strerror((int)-features), disabled);
        else
            sy__find(f, SY_CHECK_AMBER, "refused: %s",
                     strerror((int)-features));
        sy__advise(f,
                   "Combinations with io_uring, and pauses that wait with it, "
                   "are skipped.",
                   features == -ENOSYS
                       ? "It needs Linux 5.11 with CONFIG_IO_URING."
                       : "sysctl kernel.io_uring_disabled=0; in a container, "
                         "a seccomp profile that allows io_uring_setup.");
    } else if (c->figures->build.liburing[0] == '\0') {
        sy__find(f, SY_CHECK_AMBER,
                 "allowed, but this build found no liburing");
        sy__advise(f, "Combinations with io_uring are not there.",
                   "Install liburing-dev and configure again.");
    } else if ((setups & IORING_SETUP_SINGLE_ISSUER) == 0) {
        sy__find(f, SY_CHECK_AMBER,
                 "allowed; no single-issuer rings, features %#" PRIx64,
                 (uint64_t)features);
        sy__advise(f,
                   "On kernels before 6.0 a completion interrupts the program; "
                   "newer ones are faster than what is seen here.",
                   "A newer kernel.");
    } else {
        sy__find(f, SY_CHECK_GREEN,
                 "allowed; single-issuer rings, deferred work %s, features "
                 "%#" PRIx64,
                 (setups & (INT64_C(1) << 13)) != 0 ? "yes" : "no",
                 (uint64_t)features);
    }
}

void sy__check_mappings(const struct sy_checkup *c, struct sy_finding *f)
{
    long long max;
    int err = sy_kernel_number(c->proc, "sys/vm/max_map_count", &max);

    if (err != 0) {
        sy__not_known(f, "/proc/sys/vm/max_map_count", err);
        return;
    }
    sy__find(f, max < MAPPINGS_USUAL ? SY_CHECK_AMBER : SY_CHECK_GREEN,
             "vm.max_map_count is %lld: %lld guarded stacks before Linux 6.13",
             max, max / 2 * 7 / 8);
    if (f->state != SY_CHECK_GREEN)
        sy__advise(f,
                   "Rows with more jobs in flight are refused, or run without "
                   "guard pages.",
                   "sysctl vm.max_map_count=65530, or more");
}

void sy__check_descriptors(const struct sy_checkup *c, struct sy_finding *f)
{
    const int64_t limit = c->figures->fd_limit;

    if (limit < 0) {
        sy__not_known(f, "RLIMIT_NOFILE", (int)limit);
        return;
    }
    sy__find(f, limit < FDS_ENOUGH ? SY_CHECK_AMBER : SY_CHECK_GREEN,
             "%" PRId64 " may be open", limit);
    if (f->state != SY_CHECK_GREEN)
        sy__advise(f,
                   "Engines that use a descriptor for each job are skipped "
                   "above so many jobs.",
                   "ulimit -n 65536");
}

void sy__check_memlock(const struct sy_checkup *c, struct sy_finding *f)
{
    const int64_t limit = c->figures->memlock_bytes;
    char release[64];
    int major, minor, err;

    err = sy_kernel_line(c->proc, "sys/kernel/osrelease", release,
                         sizeof(release));
    if (err != 0 || sscanf(release, "%d.%d", &major, &minor) != 2) {
        sy__not_known(f, "/proc/sys/kernel/osrelease", err != 0 ? err : EINVAL);
    } else if (limit < 0) {
        sy__not_known(f, "RLIMIT_MEMLOCK", (int)limit);
    } else if (major > 5 || (major == 5 && minor >= 12)) {
        sy__find(f, SY_CHECK_GREEN,
                 "no limit that matters: since Linux 5.12 rings are not "
                 "counted");
    } else {
        sy__find(f, limit < MEMLOCK_ENOUGH ? SY_CHECK_AMBER : SY_CHECK_GREEN,
                 "%" PRId64 " KiB, and Linux %d.%d counts rings",
                 limit == INT64_MAX ? limit : limit / 1024, major, minor);
        if (limit == INT64_MAX)
            sy__find(f, SY_CHECK_GREEN, "no limit");
        if (f->state != SY_CHECK_GREEN)
            sy__advise(f, "Rings of io_uring are made smaller, or not at all.",
                       "ulimit -l unlimited");
    }
}

/* "OpenSSL 3.0.15 3 Sep 2024": the date says nothing more. */
static int two_words(const char *text)
{
    const char *space = strchr(text, ' ');

    space = space != NULL ? strchr(space + 1, ' ') : NULL;
    return space != NULL ? (int)(space - text) : (int)strlen(text);
}

void sy__check_libraries(const struct sy_checkup *c, struct sy_finding *f)
{
    const struct sy_build_facts *b = &c->figures->build;

    sy__find(f, SY_CHECK_GREEN,
             "switchyard %.16s, %.*s, liburing %.16s, jansson %.16s, %.24s",
             b->version, two_words(b->openssl), b->openssl,
             b->liburing[0] != '\0' ? b->liburing : "none", b->jansson,
             b->libc[0] != '\0' ? b->libc : "libc not known");
}
