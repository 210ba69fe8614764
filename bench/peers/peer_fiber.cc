/* SPDX-License-Identifier: Apache-2.0 */
/* boost::context::fiber, the interface that Boost.Context offers to programs,
   with pooled stacks. */
#include "../micro/measured_loops.h"
#include "peer_stacks.h"
#include "peers.h"
#include <array>
#include <boost/context/fiber.hpp>
#include <cstring>

namespace
{
namespace ctx = boost::context;

std::vector<void *> fiber_stacks;

struct pooled_stacks {
    ctx::stack_context allocate()
    {
        ctx::stack_context sctx;

        sctx.size = peers::STACK_BYTES;
        sctx.sp = fiber_stacks.back();
        fiber_stacks.pop_back();
        return sctx;
    }

    void deallocate(ctx::stack_context &sctx)
    {
        fiber_stacks.push_back(sctx.sp);
    }
};

struct fiber_jobs {
    struct job {
        ctx::fiber fiber;
    };

    static inline ctx::fiber outside;
    static inline int finished_result;

    static std::string open(unsigned jobs)
    {
        for (unsigned i = 0; i < jobs; i++)
            fiber_stacks.push_back(peers::map_stack());
        return "";
    }

    static void close()
    {
        for (void *top : fiber_stacks)
            peers::unmap_stack(top);
        fiber_stacks.clear();
    }

    static bool came_back(job &j, int *result)
    {
        if (j.fiber)
            return true;
        *result = finished_result;
        return false;
    }

    SY_ALWAYS_INLINE static inline bool
    start(job &j, int (*fn)(void *), const void *arg, size_t bytes, int *result)
    {
        if (bytes == 64) {
            std::array<unsigned char, 64> args;

            std::memcpy(args.data(), arg, args.size());
            j.fiber = ctx::fiber(std::allocator_arg, pooled_stacks(),
                                 [fn, args](ctx::fiber &&from) mutable {
                                     outside = std::move(from);
                                     finished_result = fn(args.data());
                                     return std::move(outside);
                                 });
        } else {
            j.fiber = ctx::fiber(std::allocator_arg, pooled_stacks(),
                                 [fn, arg](ctx::fiber &&from) {
                                     outside = std::move(from);
                                     finished_result =
                                         fn(const_cast<void *>(arg));
                                     return std::move(outside);
                                 });
        }
        j.fiber = std::move(j.fiber).resume();
        return came_back(j, result);
    }

    SY_ALWAYS_INLINE static inline bool resume(job &j, int *result)
    {
        j.fiber = std::move(j.fiber).resume();
        return came_back(j, result);
    }

    SY_ALWAYS_INLINE static inline void pause()
    {
        outside = std::move(outside).resume();
    }

    static void prefetch(const job &j)
    {
        const void *at;

        /* A fiber is one word, where it paused, and does not show it. */
        static_assert(sizeof(at) == sizeof(j.fiber), "fiber is one word");
        std::memcpy(&at, static_cast<const void *>(&j.fiber), sizeof(at));
        SY_PREFETCH(at);
        SY_PREFETCH(static_cast<const char *>(at) + SY_CACHE_LINE);
    }
};
} // namespace

void peers::add_fiber(measured::scenarios &out)
{
    add_pairs<fiber_jobs>(out, "swap", "boost_fiber", select_nothing);
    add_many<fiber_jobs>(out, "boost_fiber", select_nothing, 10000);
    add_lives<fiber_jobs>(out, "boost_fiber", select_nothing, true);
}
