/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds with SY_CHECK_LEAKS end the program when a switch between jobs carries
 * a changed signal mask or floating-point control word with it. In others all
 * of this is empty.
 */
#ifndef SY_LEAK_CHECK_H
#define SY_LEAK_CHECK_H

#include "core.h"

#if SY_CHECK_LEAKS
/* Have the switches of a runtime watched; its switcher is known. */
void sy__leaks_watch(struct sy_runtime *rt);
/* A job begins, on the thread that it runs on, and this is its function. */
void sy__leaks_runs(sy_job_fn fn);
/* A fork gave the thread a new state. */
void sy__leaks_inherit(struct sy__thread *state, const struct sy__thread *old);
#else
static inline void sy__leaks_watch(struct sy_runtime *rt)
{
    (void)rt;
}

static inline void sy__leaks_runs(sy_job_fn fn)
{
    (void)fn;
}

static inline void sy__leaks_inherit(struct sy__thread *state,
                                     const struct sy__thread *old)
{
    (void)state, (void)old;
}
#endif

#endif
