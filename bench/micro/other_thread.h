/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads on two CPUs: the one that measures stays on one of them, a
 * helper on the other. Internal to bench.
 */
#ifndef SY_BENCH_OTHER_THREAD_H
#define SY_BENCH_OTHER_THREAD_H

#include "scenario.h"
#include <atomic>
#include <ctime>
#include <functional>
#include <switchyard/compiler.h>
#include <thread>

namespace measured
{
struct cpu_pair {
    int here;  /* the last that may be used: the first tends to have the
                  interrupts */
    int there; /* another one; -1: there is none */
};

/* Those that this process could use when it first asked. */
const cpu_pair &cpus();

/* Keep the calling thread on one CPU; on those that it began with. */
bool run_on(int cpu);
void run_anywhere();

/* "" if there are two CPUs and the calling thread is on cpus().here now, or
   why not. */
std::string take_two_cpus();

inline uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000000000u +
           static_cast<uint64_t>(now.tv_nsec);
}

/* A number that one thread writes and another waits for. */
struct alignas(SY_CACHE_LINE) signpost {
    std::atomic<uint64_t> value{0};

    void set(uint64_t v)
    {
        value.store(v, std::memory_order_release);
    }

    uint64_t get() const
    {
        return value.load(std::memory_order_acquire);
    }

    /* False: over became true first. No pause instruction: a hypervisor may
       take it for a reason to run another guest. */
    bool spin_until(uint64_t v, const std::atomic<bool> &over) const
    {
        while (get() < v) {
            if (over.load(std::memory_order_relaxed))
                return false;
        }
        return true;
    }
};

/* Let the time pass, on the CPU. */
inline void spin_for(uint64_t ns)
{
    uint64_t end = clock_ns(CLOCK_MONOTONIC) + ns;

    while (clock_ns(CLOCK_MONOTONIC) < end) {
    }
}

/* A thread on cpus().there for as long as the object lives. Its body returns
   once it sees that it is over; wake is called then, if it may sleep. */
class other_thread
{
  public:
    using body_fn = std::function<void(const std::atomic<bool> &over)>;

    explicit other_thread(body_fn body, std::function<void()> wake = nullptr)
        : wake_(std::move(wake)), thread_([this, run = std::move(body)] {
              if (!run_on(cpus().there))
                  wrong_result("the second CPU is gone");
              run(over_);
          })
    {
    }

    ~other_thread()
    {
        over_ = true;
        if (wake_)
            wake_();
        thread_.join();
    }

    other_thread(const other_thread &) = delete;
    other_thread &operator=(const other_thread &) = delete;

  private:
    std::atomic<bool> over_{false};
    std::function<void()> wake_;
    std::thread thread_;
};

/* A futex, so that what sleeps can be compared with it. */
void futex_wait(std::atomic<uint32_t> &word, uint32_t seen);
void futex_wake(std::atomic<uint32_t> &word);
} // namespace measured

#endif
