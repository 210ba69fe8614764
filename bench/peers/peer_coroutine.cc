/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A C++20 coroutine: stackless, so it pauses in its own body only, and depth 0
 * is all there is.
 */
#include "../micro/measured_loops.h"
#include "peers.h"
#include <coroutine>
#include <exception>

namespace
{
struct turns {
    struct promise_type {
        turns get_return_object()
        {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept
        {
            return {};
        }
        std::suspend_always final_suspend() noexcept
        {
            return {};
        }
        void return_void()
        {
        }
        void unhandled_exception()
        {
            std::terminate();
        }
    };
    std::coroutine_handle<promise_type> handle;
};

turns pause_for_ever_stackless()
{
    while (!stop.load(std::memory_order_relaxed))
        co_await std::suspend_always{};
}

std::coroutine_handle<> paused_coroutine;

std::string open_coroutine()
{
    stop = false;
    paused_coroutine = pause_for_ever_stackless().handle;
    paused_coroutine.resume();
    return "";
}

void close_coroutine()
{
    stop = true;
    paused_coroutine.resume();
    if (!paused_coroutine.done())
        measured::wrong_result("a coroutine did not finish");
    paused_coroutine.destroy();
}

void run_coroutine(uint64_t n)
{
    std::coroutine_handle<> handle = paused_coroutine;

    for (; n > 0; n--) {
        handle.resume();
        barrier();
    }
    if (handle.done())
        measured::wrong_result("a coroutine finished early");
}
} // namespace

void peers::add_coroutine(measured::scenarios &out)
{
    out.push_back({"swap", "c++20_coroutine", depth_params(0, 0), RUN_BATCH, 1,
                   open_coroutine, run_coroutine, nullptr, close_coroutine});
}
