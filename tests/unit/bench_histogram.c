/* SPDX-License-Identifier: Apache-2.0 */
/* Histogram: quantiles against exact ones, buckets without a gap, merging. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../bench/load/histogram.h"

#define SAMPLES 100000
#define SEED    UINT64_C(0x5eed)

static int failures;

#define CHECK_EQ(got, want)                                                    \
    check_eq(#got, (uint64_t)(got), (uint64_t)(want), __LINE__)

static void check_eq(const char *what, uint64_t got, uint64_t want, int line)
{
    if (got == want)
        return;
    printf("line %d: %s is %" PRIu64 ", expected %" PRIu64 "\n", line, what,
           got, want);
    failures++;
}

static uint64_t state = SEED;

static double uniform(void) /* in (0, 1) */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return ((double)(state >> 11) + 0.5) / 9007199254740992.0;
}

static uint64_t constant(void)
{
    return 12345;
}

static uint64_t small(void)
{
    return (uint64_t)(uniform() * 300);
}

static uint64_t exponential(void)
{
    return (uint64_t)(-log(uniform()) * 50000);
}

static uint64_t pareto(void)
{
    return (uint64_t)(1000 / pow(uniform(), 1.2));
}

static uint64_t lognormal(void)
{
    double normal = sqrt(-2 * log(uniform())) * cos(6.283185307 * uniform());

    return (uint64_t)exp(11 + 1.5 * normal);
}

static uint64_t two_humps(void)
{
    return uniform() < 0.985 ? 900 + small() : 3000000 + small() * 1000;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void check_quantiles(const char *name, const struct sy_histogram *h,
                            const uint64_t *sorted, size_t n)
{
    static const double qs[] = {0.001, 0.01, 0.1,  0.25,  0.5,
                                0.75,  0.9,  0.99, 0.999, 0.9999};

    for (size_t i = 0; i < sizeof(qs) / sizeof(*qs); i++) {
        size_t rank = (size_t)ceil(qs[i] * (double)n - 1e-6);
        double exact = (double)sorted[rank - 1];
        double got = (double)sy_histogram_quantile(h, qs[i]);

        /* half a bucket, and never wrong below 256 */
        if (fabs(got - exact) > exact / 256 + (exact < 256 ? 0 : 1)) {
            printf("%s: quantile %g is %.0f, exact %.0f\n", name, qs[i], got,
                   exact);
            failures++;
        }
    }
}

static void check_distribution(const char *name, uint64_t (*draw)(void))
{
    static uint64_t values[SAMPLES];
    static struct sy_histogram whole, parts[3];
    uint64_t sum = 0;

    sy_histogram_clear(&whole);
    memset(parts, 0, sizeof(parts));
    for (size_t i = 0; i < SAMPLES; i++) {
        values[i] = draw();
        sum += values[i];
        sy_histogram_add(&whole, values[i]);
        sy_histogram_add(&parts[i < 10 ? 0 : 1 + i % 2], values[i]);
    }
    qsort(values, SAMPLES, sizeof(*values), by_value);
    CHECK_EQ(whole.count, SAMPLES);
    CHECK_EQ(whole.sum, sum);
    CHECK_EQ(whole.min, values[0]);
    CHECK_EQ(whole.max, values[SAMPLES - 1]);
    CHECK_EQ(sy_histogram_quantile(&whole, 0), values[0]);
    CHECK_EQ(sy_histogram_quantile(&whole, 1), values[SAMPLES - 1]);
    check_quantiles(name, &whole, values, SAMPLES);

    sy_histogram_merge(&parts[2], &parts[0]);
    sy_histogram_merge(&parts[1], &parts[2]);
    if (memcmp(&parts[1], &whole, sizeof(whole)) != 0) {
        printf("%s: merged parts are not the whole\n", name);
        failures++;
    }
    sy_histogram_clear(&parts[0]);
    sy_histogram_merge(&parts[1], &parts[0]);
    CHECK_EQ(memcmp(&parts[1], &whole, sizeof(whole)), 0);
}

static void check_buckets(void)
{
    uint64_t next = 0;

    for (size_t i = 0; i < SY_HISTOGRAM_BUCKETS; i++) {
        uint64_t low = sy_histogram_low(i), width = sy_histogram_width(i);

        CHECK_EQ(low, next);
        CHECK_EQ(sy_histogram_bucket(low), i);
        CHECK_EQ(sy_histogram_bucket(low + width - 1), i);
        if (width > 1 && low / width < 128) {
            printf("bucket %zu of width %" PRIu64 " begins at %" PRIu64 "\n", i,
                   width, low);
            failures++;
        }
        next = low + width;
    }
    CHECK_EQ(next, SY_HISTOGRAM_VALUE_MAX + 1);
}

static void check_edges(void)
{
    static struct sy_histogram h;

    CHECK_EQ(sy_histogram_quantile(&h, 0.5), 0);
    sy_histogram_add(&h, 777777);
    CHECK_EQ(sy_histogram_quantile(&h, 0.001), 777777);
    CHECK_EQ(sy_histogram_quantile(&h, 0.5), 777777);
    sy_histogram_add(&h, UINT64_MAX / 2);
    CHECK_EQ(h.clipped, 1);
    CHECK_EQ(h.max, UINT64_MAX / 2);
    CHECK_EQ(h.buckets[SY_HISTOGRAM_BUCKETS - 1], 1);
}

int main(void)
{
    printf("seed %" PRIu64 "\n", SEED);
    check_buckets();
    check_edges();
    check_distribution("constant", constant);
    check_distribution("small", small);
    check_distribution("exponential", exponential);
    check_distribution("pareto", pareto);
    check_distribution("lognormal", lognormal);
    check_distribution("two humps", two_humps);
    return failures != 0;
}
