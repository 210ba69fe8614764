/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A check-up of this machine before something is measured on it: what about it
 * changes results, by how much they can be trusted, and what to do about it.
 *
 *   figures   what is found out by trying: sy_checkup_measure()
 *   settings  what the kernel says: kernel_settings.h
 *   check     judges one thing from figures, settings, and files of /proc and
 *             /sys; check_list.h lists them
 *   finding   a state, what was found, what it does, how to change it
 *
 * A check is red only where results would be worthless: one red check is
 * enough for `switchyard doctor` to exit with 3. docs/doctor.md says where each
 * border is, and why.
 *
 * What cannot be read is "not known", with the reason, and never a guess.
 */
#ifndef SY_BENCH_CHECKUP_H
#define SY_BENCH_CHECKUP_H

#include <stddef.h>
#include <stdint.h>

#include "build_facts.h"
#include "kernel_settings.h"

/*
 * Found out by trying. A negative figure is -errno of what was tried, or of
 * the file of /proc that would have said it.
 */
struct sy_checkup_figures {
    struct sy_build_facts build;
    int64_t cpus_usable;   /* this process may run on */
    int64_t cpus_online;   /* of the machine */
    int64_t fd_limit;      /* file descriptors, soft limit */
    int64_t memlock_bytes; /* that may be locked; INT64_MAX: no limit */

    /* The clock that measures: CLOCK_MONOTONIC. */
    int64_t clock_tick_ns;   /* smallest step in which it moved */
    int64_t clock_read_ns;   /* cost of reading it */
    int64_t clock_backwards; /* times it was seen to go back, on one CPU or
                                from one to the next */
    int64_t clock_drift_ppm; /* against CLOCK_MONOTONIC_RAW */

    int64_t syscall_ns;    /* cost of a system call that does nothing */
    int64_t timer_late_ns; /* median lateness of a sleep of 200 us */
    int64_t timer_worst_ns;
    int64_t wake_ns; /* median from FUTEX_WAKE to the other thread */
    int64_t wake_worst_ns;

    /* While this was measured, this program wanting one CPU all the time. */
    int64_t window_ns;
    int64_t others_permille;     /* used by other programs, of one CPU */
    int64_t steal_permille;      /* taken by the host, of the time wanted */
    int64_t steal_boot_permille; /* the same since boot */
    int64_t gap_ns;              /* longest time for which this program stood */

    int64_t io_uring_features; /* IORING_FEAT_ bits */
    int64_t io_uring_setups;   /* IORING_SETUP_ bits that were accepted */
    int64_t counters;          /* 1: the CPU counts instructions for us */
};

/*
 * Measure them; takes about a second of one CPU.
 *
 * @proc  "/proc", or what stands for it: CPU times are read there
 */
void sy_checkup_measure(struct sy_checkup_figures *figures, const char *proc);

/* Return the cost of a system call that does nothing, ns; takes some
   milliseconds. */
int64_t sy_syscall_cost_ns(void);

/* Return what the host took since boot, thousandths of the time that was
   wanted, or -errno. */
int64_t sy_steal_since_boot_permille(const char *proc);

enum sy_check_state {
    SY_CHECK_GREEN,   /* good */
    SY_CHECK_AMBER,   /* results are usable, but mind what it does to them */
    SY_CHECK_RED,     /* results would be worthless */
    SY_CHECK_UNKNOWN, /* it cannot be read here */
};

/* Return "green", "amber", "red" or "unknown". */
const char *sy_check_state_name(enum sy_check_state state);

struct sy_finding {
    enum sy_check_state state;
    char found[320];    /* what is so, or why that is not known */
    const char *effect; /* what that does to results; "" if green */
    const char *remedy; /* how to change it; "" if green */
};

/* What checks look at. */
struct sy_checkup {
    const char *proc, *sys; /* roots of the two trees */
    const struct sy_kernel_settings *settings;
    const struct sy_checkup_figures *figures;
};

struct sy_check {
    const char *name;  /* stable: appears in JSON */
    const char *title; /* for people */
    void (*judge)(const struct sy_checkup *checkup, struct sy_finding *finding);
};

/* All of them; the last has no name. */
extern const struct sy_check sy_checks[];

/* Carry out one. */
void sy_check_judge(const struct sy_check *check,
                    const struct sy_checkup *checkup,
                    struct sy_finding *finding);

#endif
