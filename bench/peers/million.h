/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Very many paused jobs at once, each with its own guarded stack.
 */
#ifndef SY_BENCH_MILLION_H
#define SY_BENCH_MILLION_H

#include <cstdint>
#include <string>

namespace peers
{
struct million {
    char switcher[32];
    char guard[32];     /* how the stacks are guarded */
    uint64_t wanted;    /* jobs */
    uint64_t jobs;      /* paused at once */
    uint64_t right;     /* finished with the right result */
    double create_s;    /* runtime with as many guarded stacks */
    double start_s;     /* all started, up to their pause */
    double resume_s;    /* all resumed to their end */
    double rss_per_job; /* bytes resident while all are paused */
    uint64_t maps;      /* lines of /proc/self/maps meanwhile */
    int err;            /* 0, or why there were fewer jobs */
    char what[32];      /* the call that returned it */
};

/* Do it in a process of its own, under the first switcher that works. Returns
   "" or why there is no result. */
std::string run_million(million &out, uint64_t jobs);
} // namespace peers

#endif
