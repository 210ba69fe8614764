/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what the machine does at this moment: measured. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

/* docs/doctor.md has these borders too, with the reasons. */
#define LEFT_RED_PERMILLE     800 /* of a CPU that others leave */
#define OTHERS_AMBER_PERMILLE 100 /* of each CPU */
#define STEAL_RED_PERMILLE    100
#define STEAL_AMBER_PERMILLE  10
#define TICK_RED_NS           10000
#define TICK_AMBER_NS         1000
#define READ_AMBER_NS         200
#define DRIFT_AMBER_PPM       1000
#define SYSCALL_RED_NS        20000
#define SYSCALL_AMBER_NS      1000
#define LATE_RED_NS           2000000
#define LATE_AMBER_NS         100000
#define WAKE_RED_NS           2000000
#define WAKE_AMBER_NS         50000

static const char *time_text(char *buf, size_t bytes, int64_t ns)
{
    if (ns < 10000)
        snprintf(buf, bytes, "%" PRId64 " ns", ns);
    else if (ns < 10000000)
        snprintf(buf, bytes, "%" PRId64 " us", ns / 1000);
    else
        snprintf(buf, bytes, "%" PRId64 " ms", ns / 1000000);
    return buf;
}

static enum sy_check_state state_of(int64_t value, int64_t amber, int64_t red)
{
    if (value >= red)
        return SY_CHECK_RED;
    return value >= amber ? SY_CHECK_AMBER : SY_CHECK_GREEN;
}

void sy__check_load(const struct sy_checkup *c, struct sy_finding *f)
{
    const struct sy_checkup_figures *m = c->figures;
    char averages[128], gap[32];
    int err = sy_kernel_line(c->proc, "loadavg", averages, sizeof(averages));

    if (err != 0) {
        sy__not_known(f, "/proc/loadavg", err);
        return;
    }
    if (m->others_permille < 0) {
        sy__not_known(f, "/proc/stat", (int)m->others_permille);
        return;
    }
    averages[strcspn(averages, " ")] = '\0';
    sy__find(f,
             state_of(m->others_permille,
                      m->cpus_online * OTHERS_AMBER_PERMILLE,
                      m->cpus_online * 1000 - LEFT_RED_PERMILLE),
             "others use %" PRId64 ".%02" PRId64 " of %" PRId64
             " CPUs; load average %s; this program stood still for up to %s",
             m->others_permille / 1000, m->others_permille % 1000 / 10,
             m->cpus_online, averages, time_text(gap, sizeof(gap), m->gap_ns));
    if (f->state == SY_CHECK_RED)
        sy__advise(f,
                   "Less than four fifths of a CPU are left: this measures the "
                   "other programs.",
                   "Wait until they end (top shows them).");
    else if (f->state == SY_CHECK_AMBER)
        sy__advise(f,
                   "Other programs interrupt, and fill the caches: 'run' is "
                   "blurred, 'compare' needs more time for the same answer.",
                   "Stop them, or keep them off some CPUs with taskset.");
}

void sy__check_steal(const struct sy_checkup *c, struct sy_finding *f)
{
    const int64_t now = c->figures->steal_permille;
    const int64_t boot = c->figures->steal_boot_permille;

    if (now < 0 || boot < 0) {
        sy__not_known(f, "/proc/stat", (int)(now < 0 ? now : boot));
        return;
    }
    sy__find(f, state_of(now, STEAL_AMBER_PERMILLE, STEAL_RED_PERMILLE),
             "%" PRId64 ".%" PRId64 " %% of the time wanted now, %" PRId64
             ".%" PRId64 " %% since boot",
             now / 10, now % 10, boot / 10, boot % 10);
    if (f->state != SY_CHECK_GREEN)
        sy__advise(f,
                   "The host gives this machine's CPUs to others while "
                   "something is measured: times contain pauses that no CPU "
                   "figure shows.",
                   "Another host, dedicated CPUs, or another hour.");
}

