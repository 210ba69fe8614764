/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The closed loop as every row sees it: it takes operations, performs them in
 * its own way, and says when each has finished. Phases, clocks, verification
 * and counting happen in here, alike for all rows. Internal to bench/load.
 *
 * Threads  The thread that opened it, only.
 */
#ifndef SY_BENCH_LOAD_CYCLE_H
#define SY_BENCH_LOAD_CYCLE_H

#include <stdatomic.h>
#include <switchyard/clock.h>
#include <switchyard/compiler.h>
#include <switchyard/stats.h>

#include "experiment.h"
#include "operation_mix.h"
#include "syscall_counter.h"

/* Rows do not sleep longer than this at a time, so as to see an interrupt. */
#define SY__LOOK_NS (50 * SY_NS_PER_MS)

/* Shared with the process that waits for the experiment. */
struct sy__progress {
    _Atomic int stop;       /* set by the waiting process */
    _Atomic uint64_t begun; /* operations, of all phases */
    _Atomic uint64_t finished;
};

enum sy__phase {
    SY__WARM_UP, /* also finds out what verification costs */
    SY__SETTLE,  /* until what was in flight at the preparations is gone */
    SY__WINDOW,
    SY__SETTLE_COUNTER, /* the same, for the opening of the counter */
    SY__COUNT_SYSCALLS,
    SY__DRAIN,
};

/* What was spent and counted up to a moment. */
struct sy__snapshot {
    uint64_t now_ns;
    uint64_t cpu_ns;
    uint64_t thread_cpu_ns;
    uint64_t switches_voluntary;
    uint64_t switches_involuntary;
    uint64_t faults_minor;
    uint64_t faults_major;
    struct sy_device_stats device;
    struct sy_runtime_stats runtime;
};

struct sy__load;

/*
 * What decides instead of the phases when operations may begin, where an
 * experiment is measured in batches (batches.h). Called on the load's thread.
 */
struct sy__gate {
    /* Before the row runs. Returns 0 or -errno. */
    int (*begin)(struct sy__load *load);

    /* The row has run, or begin failed. Optional. */
    void (*end)(struct sy__load *load);

    /* May another operation begin? 1: yes; 0: not now; -1: no more. With
       nothing in flight it blocks until some are wanted, unless the row can be
       roused: then it may say 0. */
    int (*admit)(struct sy__load *load);

    /* An operation that was admitted is about to be started, at
       op->started_ns. Optional. */
    void (*began)(struct sy__load *load, struct sy__op *op);

    /* An operation that was admitted has finished, at now_ns. */
    void (*finished)(struct sy__load *load, const struct sy__op *op,
                     uint64_t now_ns);

    /* Optional: the row is about to sleep, in its own way, for at most ns.
       Returns for how long it may; 0: not at all. */
    uint64_t (*doze)(struct sy__load *load, uint64_t ns);

    /* Optional, with doze: sleep for at most ns, but not beyond an operation
       that may begin. */
    void (*sleep)(struct sy__load *load, uint64_t ns);
};

struct sy__load {
    const struct sy_experiment *exp;
    struct sy_outcome *out;
    struct sy__progress *progress;
    struct sy_clock *clock;
    struct sy_virtual_clock virtual_clock;
    struct sy_device *device;   /* NULL for a row that uses none */
    unsigned jobs;              /* to be kept in flight */
    struct sy_runtime *runtime; /* set by a row that has one, for its stats */
    void *row;                  /* the row's own */
    struct sy__gate *gate;      /* NULL: phases */

    /* Set before its first take by a row whose sleep another thread can end:
       end it, or the next one. Any thread. Such a row goes on with nothing in
       flight until the phase is SY__DRAIN. */
    void (*rouse)(struct sy__load *load);

    /* Private to load_cycle.c. */
    struct sy__mix mix;
    enum sy__phase phase;
    uint64_t begun;
    uint64_t phase_began_ns;
    uint64_t phase_end_ns;
    uint64_t phase_operations; /* finished in this phase */
    struct sy__snapshot opened;
    struct sy__syscall_counter counter;

    struct sy__op *held; /* to be verified at the end */
    uint64_t held_count, held_max;
    uint64_t probed[SY_MIX_MAX]; /* verified in the warm-up */
    uint64_t probe_ns[SY_MIX_MAX];
};

/* A way of performing operations. */
struct sy__row_ops {
    const char *name;
    const char *summary;
    int one_at_a_time;
    int uses_device;

    /* Required. Take and perform operations until sy__load_take() returns
       NULL, and then finish those in flight. */
    void (*run)(struct sy__load *load);

    /* Optional. Free what the device's threads may have used until the device
       was closed. */
    void (*release)(struct sy__load *load);
};

extern const struct sy__row_ops sy__row_combination;
extern const struct sy__row_ops sy__row_software;
extern const struct sy__row_ops sy__row_blocking;
extern const struct sy__row_ops sy__row_callback;
extern const struct sy__row_ops sy__row_peer;

/* Perform the whole experiment in this process. As sy_experiment_run().
   @gate  NULL: by phases */
int sy__load_perform(const struct sy__row_ops *row,
                     const struct sy_experiment *exp, struct sy_outcome *out,
                     struct sy__progress *progress, struct sy__gate *gate);

/* In experiment.c: check the experiment, and perform it as the gate says. */
int sy__experiment_perform_gated(const struct sy_experiment *exp,
                                 struct sy_outcome *out,
                                 struct sy__progress *progress,
                                 struct sy__gate *gate);

/* In experiment.c: as sy_experiment_run(), as the gate says, whose memory the
   experiment's process must share with this one. */
int sy__experiment_run_gated(const struct sy_experiment *exp,
                             struct sy_outcome *out, struct sy__gate *gate);

/* For gates: choose how many results to set aside and make their slots. Ends
   the experiment if there is no memory. */
void sy__load_prepare_sample(struct sy__load *load);

/* For gates: begin and end the window, whose figures go to the outcome. */
void sy__load_open_window(struct sy__load *load);
void sy__load_close_window(struct sy__load *load);

/* For gates: has somebody asked to end soon? */
bool sy__load_is_interrupted(const struct sy__load *load);

/* Verify what was set aside. */
void sy__load_verify_held(struct sy__load *load);

/*
 * Get the next operation to be started, its inputs set up and its start
 * noted. NULL: start no more.
 */
struct sy__op *sy__load_take(struct sy__load *load);

/*
 * An operation has finished; its slot belongs to the load again.
 *
 * @result  0, or the -errno of the step that failed
 */
void sy__load_finish(struct sy__load *load, struct sy__op *op, int result);

/* Give back an operation that could not be started. */
void sy__load_give_back(struct sy__load *load, struct sy__op *op);

/* End the experiment: it cannot be done here. The first reason counts. */
void sy__load_skip(struct sy__load *load, const char *format, ...)
    SY_PRINTF(2, 3);

/* End the experiment: it went wrong. op may be NULL. */
void sy__load_fail(struct sy__load *load, const struct sy__op *op,
                   const char *format, ...) SY_PRINTF(3, 4);

/*
 * Return for how many ns a row may sleep, right after this call, when the
 * device's next event is at next_ns (SY_FOREVER: it will be announced by
 * another thread).
 */
uint64_t sy__load_idle_ns(struct sy__load *load, uint64_t next_ns);

/* Sleep by the load's clock until next_ns, at most for SY__LOOK_NS. */
void sy__load_sleep(struct sy__load *load, uint64_t next_ns);

#endif
