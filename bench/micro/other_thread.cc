/* SPDX-License-Identifier: Apache-2.0 */
#include "other_thread.h"
#include <climits>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace
{
struct found {
    cpu_set_t usable;
    measured::cpu_pair pair;
};

found look()
{
    found f = {{}, {0, -1}};
    int last = -1, before = -1;

    CPU_ZERO(&f.usable);
    (void)sched_getaffinity(0, sizeof(f.usable), &f.usable);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &f.usable)) {
            before = last;
            last = i;
        }
    }
    f.pair = {last < 0 ? 0 : last, before};
    return f;
}

const found &first_look()
{
    static const found f = look();

    return f;
}
} // namespace

const measured::cpu_pair &measured::cpus()
{
    return first_look().pair;
}

bool measured::run_on(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(cpu), &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0;
}

void measured::run_anywhere()
{
    (void)sched_setaffinity(0, sizeof(cpu_set_t), &first_look().usable);
}

std::string measured::take_two_cpus()
{
    if (cpus().there < 0)
        return "needs two CPUs";
    return run_on(cpus().here) ? "" : "cannot be kept on one CPU";
}

void measured::futex_wait(std::atomic<uint32_t> &word, uint32_t seen)
{
    (void)syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr,
                  0);
}

void measured::futex_wake(std::atomic<uint32_t> &word)
{
    (void)syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr,
                  nullptr, 0);
}
