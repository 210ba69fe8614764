/* SPDX-License-Identifier: Apache-2.0 */
#include "compare_noise.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The 0.8 quantile of the normal distribution: four of five. */
#define POWER_QUANTILE 0.8416

void compare_noise_begin(struct compare_noise *noise, unsigned count,
                         const unsigned *tasks)
{
    memset(noise, 0, sizeof(*noise));
    noise->count = count;
    memcpy(noise->tasks, tasks, count * sizeof(*tasks));
}

void compare_noise_free(struct compare_noise *noise)
{
    free(noise->means);
    noise->means = NULL;
}

int compare_noise_add(struct compare_noise *noise,
                      const struct compare_share *share, size_t batches)
{
    double sums[COMPARE_CANDIDATES_MAX] = {0};
    size_t counts[COMPARE_CANDIDATES_MAX] = {0}, i;
    double *means;

    for (i = 0; i < batches; i++) {
        const struct compare_batch *b = &share->batches[i];

        if (b->candidate >= noise->count || b->batch.elapsed_ns == 0)
            continue;
        sums[b->candidate] += log((double)b->batch.elapsed_ns /
                                  (double)share->operations[b->candidate]);
        counts[b->candidate]++;
    }
    for (i = 0; i < noise->count; i++)
        if (counts[i] == 0)
            return 0;
    if (noise->processes == noise->room) {
        size_t room = noise->room * 2 + 32;

        means = realloc(noise->means, room * noise->count * sizeof(*means));
        if (means == NULL)
            return -ENOMEM;
        noise->means = means;
        noise->room = room;
    }
    means = noise->means + noise->processes++ * noise->count;
    for (i = 0; i < noise->count; i++)
        means[i] = sums[i] / (double)counts[i];
    return 0;
}

/* Residuals of a two-way layout, process and candidate, of one task. */
static void add_residuals(const struct compare_noise *noise, unsigned task,
                          double *squares, double *freedom)
{
    double columns[COMPARE_CANDIDATES_MAX] = {0}, all = 0;
    double members = 0, rows = (double)noise->processes;
    size_t p;
    unsigned c;

    for (c = 0; c < noise->count; c++) {
        if (noise->tasks[c] != task)
            continue;
        members++;
        for (p = 0; p < noise->processes; p++)
            columns[c] += noise->means[p * noise->count + c] / rows;
        all += columns[c];
    }
    if (members < 2)
        return;
    all /= members;
    for (p = 0; p < noise->processes; p++) {
        const double *means = noise->means + p * noise->count;
        double row = 0;

        for (c = 0; c < noise->count; c++)
            row += noise->tasks[c] == task ? means[c] / members : 0;
        for (c = 0; c < noise->count; c++) {
            double e = means[c] - row - columns[c] + all;

            if (noise->tasks[c] == task)
                *squares += e * e;
        }
    }
    *freedom += (rows - 1) * (members - 1);
}

double compare_noise_deviation(const struct compare_noise *noise)
{
    double squares = 0, freedom = 0;
    unsigned c;

    if (noise->processes < 2)
        return -1;
    for (c = 0; c < noise->count; c++)
        if (noise->tasks[c] == c) /* named after its first candidate */
            add_residuals(noise, c, &squares, &freedom);
    return freedom > 0 ? sqrt(2 * squares / freedom) : -1;
}

/* The normal quantile, by bisection: it is needed a few times only. */
static double normal_quantile(double p)
{
    double low = -10, high = 10;

    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;

        if (0.5 * erfc(-middle / sqrt(2)) < p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

double compare_noise_resolves(double deviation, size_t processes, size_t pairs)
{
    double critical = normal_quantile(1 - 0.025 / (double)(pairs ? pairs : 1));

    return expm1((critical + POWER_QUANTILE) * deviation /
                 sqrt((double)processes));
}

double compare_noise_width(double deviation, size_t processes)
{
    return expm1(1.96 * deviation / sqrt((double)processes));
}
