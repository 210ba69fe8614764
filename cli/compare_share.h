/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that "switchyard compare" and one of its processes share: the
 * orders for the process, and what it has measured so far, so that even a
 * process that crashed leaves that behind. Both run the same version.
 */
#ifndef SWITCHYARD_CLI_COMPARE_SHARE_H
#define SWITCHYARD_CLI_COMPARE_SHARE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "../bench/dose/dosed_parts.h"
#include "../bench/load/batches.h"

#define COMPARE_CANDIDATES_MAX 64
#define COMPARE_SHARE_MAGIC    0x73796332u /* changes with the layout */

/* How the process ended, as it says itself. */
enum compare_end {
    COMPARE_RUNNING = 0,
    COMPARE_DONE,    /* all rounds, or it was told to stop */
    COMPARE_SKIPPED, /* a candidate cannot be set up; reason says why */
    COMPARE_FAILED,  /* a candidate failed; reason says how */
    COMPARE_BROKEN,  /* the orders make no sense to it */
};

struct compare_batch {
    uint32_t round;     /* of the process, from 0 */
    uint32_t position;  /* in the round, from 0 */
    uint32_t candidate; /* from 0 */
    struct sy_batch batch;
    struct sy_dose_counts dose; /* of a candidate under doses; the lead-in is
                                   in it */
};

struct compare_share {
    uint32_t magic;
    uint64_t bytes; /* of the whole */

    /* Orders. */
    uint32_t count;       /* candidates */
    uint32_t rounds;      /* to be measured */
    uint64_t first_round; /* of all rounds: where in a block it begins */
    uint64_t order_seed;  /* the same in all processes */
    uint64_t seed;        /* of this process */
    int32_t cpu;          /* for the candidates' threads; -1: any */
    uint32_t entry[COMPARE_CANDIDATES_MAX]; /* of the plan */
    uint64_t operations[COMPARE_CANDIDATES_MAX];
    uint64_t extra[COMPARE_CANDIDATES_MAX]; /* done and not counted */
    uint8_t twin[COMPARE_CANDIDATES_MAX];   /* enum twin: whose code runs it */
    _Atomic uint32_t stop; /* set by the waiting process: end after a batch */

    /* Answers. */
    _Atomic uint32_t running;  /* candidate + 1; 0: none */
    _Atomic uint32_t done;     /* batches that are complete */
    _Atomic uint32_t end;      /* enum compare_end */
    uint32_t culprit;          /* candidate, of SKIPPED and FAILED */
    uint64_t setup_ns;         /* from the start of the process */
    uint64_t rounds_ns;        /* all rounds together */
    int64_t twin_offset_bytes; /* of the code of the second twin from the first;
                                  0: none was used */
    uint32_t cpus;             /* that the process might use, at the fewest */
    uint32_t aslr;             /* addresses are randomised: 0 or 1 */
    uint32_t stack_offsets[COMPARE_CANDIDATES_MAX];
    uint64_t dose_ps[COMPARE_CANDIDATES_MAX][SY_DOSE_FACTORS]; /* as they
                                                          really are, here */
    char reason[SY_OUTCOME_TEXT_BYTES];
    struct compare_batch batches[]; /* rounds * count */
};

static inline size_t compare_share_bytes(uint32_t rounds, uint32_t count)
{
    return sizeof(struct compare_share) +
           (size_t)rounds * count * sizeof(struct compare_batch);
}

#endif
