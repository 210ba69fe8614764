/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

#include <math.h>
#include <string.h>

/*
 * Values below 256 have a bucket each. From there on every octave
 * [2^e, 2^(e+1)) has 128 buckets of 2^(e-7) values, so the index continues
 * without a gap: (e - 7) octaves of 128 precede it, and the seven bits below
 * the highest one select the bucket.
 */
#define EXACT      256u
#define EXACT_BITS 8

static unsigned highest_bit(uint64_t value)
{
    unsigned bit = 0;

    for (unsigned step = 32; step > 0; step /= 2) {
        if (value >> step != 0) {
            value >>= step;
            bit += step;
        }
    }
    return bit;
}

void sy_histogram_clear(struct sy_histogram *h)
{
    memset(h, 0, sizeof(*h));
}

size_t sy_histogram_bucket(uint64_t value)
{
    unsigned shift;

    if (value < EXACT)
        return (size_t)value;
    if (value > SY_HISTOGRAM_VALUE_MAX)
        return SY_HISTOGRAM_BUCKETS - 1;
    shift = highest_bit(value) - (EXACT_BITS - 1);
    return (size_t)shift * SY_HISTOGRAM_PER_OCTAVE + (size_t)(value >> shift);
}

uint64_t sy_histogram_width(size_t bucket)
{
    if (bucket < EXACT)
        return 1;
    return UINT64_C(1) << (bucket / SY_HISTOGRAM_PER_OCTAVE - 1);
}

uint64_t sy_histogram_low(size_t bucket)
{
    uint64_t width = sy_histogram_width(bucket);

    if (bucket < EXACT)
        return bucket;
    return (SY_HISTOGRAM_PER_OCTAVE + bucket % SY_HISTOGRAM_PER_OCTAVE) * width;
}

void sy_histogram_add(struct sy_histogram *h, uint64_t value)
{
    if (h->count == 0 || value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
    if (value > SY_HISTOGRAM_VALUE_MAX)
        h->clipped++;
    h->count++;
    h->sum += value;
    h->buckets[sy_histogram_bucket(value)]++;
}

void sy_histogram_merge(struct sy_histogram *h, const struct sy_histogram *from)
{
    if (from->count == 0)
        return;
    if (h->count == 0 || from->min < h->min)
        h->min = from->min;
    if (from->max > h->max)
        h->max = from->max;
    h->count += from->count;
    h->sum += from->sum;
    h->clipped += from->clipped;
    for (size_t i = 0; i < SY_HISTOGRAM_BUCKETS; i++)
        h->buckets[i] += from->buckets[i];
}

/* How many values lie at or below the quantile: ceil(q * count), 1 .. count. */
static uint64_t rank_of(const struct sy_histogram *h, double q)
{
    double exact = q * (double)h->count;
    uint64_t rank = (uint64_t)exact;

    /* 0.99 * 100 is a little more than 99 in binary; that is still 99. */
    if (exact - (double)rank > 1e-9 * exact)
        rank++;
    if (rank < 1)
        rank = 1;
    return rank < h->count ? rank : h->count;
}

uint64_t sy_histogram_quantile(const struct sy_histogram *h, double q)
{
    uint64_t rank, seen = 0, value;
    size_t i;

    if (h->count == 0)
        return 0;
    if (q <= 0)
        return h->min;
    rank = rank_of(h, q);
    if (rank == h->count)
        return h->max;

    for (i = 0; i < SY_HISTOGRAM_BUCKETS - 1; i++) {
        seen += h->buckets[i];
        if (seen >= rank)
            break;
    }
    value = sy_histogram_low(i) + sy_histogram_width(i) / 2;
    /* The ends are known exactly, so the middle may not pass them. */
    if (value < h->min)
        return h->min;
    return value < h->max ? value : h->max;
}

bool sy_histogram_known_quantile(const struct sy_histogram *h, double q,
                                 uint64_t *value)
{
    /* All n values lie below the quantile with probability q^n. */
    *value = 0;
    if (pow(q, (double)h->count) > 0.025)
        return false;
    *value = sy_histogram_quantile(h, q);
    return true;
}
