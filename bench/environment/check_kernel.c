/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of how the kernel runs the CPUs: settings that last. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

void sy__check_cpus(const struct sy_checkup *c, struct sy_finding *f)
{
    const int64_t usable = c->figures->cpus_usable;

    if (usable < 0) {
        sy__not_known(f, "sched_getaffinity", (int)usable);
    } else if (usable == 1) {
        sy__find(f, SY_CHECK_AMBER, "1 of %" PRId64, c->figures->cpus_online);
        sy__advise(f,
                   "The loop and the device's threads share a CPU: nothing "
                   "runs beside the loop, and waking always costs a context "
                   "switch.",
                   "taskset -c with more CPUs, or a device without threads "
                   "(sim:mode=poll).");
    } else {
        sy__find(f, SY_CHECK_GREEN, "%" PRId64 " of %" PRId64, usable,
                 c->figures->cpus_online);
    }
}

void sy__check_governor(const struct sy_checkup *c, struct sy_finding *f)
{
    const char *governor = c->settings->governor;

    if (governor[0] == '\0') {
        sy__find(f, SY_CHECK_UNKNOWN,
                 "the kernel sets no frequency here (in a virtual machine the "
                 "host does)");
    } else if (strcmp(governor, "performance") == 0) {
        sy__find(f, SY_CHECK_GREEN, "performance");
    } else {
        sy__find(f, SY_CHECK_AMBER, "%s", governor);
        sy__advise(f,
                   "The frequency follows the load, so what sleeps more often "
                   "computes more slowly afterwards.",
                   "cpupower frequency-set -g performance");
    }
}

void sy__check_turbo(const struct sy_checkup *c, struct sy_finding *f)
{
    const char *turbo = c->settings->turbo;

    if (turbo[0] == '\0') {
        sy__find(f, SY_CHECK_UNKNOWN,
                 "the kernel has no switch for it (in a virtual machine the "
                 "host does)");
    } else if (strcmp(turbo, "off") == 0) {
        sy__find(f, SY_CHECK_GREEN, "off");
    } else {
        sy__find(f, SY_CHECK_AMBER, "on");
        sy__advise(
            f,
            "The frequency depends on temperature and on how many CPUs "
            "are busy: runs differ, candidates of one comparison hardly.",
            "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or "
            "echo 0 > /sys/devices/system/cpu/cpufreq/boost");
    }
}

void sy__check_smt(const struct sy_checkup *c, struct sy_finding *f)
{
    const char *smt = c->settings->smt;

    if (smt[0] == '\0') {
        sy__find(f, SY_CHECK_UNKNOWN,
                 "/sys/devices/system/cpu/smt is not there");
    } else if (strcmp(smt, "off") == 0) {
        sy__find(f, SY_CHECK_GREEN,
                 "off: the kernel knows of no CPUs that share a core");
    } else {
        sy__find(f, SY_CHECK_AMBER, "on: CPUs share cores");
        sy__advise(f,
                   "The loop and a device's thread on one core slow each other "
                   "down; on two they do not. Which it is, is luck.",
                   "echo off > /sys/devices/system/cpu/smt/control, or "
                   "taskset -c with one CPU of each core");
    }
}

/* Do two lists, as "0-3,8", have a CPU in common? -1: one cannot be read. */
static int lists_meet(const char *a, const char *b)
{
    while (*a != '\0') {
        char *end;
        unsigned long from = strtoul(a, &end, 10), to = from;

        if (end == a)
            return -1;
        if (*end == '-')
            to = strtoul(end + 1, &end, 10);
        for (const char *p = b; *p != '\0';) {
            char *stop;
            unsigned long low = strtoul(p, &stop, 10), high = low;

            if (stop == p)
                return -1;
            if (*stop == '-')
                high = strtoul(stop + 1, &stop, 10);
            if (low <= to && from <= high)
                return 1;
            p = *stop == ',' ? stop + 1 : stop;
        }
        a = *end == ',' ? end + 1 : end;
    }
    return 0;
}

void sy__check_isolated(const struct sy_checkup *c, struct sy_finding *f)
{
    const char *isolated = c->settings->isolated;
    char allowed[256];
    int err, meet;

    if (isolated[0] == '\0') {
        sy__find(f, SY_CHECK_UNKNOWN,
                 "/sys/devices/system/cpu/isolated is not there");
        return;
    }
    if (strcmp(isolated, "none") == 0) {
        sy__find(f, SY_CHECK_GREEN,
                 "none: any program may run anywhere; see the load");
        return;
    }
    err = sy_kernel_value(c->proc, "self/status", "Cpus_allowed_list", allowed,
                          sizeof(allowed));
    meet = err == 0 ? lists_meet(isolated, allowed) : -1;
    if (meet < 0) {
        sy__not_known(f, "which CPUs this program may use",
                      err != 0 ? err : EINVAL);
    } else if (meet != 0) {
        sy__find(f, SY_CHECK_GREEN, "%s, and this program may use them",
                 isolated);
    } else {
        sy__find(f, SY_CHECK_AMBER, "%s, but this program runs on %s", isolated,
                 allowed);
        sy__advise(f, "The quiet CPUs stay unused.",
                   "taskset -c with the isolated CPUs");
    }
}

