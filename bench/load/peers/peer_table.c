/* SPDX-License-Identifier: Apache-2.0 */
#include "../peer.h"

#include <errno.h>
#include <stdio.h>

#define SY_PEER(id) extern const struct sy_peer_ops sy_peer_##id;
#include "peer_list.h"
#undef SY_PEER

#define SY_PEER(id) &sy_peer_##id,
static const struct sy_peer_ops *const peers[] = {
#include "peer_list.h"
    NULL,
};

const struct sy_peer_ops *const *sy_peer_table(void)
{
    return peers;
}

int sy_peer_probe(const struct sy_peer_ops *ops, const char **switches_by,
                  char *why, size_t why_bytes)
{
    *switches_by = "";
    if (why_bytes > 0)
        why[0] = '\0';
    if (ops->absent == NULL)
        return ops->probe(switches_by, why, why_bytes);
    (void)snprintf(why, why_bytes, "%s", ops->absent);
    return -ENOTSUP;
}
