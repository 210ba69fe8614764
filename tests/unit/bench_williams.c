/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders of rounds: within each block every candidate stands at each position
 * equally often, and directly behind each other one equally often; blocks
 * differ; the same seed repeats them.
 */
#include <stdio.h>
#include <string.h>

#include "../../bench/load/williams.h"

static int failures;

static void check_eq(const char *what, unsigned n, unsigned got, unsigned want)
{
    if (got == want)
        return;
    printf("%u candidates: %s is %u, expected %u\n", n, what, got, want);
    failures++;
}

static void check_block(unsigned n, uint64_t seed, uint64_t block)
{
    static unsigned at[SY_WILLIAMS_MAX][SY_WILLIAMS_MAX];
    static unsigned behind[SY_WILLIAMS_MAX][SY_WILLIAMS_MAX];
    unsigned rows = sy_williams_block(n), order[SY_WILLIAMS_MAX];

    memset(at, 0, sizeof(at));
    memset(behind, 0, sizeof(behind));
    for (unsigned r = 0; r < rows; r++) {
        sy_williams_order(seed, block * rows + r, n, order);
        for (unsigned i = 0; i < n; i++) {
            at[order[i]][i]++;
            if (i > 0)
                behind[order[i]][order[i - 1]]++;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = 0; j < n; j++) {
            check_eq("times at a position", n, at[i][j], rows / n);
            if (i != j)
                check_eq("times behind another", n, behind[i][j], rows / n);
        }
    }
}

static void check_labels(unsigned n)
{
    unsigned a[SY_WILLIAMS_MAX], b[SY_WILLIAMS_MAX];
    unsigned rows = sy_williams_block(n), same = 0;

    for (uint64_t block = 0; block < 16; block++) {
        sy_williams_order(7, block * rows, n, a);
        sy_williams_order(7, block * rows, n, b);
        check_eq("a repetition that differs", n,
                 (unsigned)(memcmp(a, b, n * sizeof(*a)) != 0), 0);
        sy_williams_order(7, (block + 1) * rows, n, b);
        same += memcmp(a, b, n * sizeof(*a)) == 0;
    }
    if (same > 4) {
        printf("%u candidates: %u of 16 blocks begin alike\n", n, same);
        failures++;
    }
}

int main(void)
{
    for (unsigned n = 1; n <= 33; n++)
        for (uint64_t block = 0; block < 3; block++)
            check_block(n, 42 + n, block);
    check_block(SY_WILLIAMS_MAX, 1, 0);
    check_labels(5);
    check_labels(8);
    return failures == 0 ? 0 : 1;
}
