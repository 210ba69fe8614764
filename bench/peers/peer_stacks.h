/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks for switchers that bring none: of the size of Switchyard's, with a
 * guard page like Switchyard's, mapped one by one as protected stacks usually
 * are, and kept.
 */
#ifndef SY_BENCH_PEER_STACKS_H
#define SY_BENCH_PEER_STACKS_H

#include "../micro/scenario.h"
#include <sys/mman.h>
#include <unistd.h>

namespace peers
{
constexpr size_t STACK_BYTES = 64 * 1024;

/* Returns the end of the stack. */
inline void *map_stack()
{
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    void *low =
        mmap(nullptr, page + STACK_BYTES, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

    if (low == MAP_FAILED || mprotect(low, page, PROT_NONE) != 0)
        measured::wrong_result("a peer's stack could not be mapped");
    return static_cast<char *>(low) + page + STACK_BYTES;
}

inline void unmap_stack(void *top)
{
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));

    munmap(static_cast<char *>(top) - STACK_BYTES - page, page + STACK_BYTES);
}
} // namespace peers

#endif
