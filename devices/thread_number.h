/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small numbers for the threads that use devices, so that each has counters
 * and a lane of its own: the lowest number that no living thread has, given
 * back when the thread ends.
 */
#ifndef THREAD_NUMBER_H
#define THREAD_NUMBER_H

#include <switchyard/compiler.h>

/* Threads beyond so many at once share numbers from here on. */
#define SY__THREAD_NUMBERS 64

/* The calling thread's number + 1; 0 until it has one. */
extern _Thread_local unsigned sy__thread_number_plus_1;

unsigned sy__thread_number_take(void);

/* Return the calling thread's number: below SY__THREAD_NUMBERS it has that
   number alone. */
static inline unsigned sy__thread_number(void)
{
    unsigned plus_1 = sy__thread_number_plus_1;

    return SY_LIKELY(plus_1 != 0) ? plus_1 - 1 : sy__thread_number_take();
}

#endif
