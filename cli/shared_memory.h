/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that this command shares with another process of the same build. */
#ifndef SWITCHYARD_CLI_SHARED_MEMORY_H
#define SWITCHYARD_CLI_SHARED_MEMORY_H

#include <stddef.h>

/*
 * Make zeroed memory with a descriptor that an executed program does not
 * inherit unless FD_CLOEXEC is taken off.
 *
 * @name  shown in /proc
 * @fd    set to the descriptor, -1 on failure
 *
 * Returns the memory, or NULL with errno set.
 */
void *shared_memory_make(const char *name, size_t bytes, int *fd);

/* Unmap it and close the descriptor; NULL and -1 are allowed. */
void shared_memory_free(void *at, size_t bytes, int fd);

/*
 * In the other process: map what stands behind the descriptor whose number a
 * command line gave. It is closed.
 *
 * @fd_text  the number, in decimal
 * @least    bytes that there must be
 * @bytes    set to how many there are
 *
 * Returns the memory, or NULL: there is no such memory.
 */
void *shared_memory_open(const char *fd_text, size_t least, size_t *bytes);

#endif
