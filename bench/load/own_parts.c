/* SPDX-License-Identifier: Apache-2.0 */
#include "own_parts.h"

#include <string.h>

#include "peer.h"

/* Each table is a list of pointers with a NULL behind the last; only the
   types differ. A part that there is not is not missing either. */
#define REPLACE(part, table, missing)                                          \
    do {                                                                       \
        size_t i_ = 0;                                                         \
        if ((part) == NULL)                                                    \
            break;                                                             \
        while ((table)[i_] != NULL &&                                          \
               strcmp((table)[i_]->name, (part)->name) != 0)                   \
            i_++;                                                              \
        if ((table)[i_] != NULL)                                               \
            (part) = (table)[i_];                                              \
        else                                                                   \
            (missing)++;                                                       \
    } while (0)

unsigned sy_own_parts(struct sy_experiment *exp)
{
    unsigned missing = 0, i;

    REPLACE(exp->switcher, sy_switcher_table(), missing);
    REPLACE(exp->engine, sy_engine_table(), missing);
    REPLACE(exp->peer, sy_peer_table(), missing);
    REPLACE(exp->device_ops, sy_device_table(), missing);
    for (i = 0; i < exp->mix_count; i++)
        REPLACE(exp->mix[i].ops, sy_workload_table(), missing);
    return missing;
}
