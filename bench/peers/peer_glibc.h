/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two ways of libc have in common. Contexts are pooled: a finished
 * job's context waits inside its entry function for the next one, so that only
 * the pool, and no start, pays for makecontext().
 *
 * HOP(from, to) saves the caller in from and continues to.
 */
#ifndef SY_BENCH_PEER_GLIBC_H
#define SY_BENCH_PEER_GLIBC_H

#include "../micro/measured_loops.h"
#include "peer_stacks.h"
#include "peers.h"
#include <cstring>
#include <ucontext.h>

namespace
{
template <class CONTEXT, void (*HOP)(CONTEXT *from, CONTEXT *to)>
struct parked_jobs {
    struct slot {
        CONTEXT context;
        void *top;
        int (*fn)(void *);
        void *arg;
        int result;
        bool finished;
        slot *link; /* in the pool */
        unsigned char args[128];
    };
    using job = slot *;

    static inline CONTEXT outside;
    static inline slot *current;
    static inline slot *pool;
    static inline std::vector<slot> slots;

    static void enter()
    {
        slot *self = current;

        HOP(&self->context, &outside); /* parked for the first job */
        for (;;) {
            self->result = self->fn(self->arg);
            self->finished = true;
            HOP(&self->context, &outside);
        }
    }

    /* The first entry, up to where the context is parked. */
    static void first_entry(slot *s)
    {
        static ucontext_t fresh;

        current = s;
        getcontext(&fresh);
        fresh.uc_stack.ss_sp = static_cast<char *>(s->top) - peers::STACK_BYTES;
        fresh.uc_stack.ss_size = peers::STACK_BYTES;
        fresh.uc_link = nullptr;
        makecontext(&fresh, enter, 0);
        enter_fresh(&fresh);
    }

    static void enter_fresh(ucontext_t *fresh);

    static std::string open(unsigned jobs)
    {
        slots = std::vector<slot>(jobs);
        pool = nullptr;
        for (slot &s : slots) {
            s.top = peers::map_stack();
            first_entry(&s);
            s.link = pool;
            pool = &s;
        }
        return "";
    }

    static void close()
    {
        for (slot &s : slots)
            peers::unmap_stack(s.top);
        slots.clear();
    }

    static bool run(slot *s, int *result)
    {
        current = s;
        HOP(&outside, &s->context);
        if (!s->finished)
            return true;
        *result = s->result;
        s->link = pool;
        pool = s;
        return false;
    }

    SY_ALWAYS_INLINE static inline bool
    start(job &j, int (*fn)(void *), const void *arg, size_t bytes, int *result)
    {
        slot *s = pool;

        pool = s->link;
        s->fn = fn;
        s->finished = false;
        s->arg = const_cast<void *>(arg);
        if (bytes != 0)
            s->arg = std::memcpy(s->args, arg, bytes);
        j = s;
        return run(s, result);
    }

    SY_ALWAYS_INLINE static inline bool resume(job &j, int *result)
    {
        return run(j, result);
    }

    SY_ALWAYS_INLINE static inline void pause()
    {
        HOP(&current->context, &outside);
    }

    static void prefetch(const job &j)
    {
        SY_PREFETCH(j);
        SY_PREFETCH(reinterpret_cast<const char *>(j) + SY_CACHE_LINE);
    }
};
} // namespace

#endif
