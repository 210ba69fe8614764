/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread for the job, and a futex that says whose turn it is. Both threads
 * inherit the program's one CPU.
 */
#include "../micro/measured_loops.h"
#include "peers.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace
{
enum turn : uint32_t { TURN_OUTSIDE, TURN_JOB };

struct futex_jobs {
    struct job {
        pthread_t thread;
    };

    static inline std::atomic<uint32_t> whose;
    static inline int (*fn)(void *);
    static inline int result;
    static inline bool finished;

    static_assert(sizeof(whose) == sizeof(uint32_t), "a futex is 32 bits");

    static void hand_over(turn to, turn back)
    {
        /* release and acquire pair with each other across the two threads */
        whose.store(to, std::memory_order_release);
        syscall(SYS_futex, &whose, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
        while (whose.load(std::memory_order_acquire) != back)
            syscall(SYS_futex, &whose, FUTEX_WAIT_PRIVATE, to, nullptr, nullptr,
                    0);
    }

    static void *enter(void *)
    {
        while (whose.load(std::memory_order_acquire) != TURN_JOB)
            syscall(SYS_futex, &whose, FUTEX_WAIT_PRIVATE, TURN_OUTSIDE,
                    nullptr, nullptr, 0);
        result = fn(nullptr);
        finished = true;
        whose.store(TURN_OUTSIDE, std::memory_order_release);
        syscall(SYS_futex, &whose, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
        return nullptr;
    }

    static std::string open(unsigned)
    {
        whose = TURN_OUTSIDE;
        finished = false;
        return "";
    }

    static void close()
    {
    }

    static bool start(job &j, int (*f)(void *), const void *, size_t, int *r)
    {
        fn = f;
        if (pthread_create(&j.thread, nullptr, enter, nullptr) != 0)
            measured::wrong_result("pthread_create failed");
        return resume(j, r);
    }

    static bool resume(job &j, int *r)
    {
        hand_over(TURN_JOB, TURN_OUTSIDE);
        if (!finished)
            return true;
        pthread_join(j.thread, nullptr);
        *r = result;
        return false;
    }

    static void pause()
    {
        hand_over(TURN_OUTSIDE, TURN_JOB);
    }
};
} // namespace

void peers::add_futex(measured::scenarios &out)
{
    add_pairs<futex_jobs>(out, "swap", "futex_threads", select_nothing);
}