void sy__check_virtual(const struct sy_checkup *c, struct sy_finding *f)
{
    char flags[4096];
    int err =
        sy_kernel_value(c->proc, "cpuinfo", "flags", flags, sizeof(flags));

    if (err != 0) {
        sy__not_known(f, "/proc/cpuinfo has no flags of the CPU", err);
    } else if (strstr(flags, " hypervisor") == NULL) {
        sy__find(f, SY_CHECK_GREEN, "no");
    } else {
        sy__find(f, SY_CHECK_AMBER, "yes: the CPU says that a host runs it");
        sy__advise(f,
                   "An idle CPU may be taken away, so that waking it takes ten "
                   "times longer; other machines on the host come in between.",
                   "Measure on the kind of machine that the answer is for; see "
                   "steal and waking.");
    }
}

void sy__check_mitigations(const struct sy_checkup *c, struct sy_finding *f)
{
    const char *all = c->settings->mitigations;
    char line[4096] = "";
    int vulnerable = 0, in_force = 0;

    (void)sy_kernel_line(c->proc, "cmdline", line, sizeof(line));
    for (const char *p = all; (p = strstr(p, ": ")) != NULL; p += 2) {
        vulnerable += strncmp(p + 2, "Vulnerable", 10) == 0;
        in_force += strncmp(p + 2, "Mitigation", 10) == 0;
    }
    if (all[0] == '\0') {
        sy__find(f, SY_CHECK_UNKNOWN,
                 "/sys/devices/system/cpu/vulnerabilities is not there");
    } else if (strstr(line, "mitigations=off") != NULL) {
        sy__find(f, SY_CHECK_AMBER, "switched off (mitigations=off)");
        sy__advise(f,
                   "System calls and context switches are cheaper than where "
                   "programs usually run.",
                   "Boot without mitigations=off, if that is where the program "
                   "will run.");
    } else {
        sy__find(f, SY_CHECK_GREEN,
                 "as the kernel chose: %d in force, vulnerable to %d", in_force,
                 vulnerable);
    }
}

void sy__check_aslr(const struct sy_checkup *c, struct sy_finding *f)
{
    long long value;
    int err =
        sy_kernel_number(c->proc, "sys/kernel/randomize_va_space", &value);
    char text[64];
    unsigned long personality = 0;

    if (err != 0) {
        sy__not_known(f, "/proc/sys/kernel/randomize_va_space", err);
        return;
    }
    if (sy_kernel_line(c->proc, "self/personality", text, sizeof(text)) == 0)
        personality = strtoul(text, NULL, 16);
    if (value == 2 && (personality & 0x0040000) == 0) {
        sy__find(f, SY_CHECK_GREEN, "on");
        return;
    }
    sy__find(f, SY_CHECK_AMBER, "%s",
             value == 2   ? "off for this process (setarch -R)"
             : value == 1 ? "the heap is not randomised"
                          : "off");
    sy__advise(f,
               "Every process has the same addresses: a comparison holds for "
               "that one layout only.",
               value == 2 ? "Run it without setarch -R."
                          : "sysctl kernel.randomize_va_space=2");
}

void sy__check_counters(const struct sy_checkup *c, struct sy_finding *f)
{
    const int64_t counters = c->figures->counters;
    long long paranoid;
    int err =
        sy_kernel_number(c->proc, "sys/kernel/perf_event_paranoid", &paranoid);

    if (err != 0) {
        sy__not_known(f, "/proc/sys/kernel/perf_event_paranoid", err);
    } else if (counters > 0) {
        sy__find(f, SY_CHECK_GREEN,
                 "usable (kernel.perf_event_paranoid is %lld)", paranoid);
    } else if (counters == -EACCES || counters == -EPERM) {
        sy__find(f, SY_CHECK_AMBER,
                 "not allowed: kernel.perf_event_paranoid is %lld", paranoid);
        sy__advise(f, "Instructions and cycles cannot be counted; times can.",
                   "sysctl kernel.perf_event_paranoid=1");
    } else {
        sy__find(f, SY_CHECK_AMBER,
                 "none: %s (kernel.perf_event_paranoid is %lld)",
                 counters == -ENOENT ? "this CPU offers no counters"
                                     : strerror((int)-counters),
                 paranoid);
        sy__advise(f, "Instructions and cycles cannot be counted; times can.",
                   "A virtual machine needs a PMU from its host; callgrind "
                   "counts without one.");
    }
}
