/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts that cost a known time more: a switcher, an engine and a device around
 * those of an experiment, which spin before they do what they do. They stand
 * outside the library; what is not dosed pays nothing.
 *
 * A level is a set of doses. Levels have numbers, because a switcher's hooks
 * know nothing but contexts: each level has hooks of its own, compiled alike.
 *
 *   switch  at every change of control: when a job starts, pauses, is resumed
 *           and ends; on the side that leaves
 *   wake    at every wake-up that the core hands to the engine, on the thread
 *           that wakes. The core may pass wake-ups of the runtime's own thread
 *           in memory, without the engine (SY_EN_BY_MEMORY); the dosed engine
 *           does not offer that, so that all of them come along here
 *   device  at every operation, where the device computes it
 *
 * The same hooks run with every dose, 0 included. They also measure, with the
 * same readings, what each of these events costs as it is.
 *
 * Threads  Setting up: one. Counters may be read while nothing is in flight.
 */
#ifndef SY_BENCH_DOSED_PARTS_H
#define SY_BENCH_DOSED_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "../load/experiment.h"

#define SY_DOSE_LEVELS_MAX 16

/* The longest: more says nothing about any part. */
#define SY_DOSE_NS_MAX (10 * SY_NS_PER_MS)

enum sy_dose_factor {
    SY_DOSE_SWITCH,
    SY_DOSE_WAKE,
    SY_DOSE_DEVICE,
    SY_DOSE_FACTORS
};

/* Return "switch", "wake", "device". */
const char *sy_dose_factor_name(enum sy_dose_factor factor);

struct sy_dose {
    uint64_t ns[SY_DOSE_FACTORS]; /* each at most SY_DOSE_NS_MAX */
};

/* What has happened at a level since it was set. */
struct sy_dose_counts {
    uint64_t jobs;                     /* started */
    uint64_t applied[SY_DOSE_FACTORS]; /* so often each dose was */
    uint64_t collected;                /* wake-ups that the runtime has got */

    /* What the parts themselves took, in ns, without the doses. */
    uint64_t switch_ns;  /* from leaving one side to arriving at the other */
    uint64_t wake_ns;    /* in the engine's wake */
    uint64_t collect_ns; /* in its wait, from when there was a wake-up on */
    uint64_t device_ns;  /* computing operations */
};

/*
 * Set a level, and put the parts of an experiment (SY_ROW_COMBINATION) under
 * it. Both are as they were on failure.
 *
 * @level  0 .. SY_DOSE_LEVELS_MAX - 1; each once in a process
 * @why    on failure: the reason, in words
 *
 * Returns 0, or -EINVAL: no such level, no combination, a dose that is too
 * long, or a device that is not known.
 */
int sy_dose_level(unsigned level, const struct sy_dose *dose,
                  struct sy_experiment *exp, char *why, size_t why_bytes);

/* Get the doses of a level that is set. */
void sy_dose_get(unsigned level, struct sy_dose *dose);

/* Read the counters of a level that is set. */
void sy_dose_read(unsigned level, struct sy_dose_counts *counts);

/* Get what has happened since the counters were read before. What reading the
   time takes is not in the costs. */
void sy_dose_since(unsigned level, const struct sy_dose_counts *before,
                   struct sy_dose_counts *counts);

/* Measure how long the doses of a level that is set really are: picoseconds
   of each factor. Some milliseconds. */
void sy_dose_measure(unsigned level, uint64_t ps[SY_DOSE_FACTORS]);

#endif
