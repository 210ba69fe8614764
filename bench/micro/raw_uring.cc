/* SPDX-License-Identifier: Apache-2.0 */
/* A no-op through io_uring, one at a time and 32 for each call: what a
   completion through a ring costs at least. */
#include "scenario.h"
#include <cstring>
#include <liburing.h>

namespace
{
struct io_uring ring;

std::string open_ring(unsigned entries)
{
    struct io_uring_params params = {};
    int err;

#ifdef IORING_SETUP_DEFER_TASKRUN
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    err = io_uring_queue_init_params(entries, &ring, &params);
    if (err != -EINVAL)
        return err == 0 ? "" : std::string("io_uring: ") + std::strerror(-err);
#endif
    params = {}; /* an older kernel */
    err = io_uring_queue_init_params(entries, &ring, &params);
    return err == 0 ? "" : std::string("io_uring: ") + std::strerror(-err);
}

void run_nops(uint64_t n, unsigned batch)
{
    uint64_t number = 0;

    for (; n > 0; n -= batch) {
        struct io_uring_cqe *cqe;
        unsigned head, seen = 0;

        for (unsigned i = 0; i < batch; i++) {
            struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

            io_uring_prep_nop(sqe);
            sqe->user_data = number + i;
        }
        if (io_uring_submit_and_wait(&ring, batch) != static_cast<int>(batch))
            measured::wrong_result("io_uring took fewer operations");
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            if (cqe->res != 0 || cqe->user_data != number + seen)
                measured::wrong_result("io_uring completed something else");
            seen++;
        }
        if (seen != batch)
            measured::wrong_result("io_uring lost a completion");
        io_uring_cq_advance(&ring, seen);
        number += seen;
    }
}
} // namespace

void measured::add_raw_uring(scenarios &out, notices &notes)
{
    std::string why = open_ring(1);

    if (!why.empty()) {
        notes.push_back("raw/io_uring_nop: " + why);
        return;
    }
    io_uring_queue_exit(&ring);
    for (unsigned batch : {1u, 32u})
        out.push_back({"raw", "io_uring_nop", "batch:" + std::to_string(batch),
                       batch == 1 ? 64u : batch, 1,
                       [batch] { return open_ring(batch); },
                       [batch](uint64_t n) { run_nops(n, batch); }, nullptr,
                       [] { io_uring_queue_exit(&ring); }});
}
