/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of an experiment that belong to this copy of the library. A
 * program may hold a second copy, linked elsewhere: then the tables of each
 * name parts at other addresses.
 */
#ifndef SY_BENCH_OWN_PARTS_H
#define SY_BENCH_OWN_PARTS_H

#include "experiment.h"

/*
 * Replace the switcher, engine, peer, workloads and device of an experiment by
 * those of the same names in the tables of the copy that this function is in.
 *
 * Returns how many are in no table, because they were loaded from files. They
 * stay as they are.
 */
unsigned sy_own_parts(struct sy_experiment *exp);

#endif