void sy__check_clock(const struct sy_checkup *c, struct sy_finding *f)
{
    const struct sy_checkup_figures *m = c->figures;
    const char *source = c->settings->clock_source;
    char tick[32], cost[32];

    if (m->clock_backwards > 0) {
        sy__find(f, SY_CHECK_RED, "%s went back %" PRId64 " times",
                 source[0] != '\0' ? source : "it", m->clock_backwards);
        sy__advise(f, "Times that a clock which steps back measures are wrong.",
                   "Another source in /sys/devices/system/clocksource/"
                   "clocksource0/current_clocksource");
        return;
    }
    if (m->clock_tick_ns < 0 || m->clock_read_ns < 0) {
        sy__not_known(
            f, "CLOCK_MONOTONIC",
            (int)(m->clock_tick_ns < 0 ? m->clock_tick_ns : m->clock_read_ns));
        return;
    }
    sy__find(f, state_of(m->clock_tick_ns, TICK_AMBER_NS, TICK_RED_NS),
             "%s: steps of %s, %s to read, %" PRId64 " ppm from the raw clock",
             source[0] != '\0' ? source : "source not known",
             time_text(tick, sizeof(tick), m->clock_tick_ns),
             time_text(cost, sizeof(cost), m->clock_read_ns),
             m->clock_drift_ppm);
    if (f->state == SY_CHECK_GREEN && (m->clock_read_ns >= READ_AMBER_NS ||
                                       m->clock_drift_ppm >= DRIFT_AMBER_PPM))
        f->state = SY_CHECK_AMBER;
    if (f->state == SY_CHECK_GREEN && source[0] == '\0')
        f->state = SY_CHECK_UNKNOWN;
    if (f->state == SY_CHECK_RED)
        sy__advise(f, "Latencies are shorter than the step in which it moves.",
                   "Boot with the time-stamp counter as source (tsc=reliable "
                   "if you trust it).");
    else if (f->state == SY_CHECK_AMBER)
        sy__advise(f,
                   "Reading the clock is part of every latency, and of "
                   "devices that wait for a time.",
                   "Boot with the time-stamp counter as source (tsc=reliable "
                   "if you trust it).");
}

void sy__check_syscall(const struct sy_checkup *c, struct sy_finding *f)
{
    const int64_t ns = c->figures->syscall_ns;
    char cost[32];

    if (ns < 0) {
        sy__not_known(f, "getppid", (int)ns);
        return;
    }
    sy__find(f, state_of(ns, SYSCALL_AMBER_NS, SYSCALL_RED_NS),
             "%s for one that does nothing", time_text(cost, sizeof(cost), ns));
    if (f->state != SY_CHECK_GREEN)
        sy__advise(f,
                   "Engines and switchers that make system calls look worse "
                   "than they are elsewhere.",
                   "Something stands between programs and the kernel: a "
                   "sandbox, a tracer, seccomp, emulation. Run outside it.");
}

void sy__check_timer(const struct sy_checkup *c, struct sy_finding *f)
{
    const struct sy_checkup_figures *m = c->figures;
    char late[32], worst[32];

    if (m->timer_late_ns < 0) {
        sy__not_known(f, "clock_nanosleep", (int)m->timer_late_ns);
        return;
    }
    sy__find(f, state_of(m->timer_late_ns, LATE_AMBER_NS, LATE_RED_NS),
             "sleeps of 200 us end %s late in the median, %s at worst",
             time_text(late, sizeof(late), m->timer_late_ns),
             time_text(worst, sizeof(worst), m->timer_worst_ns));
    if (f->state != SY_CHECK_GREEN)
        sy__advise(f,
                   "Simulated devices and planned arrivals are as late as "
                   "that.",
                   "Let no idle CPU sleep deeply (cpupower idle-set -D 0, or "
                   "idle=poll), and let the host not halt it.");
}

void sy__check_wake(const struct sy_checkup *c, struct sy_finding *f)
{
    const struct sy_checkup_figures *m = c->figures;
    char median[32], worst[32];

    if (m->wake_ns < 0) {
        sy__not_known(f, "futex", (int)m->wake_ns);
        return;
    }
    sy__find(f, state_of(m->wake_ns, WAKE_AMBER_NS, WAKE_RED_NS),
             "an idle thread runs %s after its wake-up in the median, %s at "
             "worst",
             time_text(median, sizeof(median), m->wake_ns),
             time_text(worst, sizeof(worst), m->wake_worst_ns));
    if (f->state != SY_CHECK_GREEN)
        sy__advise(f,
                   "Rows with few jobs in flight show this time and little "
                   "else: engines that sleep look alike.",
                   "More jobs in flight; or idle=poll, and a host that does "
                   "not halt idle CPUs.");
}
