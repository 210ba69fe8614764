/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is compared, and how often: the candidates, how many operations a batch
 * has, and how the time is divided into processes and rounds.
 */
#ifndef SWITCHYARD_CLI_COMPARE_PLAN_H
#define SWITCHYARD_CLI_COMPARE_PLAN_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "compare_process.h"
#include "compare_share.h"
#include "plan.h"

/* Fewer processes are not compared: intervals would be guesses. */
#define COMPARE_PROCESSES_MIN 4
#define COMPARE_PROCESSES_MAX 4096
#define COMPARE_ROUNDS_MAX    100000

/* Of more executables than these, a comparison draws so many: comparisons that
   shared them all would share what these layouts happen to do. */
#define COMPARE_LAYOUTS_MAX 8

struct candidate {
    uint32_t entry; /* of the plan */
    char label[128];
    unsigned task; /* first candidate of the same mix: only those with the same
                      task are compared */
    int twin_of;   /* candidate that this one repeats, -1: none */
    uint64_t extra_permille; /* planted: operations done and not counted */
    double per_s;            /* operations per second of a first look */
};

/* A candidate of the plan that is not compared, and why. */
struct left_out {
    uint32_t entry;
    char label[128];
    enum sy_outcome_status status;
    char reason[SY_OUTCOME_TEXT_BYTES];
};

struct contest {
    const struct plan *plan;
    uint64_t seed;
    uint64_t plant_permille;
    unsigned repeat; /* each combination is entered so often, 1 or more */
    int is_pinned;   /* to one CPU in each process, where there are two */
    struct candidate candidates[COMPARE_CANDIDATES_MAX];
    unsigned count;
    struct left_out left_out[COMPARE_CANDIDATES_MAX];
    unsigned left_out_count;
    uint64_t operations[COMPARE_CANDIDATES_MAX]; /* per batch */

    /* The clock of batches. */
    uint64_t tick_ns, floor_ns;
    uint64_t aim_ns; /* what the shortest batch should take */

    /* Learned by calibrating. */
    uint64_t setup_ns, round_ns; /* of a process: fixed, and per round */
    uint32_t aslr;

    uint32_t rounds; /* in each process */
    unsigned processes;
    unsigned layouts; /* executables that processes cycle through */
    unsigned layout[COMPARE_LAYOUTS_MAX]; /* their numbers, from 0 */
    unsigned layouts_there;               /* of which they were drawn */
    uint64_t budget_ns;                   /* 0: no limit */
};

/* What processes are started with. */
struct launch {
    const char *exe;
    const char *subcommand;
    char **argv;
    int argc;
    const volatile sig_atomic_t *interrupted;
};

/*
 * List the candidates of a plan, each looked at alone for a moment. What
 * cannot be measured is left out, with the reason. The others are entered as
 * often as c->repeat says, and the first of all once more, as its twin.
 *
 * Returns -1 to go on, else the exit code; what is wrong has been said then.
 */
int contest_make(struct contest *c, const struct plan *plan,
                 const volatile sig_atomic_t *interrupted);

/* Find how many operations make up a batch, and what a process costs, by
   running some. Returns as contest_make(). Longer times are given longer
   batches, so that files stay readable. */
int contest_calibrate(struct contest *c, const struct launch *launch);

/*
 * Divide the time.
 *
 * @time_ns    for everything that is left to be done
 * @rounds     of a process, 0: choose
 * @processes  0: choose
 *
 * Returns as contest_make().
 */
int contest_divide(struct contest *c, uint64_t time_ns, uint64_t rounds,
                   uint64_t processes);

/* Fill in the orders of process number. */
void contest_order(const struct contest *c, struct compare_share *share,
                   unsigned number);

/* Choose the executables, of so many that are there; 0 is taken for one, this
   command itself. */
void contest_draw_layouts(struct contest *c, unsigned there);

/* Return whether the twin's code lies elsewhere, in words. */
const char *contest_twin(const struct contest *c);

/* How many pairs are compared at once, the twin's left out. */
size_t contest_pairs(const struct contest *c);

/* Return about how long all processes take, ns. */
uint64_t contest_time_ns(const struct contest *c);

/* Return how long one process may take at most, ns. */
uint64_t contest_timeout_ns(const struct contest *c, uint32_t rounds);

#endif
