/* SPDX-License-Identifier: Apache-2.0 */
#include "noise.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_factors(const void *left, const void *right)
{
    const double *a = left, *b = right;

    return (*a > *b) - (*a < *b);
}

int noise_find(struct noise *noise, const struct result *const *rows,
               size_t count)
{
    double *factors = calloc(count + 1, sizeof(*factors));
    size_t i;

    memset(noise, 0, sizeof(*noise));
    if (factors == NULL)
        return -ENOMEM;
    for (i = 0; i < count; i++) {
        const struct result *r = rows[i];
        double factor;

        if (!result_has_figures(r) || r->rounds < 2 || r->per_s.low <= 0)
            continue;
        factor = r->per_s.high / r->per_s.low;
        factors[noise->rows++] = factor;
        if (factor > noise->worst) {
            noise->worst = factor;
            noise->worst_row = r;
        }
    }
    if (noise->rows != 0) {
        qsort(factors, noise->rows, sizeof(*factors), compare_factors);
        noise->middle = factors[noise->rows / 2];
        /* The smallest that nine tenths of the rows do not exceed. */
        noise->nine_in_ten = factors[(noise->rows * 9 + 9) / 10 - 1];
    }
    free(factors);
    return 0;
}

void noise_print(const struct noise *noise, FILE *to)
{
    char name[128];

    if (noise->rows == 0) {
        fputs("\nNoise: each row was measured once, so how much a repetition "
              "would differ is not\nknown, and neither is which of the "
              "differences below are luck. --seed 1,2,3\nmeasures three "
              "times.\n",
              to);
        return;
    }
    fprintf(to, "\nNoise: the rounds of one row differed by x %.2f",
            noise->middle);
    if (noise->rows > 1)
        fprintf(to,
                " in the middle row, by at most x %.2f in\nnine rows of ten, "
                "and most in %s, %u in flight (x %.2f)",
                noise->nine_in_ten,
                sy_experiment_name(noise->worst_row->exp, name, sizeof(name)),
                noise->worst_row->exp->jobs, noise->worst);
    fprintf(to, ".\nA factor below x %.2f says nothing.\n", noise->nine_in_ten);
}

int ranges_overlap(const struct range *a, const struct range *b)
{
    return a->low <= b->high && b->low <= a->high;
}

int noise_covers(const struct noise *noise, const struct result *slow,
                 const struct result *fast)
{
    if (noise->rows == 0 || slow->rounds < 2 || fast->rounds < 2)
        return 0;
    return ranges_overlap(&slow->per_s, &fast->per_s) ||
           result_per_s(fast) <= result_per_s(slow) * noise->nine_in_ten;
}
