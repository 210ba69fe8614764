/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose a context is. The contexts of operations are the default provider's
 * own, so that its functions can be handed out unchanged; the few that are
 * replaced find here what they belong to. Any thread.
 */
#ifndef CONTEXT_TABLE_H
#define CONTEXT_TABLE_H

#include "instance.h"

/* Enter a context. Returns 1, or 0: no memory. */
int context_enter(const void *ctx, struct instance *instance, enum slot slot);

/* Find a context. Returns 1, or 0: not entered. */
int context_find(const void *ctx, struct instance **instance, enum slot *slot);

/* Take a context out, before it is freed. */
void context_remove(const void *ctx);

#endif
