/* SPDX-License-Identifier: Apache-2.0 */
#include "thread_number.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

_Thread_local unsigned sy__thread_number_plus_1;

static _Atomic uint64_t taken; /* a bit for each number */
static _Atomic unsigned shared_next;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int has_key;

static void give_back(void *plus_1)
{
    unsigned number = (unsigned)(uintptr_t)plus_1 - 1;

    sy__thread_number_plus_1 = 0;
    /* pairs with the acquire in take_lowest(): what this thread counted under
       the number is seen by who counts on */
    if (number < SY__THREAD_NUMBERS)
        atomic_fetch_and_explicit(&taken, ~(UINT64_C(1) << number),
                                  memory_order_release);
}

static void make_key(void)
{
    has_key = pthread_key_create(&key, give_back) == 0;
}

static unsigned take_lowest(void)
{
    uint64_t seen = atomic_load_explicit(&taken, memory_order_relaxed);

    while (seen != UINT64_MAX) {
        unsigned number = 0;

        while ((seen & (UINT64_C(1) << number)) != 0)
            number++;
        /* pairs with the release in give_back() */
        if (atomic_compare_exchange_weak_explicit(
                &taken, &seen, seen | UINT64_C(1) << number,
                memory_order_acquire, memory_order_relaxed))
            return number;
    }
    return SY__THREAD_NUMBERS +
           atomic_fetch_add_explicit(&shared_next, 1, memory_order_relaxed) %
               SY__THREAD_NUMBERS;
}

SY_NOINLINE unsigned sy__thread_number_take(void)
{
    unsigned number = take_lowest();

    sy__thread_number_plus_1 = number + 1;
    pthread_once(&once, make_key);
    /* Without a key, or no memory for its value, the number is not given back:
       later threads share theirs earlier. */
    if (has_key)
        (void)pthread_setspecific(key, (void *)(uintptr_t)(number + 1));
    return number;
}
