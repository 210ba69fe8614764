/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histogram: quantiles of ten million values of four distributions are within
 * 0.4 % of the exact ones, and shards add up to the whole, bit for bit.
 */
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <switchyard/compiler.h>

#include "../../bench/load/histogram.h"

/* The bound is the same for fewer, and sanitizers make each ten times dearer.
 */
#if SY_ASAN || SY_TSAN
#define SAMPLES 200000u
#else
#define SAMPLES 10000000u
#endif

#define SEED      UINT64_C(0x5eed1)
#define SHARDS    7
#define ERROR_MAX 0.004

static uint64_t state = SEED;

static double uniform(void) /* in (0, 1) */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return ((double)(state >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

static double exponential(void)
{
    return -log(uniform()) * 50e3;
}

static double lognormal(void)
{
    return exp(11 + 1.5 * normal());
}

/* Most are quick; of those that waited, none is near the others. */
static double bimodal(void)
{
    return uniform() < 0.985 ? 900 + 300 * uniform() : 3e6 + 2e5 * normal();
}

/* So long a tail that the largest values are cut by draw(). */
static double pareto(void)
{
    return 1000 / pow(uniform(), 1.5);
}

/* Up to the largest value that has a bucket: the quantile of what is beyond is
   the end of the last bucket, by contract. */
static uint64_t draw(double (*distribution)(void))
{
    double value = distribution();

    if (value >= (double)SY_HISTOGRAM_VALUE_MAX)
        return SY_HISTOGRAM_VALUE_MAX;
    return value > 0 ? (uint64_t)value : 0;
}

#define DIGIT_BITS 14 /* three of them hold 42 bits */
#define DIGITS     (1u << DIGIT_BITS)

/* Stable, by one digit. */
static void sort_pass(uint64_t *to, const uint64_t *from, unsigned shift)
{
    static size_t begin[DIGITS];
    size_t at = 0;

    memset(begin, 0, sizeof(begin));
    for (size_t i = 0; i < SAMPLES; i++)
        begin[from[i] >> shift & (DIGITS - 1)]++;
    for (size_t d = 0; d < DIGITS; d++) {
        size_t count = begin[d];

        begin[d] = at;
        at += count;
    }
    for (size_t i = 0; i < SAMPLES; i++)
        to[begin[from[i] >> shift & (DIGITS - 1)]++] = from[i];
}

/* The sorted values are in other. */
static void sort(uint64_t *values, uint64_t *other)
{
    sort_pass(other, values, 0);
    sort_pass(values, other, DIGIT_BITS);
    sort_pass(other, values, 2 * DIGIT_BITS);
}

/* The largest relative error of any of these quantiles. */
static double worst_error(const struct sy_histogram *h, const uint64_t *sorted)
{
    static const double qs[] = {0.0001, 0.001, 0.01,  0.05,   0.1,    0.25,
                                0.5,    0.75,  0.9,   0.95,   0.98,   0.985,
                                0.99,   0.995, 0.999, 0.9999, 0.99999};
    double worst = 0;

    for (size_t i = 0; i < sizeof(qs) / sizeof(*qs); i++) {
        size_t rank = (size_t)ceil(qs[i] * (double)SAMPLES - 1e-6);
        double exact = (double)sorted[rank - 1];
        double got = (double)sy_histogram_quantile(h, qs[i]);
        double error = fabs(got - exact) / (exact > 1 ? exact : 1);

        if (error > worst)
            worst = error;
    }
    return worst;
}

static int check(const char *name, double (*distribution)(void),
                 uint64_t *values, uint64_t *other)
{
    static struct sy_histogram whole, shards[SHARDS];
    double error;

    memset(shards, 0, sizeof(shards));
    sy_histogram_clear(&whole);
    for (size_t i = 0; i < SAMPLES; i++) {
        values[i] = draw(distribution);
        sy_histogram_add(&whole, values[i]);
        /* Of different sizes, and one of them stays empty. */
        sy_histogram_add(&shards[(state >> 20) % 64 % (SHARDS - 1)], values[i]);
    }
    sort(values, other);
    for (size_t i = 1; i < SAMPLES; i++) {
        if (other[i - 1] > other[i]) {
            printf("%s: the sort of this test is wrong\n", name);
            return 1;
        }
    }

    /* As a tree, from the last. */
    for (size_t i = SHARDS - 1; i > 0; i--)
        sy_histogram_merge(&shards[(i - 1) / 2], &shards[i]);
    if (memcmp(&shards[0], &whole, sizeof(whole)) != 0) {
        printf("%s: merged shards are not the whole\n", name);
        return 1;
    }
    error = worst_error(&whole, other);
    printf("%-11s  %u values, %" PRIu64 " .. %" PRIu64
           " ns: quantiles within %.3f %%\n",
           name, SAMPLES, whole.min, whole.max, 100 * error);
    if (error > ERROR_MAX) {
        printf("%s: more than %.1f %%\n", name, 100 * ERROR_MAX);
        return 1;
    }
    return 0;
}

int main(void)
{
    uint64_t *values = malloc(SAMPLES * sizeof(*values));
    uint64_t *other = malloc(SAMPLES * sizeof(*other));
    int failures = 0;

    if (values == NULL || other == NULL) {
        printf("skipped: no memory for %u values\n", SAMPLES);
        free(values);
        free(other);
        return 77;
    }
    printf("seed %" PRIu64 "\n", SEED);
    failures += check("exponential", exponential, values, other);
    failures += check("lognormal", lognormal, values, other);
    failures += check("bimodal", bimodal, values, other);
    failures += check("pareto", pareto, values, other);
    free(values);
    free(other);
    return failures != 0;
}
