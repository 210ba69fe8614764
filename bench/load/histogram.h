/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histograms of latencies: 128 buckets per octave in fixed memory, without
 * pointers, so that one can be copied, merged and sent to another process.
 *
 * Values below 256 are exact. Above that a bucket is at most 1/128 of its
 * lower end wide, so a quantile, which is the middle of its bucket, is at most
 * 1/256 (0.4 %) away from the value that was recorded. The buckets are those
 * of HdrHistogram with two significant digits.
 *
 * Threads  None of its own: one thread at a time.
 */
#ifndef SY_BENCH_HISTOGRAM_H
#define SY_BENCH_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The last bucket ends at 2^42 - 1 ns, about 73 minutes. */
#define SY_HISTOGRAM_VALUE_BITS 42
#define SY_HISTOGRAM_VALUE_MAX  ((UINT64_C(1) << SY_HISTOGRAM_VALUE_BITS) - 1)
#define SY_HISTOGRAM_PER_OCTAVE 128
#define SY_HISTOGRAM_BUCKETS                                                   \
    ((SY_HISTOGRAM_VALUE_BITS - 6) * SY_HISTOGRAM_PER_OCTAVE)

/* All zero is an empty histogram. */
struct sy_histogram {
    uint64_t count;
    uint64_t sum;      /* of the values as given; wraps after 584 years */
    uint64_t min, max; /* exact; 0 while count is 0 */
    uint64_t clipped;  /* values above SY_HISTOGRAM_VALUE_MAX: counted in the
                          last bucket */
    uint64_t buckets[SY_HISTOGRAM_BUCKETS];
};

/* Forget everything. */
void sy_histogram_clear(struct sy_histogram *h);

/* Add one value. */
void sy_histogram_add(struct sy_histogram *h, uint64_t value);

/* Add everything that is in from, as if its values had been added to h. */
void sy_histogram_merge(struct sy_histogram *h,
                        const struct sy_histogram *from);

/* Return the bucket of a value, 0 .. SY_HISTOGRAM_BUCKETS - 1. */
size_t sy_histogram_bucket(uint64_t value);

/* Return the smallest value of a bucket, and how many values it covers. */
uint64_t sy_histogram_low(size_t bucket);
uint64_t sy_histogram_width(size_t bucket);

/*
 * Return the smallest recorded value that is not below the fraction q of all
 * values, to within 1/256; exact for q = 1 (the maximum) and q = 0 (the
 * minimum), 0 for an empty histogram.
 *
 * @q  0 .. 1
 */
uint64_t sy_histogram_quantile(const struct sy_histogram *h, double q);

/*
 * The same, if there are enough values to speak of that quantile: so many that
 * it lies below the maximum with 97.5 % probability (6 for p50, 36 for p90,
 * 368 for p99, 3688 for p99.9).
 *
 * @q      above 0, below 1
 * @value  set to the quantile, 0 if there are too few
 *
 * Returns whether there are.
 */
bool sy_histogram_known_quantile(const struct sy_histogram *h, double q,
                                 uint64_t *value);

#endif
