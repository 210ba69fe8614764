/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's ASYNC_JOB, as its manual page uses it. */
#include "../micro/measured_loops.h"
#include "peers.h"
#include <openssl/async.h>

namespace
{
struct openssl_jobs {
    using job = ASYNC_JOB *;

    static inline ASYNC_WAIT_CTX *wait;

    static std::string open(unsigned jobs)
    {
        wait = ASYNC_WAIT_CTX_new();
        if (wait == nullptr || ASYNC_init_thread(jobs, jobs) != 1)
            return "ASYNC_init_thread failed";
        return "";
    }

    static void close()
    {
        ASYNC_cleanup_thread();
        ASYNC_WAIT_CTX_free(wait);
    }

    SY_ALWAYS_INLINE static inline bool ran(int status)
    {
        if (SY_UNLIKELY(status != ASYNC_PAUSE && status != ASYNC_FINISH))
            measured::wrong_result("ASYNC_start_job failed");
        return status == ASYNC_PAUSE;
    }

    SY_ALWAYS_INLINE static inline bool
    start(job &j, int (*fn)(void *), const void *arg, size_t bytes, int *result)
    {
        j = nullptr;
        return ran(ASYNC_start_job(&j, wait, result, fn,
                                   const_cast<void *>(arg), bytes));
    }

    SY_ALWAYS_INLINE static inline bool resume(job &j, int *result)
    {
        return ran(ASYNC_start_job(&j, wait, result, nullptr, nullptr, 0));
    }

    SY_ALWAYS_INLINE static inline void pause()
    {
        (void)ASYNC_pause_job();
    }

    static void prefetch(const job &j)
    {
        SY_PREFETCH(j);
        SY_PREFETCH(reinterpret_cast<const char *>(j) + SY_CACHE_LINE);
    }
};
} // namespace

void peers::add_openssl(measured::scenarios &out)
{
    add_pairs<openssl_jobs>(out, "pair", "openssl", select_nothing);
    add_many<openssl_jobs>(out, "openssl", select_nothing, 10000);
    add_lives<openssl_jobs>(out, "openssl", select_nothing, true);
}
