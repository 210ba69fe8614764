/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer "boost_fiber": Boost.Fiber as its documentation tells users to
 * combine it with callbacks from other threads ("Integrating Fibers with
 * Asynchronous Callbacks"):
 *
 * - one fiber for each operation, begun at once (launch::dispatch), on a stack
 *   from Boost's pool, without guards;
 * - a promise for each wait. The callback owns it and fulfils it, the fiber
 *   waits for its future. On another thread this puts the fiber on the
 *   scheduler's remote queue and notifies the scheduling algorithm, under a
 *   lock whether it sleeps or not;
 * - the default algorithm, round_robin, which sleeps on a condition variable;
 * - ended fibers go through a buffered_channel to the main fiber, which takes
 *   their results and starts the next.
 *
 * A promise allocates: of each wait that is one malloc and one free. A flag
 * and a condition variable kept for each job would do without; a scheduling
 * algorithm written for the purpose could do without the lock too. Neither is
 * what a user of the library begins with.
 */
#include <boost/fiber/buffered_channel.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/future/future.hpp>
#include <boost/fiber/future/promise.hpp>
#include <boost/fiber/operations.hpp>
#include <boost/fiber/pooled_fixedsize_stack.hpp>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "../../peer.h"
#include "boost_fiber_peer.h"

namespace
{
namespace fibers = boost::fibers;

/* Lives from start until its end has been taken from the channel. */
struct fiber_job {
    void *user;
    int result = 0;
    std::optional<fibers::promise<void>> promise;
    fibers::future<void> woken;
};

/* A channel is full with one place free, and takes a power of two. */
std::size_t room_for(unsigned jobs)
{
    std::size_t room = 2;

    while (room <= jobs)
        room *= 2;
    return room;
}

struct scheduler {
    explicit scheduler(const sy_peer_config &config)
        : cfg(config),
          stacks(config.stack_bytes != 0
                     ? config.stack_bytes
                     : boost::context::stack_traits::default_size()),
          ended(room_for(config.jobs))
    {
    }

    sy_peer_config cfg;
    fibers::pooled_fixedsize_stack stacks;
    fibers::buffered_channel<fiber_job *> ended;
    int resumed = 0; /* since the last run */
};

scheduler &scheduler_of(void *state)
{
    return *static_cast<scheduler *>(state);
}

fiber_job &job_of(void *job)
{
    return *static_cast<fiber_job *>(job);
}

int probe(const char **switches_by, char *, std::size_t)
{
#ifdef BOOST_USE_UCONTEXT
    *switches_by = "ucontext";
#else
    *switches_by = "fcontext";
#endif
    return 0;
}

int open_peer(void *state, const sy_peer_config *cfg) noexcept
{
    static_assert(alignof(scheduler) <= alignof(std::max_align_t));
    try {
        new (state) scheduler(*cfg);
    } catch (const std::bad_alloc &) {
        return -ENOMEM;
    }
    return 0;
}

void close_peer(void *state) noexcept
{
    scheduler_of(state).~scheduler();
}

int start(void *state, void *job, void *user) noexcept
{
    static_assert(alignof(fiber_job) <= alignof(std::max_align_t));
    scheduler &s = scheduler_of(state);
    fiber_job *j = new (job) fiber_job{user, 0, std::nullopt, {}};

    try {
        fibers::fiber(fibers::launch::dispatch, std::allocator_arg, s.stacks,
                      [&s, j] {
                          j->result = s.cfg.body(j->user);
                          s.ended.push(j);
                      })
            .detach();
    } catch (const std::bad_alloc &) {
        j->~fiber_job();
        return -ENOMEM;
    }
    return 0;
}

void take_end(scheduler &s, fiber_job *j)
{
    void *user = j->user;
    int result = j->result;

    j->~fiber_job();
    s.cfg.ended(user, result);
}

int run(void *state, std::uint64_t sleep_ns) noexcept
{
    constexpr auto success = fibers::channel_op_status::success;
    scheduler &s = scheduler_of(state);
    fiber_job *j = nullptr;
    int ends = 0;

    /* Who is ready goes first. Below, only an end wakes the main fiber: jobs
       that a device without threads has made ready must not wait for that. */
    boost::this_fiber::yield();
    if (sleep_ns != 0 && s.resumed == 0 &&
        s.ended.pop_wait_for(j, std::chrono::nanoseconds(sleep_ns)) ==
            success) {
        take_end(s, j);
        ends++;
    }
    for (; s.ended.try_pop(j) == success; ends++)
        take_end(s, j);
    return std::exchange(s.resumed, 0) + ends;
}

int arm(void *, void *job) noexcept
{
    fiber_job &j = job_of(job);

    try {
        j.woken = j.promise.emplace().get_future();
    } catch (const std::bad_alloc &) {
        return -ENOMEM;
    }
    return 0;
}

int pause_job(void *state, void *job) noexcept
{
    job_of(job).woken.get();
    scheduler_of(state).resumed++;
    return 0;
}

void wake(void *job) noexcept
{
    /* Out of the job, which may end before set_value() returns. */
    fibers::promise<void> promise = std::move(*job_of(job).promise);

    promise.set_value();
}
} // namespace

extern "C" {
extern const sy_peer_ops sy_peer_boost_fiber;

const sy_peer_ops sy_peer_boost_fiber = {
    .name = BOOST_FIBER_NAME,
    .summary = BOOST_FIBER_SUMMARY,
    .absent = nullptr,
    .state_bytes = sizeof(scheduler),
    .job_bytes = sizeof(fiber_job),
    .probe = probe,
    .open = open_peer,
    .close = close_peer,
    .start = start,
    .run = run,
    .arm = arm,
    .pause = pause_job,
    .wake = wake,
};
}
