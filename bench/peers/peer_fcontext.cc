/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boost.Context's fcontext at its leanest: one word for a paused job, one for
 * who resumed it, pooled stacks, no job layer. It keeps the floating-point
 * control words, as Debian builds it.
 */
#include "../micro/measured_loops.h"
#include "peer_stacks.h"
#include "peers.h"
#include <boost/context/detail/fcontext.hpp>
#include <cstring>

namespace
{
namespace ctx = boost::context::detail;

struct fcontext_jobs {
    struct job {
        ctx::fcontext_t at; /* where it paused */
    };

    struct slot {
        void *top;
        int (*fn)(void *);
        void *arg;
        int result;
        slot *link; /* in the pool */
        unsigned char args[128];
    };

    static inline ctx::fcontext_t outside;
    static inline std::vector<slot> slots;
    static inline slot *pool;

    static std::string open(unsigned jobs)
    {
        slots = std::vector<slot>(jobs);
        pool = nullptr;
        for (slot &s : slots) {
            s.top = peers::map_stack();
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

    static void enter(ctx::transfer_t from)
    {
        slot *s = static_cast<slot *>(from.data);

        outside = from.fctx;
        s->result = s->fn(s->arg);
        (void)ctx::jump_fcontext(outside, s);
    }

    /* Control is back from a job: with its slot, if it has finished. */
    static bool came_back(job &j, ctx::transfer_t from, int *result)
    {
        slot *s = static_cast<slot *>(from.data);

        if (s == nullptr) {
            j.at = from.fctx;
            return true;
        }
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
        s->arg = const_cast<void *>(arg);
        if (bytes != 0)
            s->arg = std::memcpy(s->args, arg, bytes);
        return came_back(
            j,
            ctx::jump_fcontext(
                ctx::make_fcontext(s->top, peers::STACK_BYTES, enter), s),
            result);
    }

    SY_ALWAYS_INLINE static inline bool resume(job &j, int *result)
    {
        return came_back(j, ctx::jump_fcontext(j.at, nullptr), result);
    }

    SY_ALWAYS_INLINE static inline void pause()
    {
        outside = ctx::jump_fcontext(outside, nullptr).fctx;
    }

    static void prefetch(const job &j)
    {
        SY_PREFETCH(j.at);
        SY_PREFETCH(static_cast<const char *>(j.at) + SY_CACHE_LINE);
    }
};
} // namespace

void peers::add_fcontext(measured::scenarios &out)
{
    add_pairs<fcontext_jobs>(out, "swap", "fcontext", select_nothing);
    add_many<fcontext_jobs>(out, "fcontext", select_nothing, 10000);
    add_lives<fcontext_jobs>(out, "fcontext", select_nothing, true);
}
