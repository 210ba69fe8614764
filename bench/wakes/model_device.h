/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that takes no time: what it computes is a multiplication, so all
 * that is measured around it is the way there and back. It announces each
 * operation by calling a function of the program, as devices do.
 *
 *   own    polled: the program's thread completes all that was submitted
 *   other  a thread on another CPU spins on a ring
 *
 * What was submitted is handed over by poll(), as many operations at once as
 * there are: one word written, as devices with a doorbell register want it.
 * One thread submits. The ring has room for every operation that can be in
 * flight.
 */
#ifndef SY_BENCH_MODEL_DEVICE_H
#define SY_BENCH_MODEL_DEVICE_H

#include "../micro/other_thread.h"
#include <memory>

namespace wakes
{
enum class placement { OWN, OTHER };

/* Lies on the stack of the job, which waits for done. */
struct operation {
    uint64_t input;
    uint64_t output;
    std::atomic<uint32_t> done;
};

/* What the device computes; 31 bits, to be the result of a job. */
inline int answer_to(uint64_t input)
{
    return static_cast<int>((input * 0x9e3779b97f4a7c15u) >> 33);
}

/* H is what a completion is announced by: a waker, a descriptor. */
template <class H> class model_device
{
  public:
    using announce_fn = void (*)(const H &how);
    static constexpr uint64_t ROOM = 1024;

    /* announce is called after the last access to the operation. */
    model_device(placement where, announce_fn announce) : announce_(announce)
    {
        if (where == placement::OTHER)
            thread_ = std::make_unique<measured::other_thread>(
                [this](const std::atomic<bool> &over) { serve(over); });
    }

    SY_ALWAYS_INLINE inline void submit(operation *op, const H &how)
    {
        ring_[submitted_++ % ROOM] = {op, how};
    }

    /* Hand over what was submitted; without a thread, complete it. */
    SY_ALWAYS_INLINE inline void poll()
    {
        /* pairs with the acquire in complete_all() */
        if (submitted_ != head_.value.load(std::memory_order_relaxed))
            head_.set(submitted_);
        if (thread_ == nullptr)
            complete_all();
    }

  private:
    struct entry {
        operation *op;
        H how;
    };

    void complete_all()
    {
        for (uint64_t head = head_.get(); tail_ < head; tail_++) {
            entry e = ring_[tail_ % ROOM];

            e.op->output = static_cast<uint64_t>(answer_to(e.op->input));
            /* pairs with the acquire of the job that waits */
            e.op->done.store(1, std::memory_order_release);
            announce_(e.how);
        }
    }

    void serve(const std::atomic<bool> &over)
    {
        while (!over.load(std::memory_order_relaxed))
            complete_all();
    }

    announce_fn announce_;
    uint64_t submitted_ = 0; /* the submitter's own */
    measured::signpost head_;
    alignas(SY_CACHE_LINE) uint64_t tail_ = 0;
    entry ring_[ROOM];
    std::unique_ptr<measured::other_thread> thread_; /* ends first */
};
} // namespace wakes

#endif
