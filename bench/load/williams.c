/* SPDX-License-Identifier: Apache-2.0 */
#include "williams.h"

#include <assert.h>

#include "operation_mix.h"

unsigned sy_williams_block(unsigned n)
{
    if (n == 1)
        return 1;
    return n % 2 == 0 ? n : 2 * n;
}

/* A random permutation (Fisher and Yates). */
static void shuffle(uint64_t *state, unsigned *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        items[i] = i;
    for (unsigned i = count; i-- > 1;) {
        unsigned j = (unsigned)(sy__random(state) % (i + 1));
        unsigned kept = items[i];

        items[i] = items[j];
        items[j] = kept;
    }
}

/* What stands at a position of a row: 0, n - 1, 1, n - 2, ... plus the row.
   The second half of an odd design is the first one read backwards. */
static unsigned label(unsigned row, unsigned position, unsigned n)
{
    unsigned at = row < n ? position : n - 1 - position;
    unsigned first = at % 2 == 0 ? at / 2 : n - (at + 1) / 2;

    return (first + row) % n;
}

void sy_williams_order(uint64_t seed, uint64_t round, unsigned n,
                       unsigned *order)
{
    unsigned rows = sy_williams_block(n);
    unsigned names[SY_WILLIAMS_MAX], sequence[2 * SY_WILLIAMS_MAX];
    uint64_t state = seed ^ (round / rows + 1) * UINT64_C(0x9e3779b97f4a7c15);

    assert(n >= 1 && n <= SY_WILLIAMS_MAX);
    (void)sy__random(&state);
    shuffle(&state, names, n);
    shuffle(&state, sequence, rows);
    for (unsigned i = 0; i < n; i++)
        order[i] = names[label(sequence[round % rows], i, n)];
}
