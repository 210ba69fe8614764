/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders for rounds in which each of n candidates is measured once.
 *
 * Within a block of rounds each candidate stands at each position equally
 * often, and directly behind each other one equally often: so neither a
 * machine that slows down within a round, nor what a candidate leaves behind
 * in caches and predictors, favours any. (E. J. Williams, Experimental designs
 * balanced for the estimation of residual effects of treatments, Australian
 * Journal of Scientific Research A 2, 1949.) Which candidate is which of the
 * design, and the order of the block's rounds, is drawn anew for each block.
 */
#ifndef SY_BENCH_WILLIAMS_H
#define SY_BENCH_WILLIAMS_H

#include <stdint.h>

#define SY_WILLIAMS_MAX 128u

/* Return how many rounds a block has: n if n is even, else 2 n; 1 for 1. */
unsigned sy_williams_block(unsigned n);

/*
 * Write the order of one round. The same arguments give the same order.
 *
 * @round  from 0; consecutive rounds make up blocks
 * @n      candidates, 1 .. SY_WILLIAMS_MAX
 * @order  room for n: the candidate (from 0) at each position
 */
void sy_williams_order(uint64_t seed, uint64_t round, unsigned n,
                       unsigned *order);

#endif
