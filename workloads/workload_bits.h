/* SPDX-License-Identifier: Apache-2.0 */
/* How operation number n gets into the bytes of an input. For the workloads of
   this folder. */
#ifndef WORKLOAD_BITS_H
#define WORKLOAD_BITS_H

#include <stdint.h>

/* A bijection of 64-bit numbers that changes about half of the bits for each
   that differs: the finisher of splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t sy__mix(uint64_t n)
{
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9u;
    n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
    return n ^ (n >> 31);
}

/* Store a number, most significant byte first. */
static inline void sy__put_u64(unsigned char to[8], uint64_t n)
{
    for (int i = 7; i >= 0; i--, n >>= 8)
        to[i] = (unsigned char)(n & 0xff);
}

#endif
