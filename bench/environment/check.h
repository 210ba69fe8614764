/* SPDX-License-Identifier: Apache-2.0 */
/* For the check_*.c: what they define, and how they say what they found. */
#ifndef SY_BENCH_CHECK_H
#define SY_BENCH_CHECK_H

#include <switchyard/compiler.h>

#include "checkup.h"

#define SY_CHECK(name, title)                                                  \
    void sy__check_##name(const struct sy_checkup *, struct sy_finding *);
#include "check_list.h"
#undef SY_CHECK

/* Set the state, and what was found. */
void sy__find(struct sy_finding *finding, enum sy_check_state state,
              const char *format, ...) SY_PRINTF(3, 4);

/* Set what it does to results and how to change it. */
void sy__advise(struct sy_finding *finding, const char *effect,
                const char *remedy);

/* Set: not known, for what could not be read, with the errno's words. */
void sy__not_known(struct sy_finding *finding, const char *what, int err);

#endif
