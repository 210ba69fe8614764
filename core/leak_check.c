/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signal mask and the floating-point control words belong to the thread,
 * and most switchers leave them as they are. So what one side of a switch
 * changes, the other side has to live with.
 *
 * Each side reads them before it switches away, and again when it has control
 * back: what differs then is a leak of somebody else's. That is right for every
 * switcher, for it asks what has happened and not what was promised: who has
 * its words kept for it never sees a difference.
 *
 * All of it stands between the core and the switcher's own hooks. A program
 * that is bound to a switcher (bind/bound.h) calls these itself, and is not
 * watched where it does.
 */
#include "leak_check.h"

#if SY_CHECK_LEAKS
#include <dlfcn.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct words {
    uint64_t signal_mask;
    uint32_t fp[SY_FP_WORDS];
};

static const char *const fp_names[SY_FP_WORDS] = {SY_FP_WORD_NAMES};

/*
 * ThreadSanitizer is between two fibers when we come here, and must not look at
 * anything. The signal mask is not looked at under it: it delivers the signals
 * that it had held back with all of them blocked, and when another one comes in
 * while it begins to do so, it leaves the thread with all of them blocked.
 */
SY_NO_TSAN static void read_words(struct words *words)
{
    words->signal_mask = 0;
#if !SY_TSAN
    (void)syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &words->signal_mask,
                  sizeof(words->signal_mask));
#endif
    SY_READ_FP_WORDS(words->fp);
}

/* ---- saying so --------------------------------------------------------- */

/* The function and, as far as the dynamic linker knows, its name; else where
   addr2line finds it. */
static void print_function(sy_job_fn fn)
{
    void *address = (void *)(uintptr_t)fn;
    Dl_info info;

    fprintf(stderr, "job function %p", address);
    if (dladdr(address, &info) == 0)
        return;
    if (info.dli_saddr == address)
        fprintf(stderr, " (%s)", info.dli_sname);
    else
        fprintf(stderr, " (%s+%#tx)", info.dli_fname,
                (char *)address - (char *)info.dli_fbase);
}

/* How control came back. */
struct arrival {
    sy_job_fn theirs; /* who had it; NULL: code outside jobs */
    sy_job_fn mine;   /* who has it now */
    bool resumed;     /* mine had paused and was resumed */
    int state;        /* if not: what has become of theirs, enum sy_job_state */
};

static void report(const struct arrival *arrival, const char *what,
                   uint64_t before, uint64_t now)
{
    fprintf(stderr, "switchyard: leak: ");
    if (arrival->theirs != NULL)
        print_function(arrival->theirs);
    else
        fprintf(stderr, "code outside jobs");
    if (arrival->resumed) {
        fprintf(stderr, " resumed ");
        print_function(arrival->mine);
        fprintf(stderr, " with another value of %s than it paused with", what);
    } else {
        fprintf(stderr, " %s with %s changed",
                arrival->state == SY_JOB_PAUSED ? "paused" : "finished", what);
    }
    fprintf(stderr, ": %#" PRIx64 " before, %#" PRIx64 " now\n", before, now);
}

static void compare(const struct words *before, const struct words *now,
                    const struct arrival *arrival)
{
    bool same = before->signal_mask == now->signal_mask;

    if (!same)
        report(arrival, "the signal mask", before->signal_mask,
               now->signal_mask);
    for (size_t i = 0; i < SY_FP_WORDS; i++) {
        if (before->fp[i] != now->fp[i]) {
            same = false;
            report(arrival, fp_names[i], before->fp[i], now->fp[i]);
        }
    }
    if (!same)
        abort();
}

/* ---- watching ---------------------------------------------------------- */

/* Control is back. Whoever had it has left the name of its function. */
SY_NO_TSAN static void arrive(const struct words *before,
                              struct arrival arrival)
{
    struct sy__thread *self = sy__self(); /* a new one if we have forked */
    struct words now;

    arrival.theirs = self->running;
    self->running = arrival.mine;
    read_words(&now);
    compare(before, &now, &arrival);
}

/* The core has made the side that continues the current one already. */
static const struct sy_switcher_ops *switcher(void)
{
    return sy_bind_self->current->rt->sw;
}

SY_NO_TSAN static int watched_start(void *from, void *to, void *stack_top,
                                    sy_switcher_fn fn, void *arg)
{
    sy_job_fn mine = sy__self()->running;
    struct words before;
    int value;

    read_words(&before);
    sy__self()->running = fn;
    value = switcher()->start(from, to, stack_top, fn, arg);
    arrive(&before, (struct arrival){.mine = mine, .state = value});
    return value;
}

SY_NO_TSAN static int watched_swap(void *from, void *to, int value)
{
    sy_job_fn mine = sy__self()->running;
    bool pauses = value == SY_JOB_PAUSED; /* and does not resume */
    struct words before;

    read_words(&before);
    value = switcher()->swap(from, to, value);
    arrive(&before,
           (struct arrival){.mine = mine, .resumed = pauses, .state = value});
    return value;
}

void sy__leaks_watch(struct sy_runtime *rt)
{
    rt->hot.start = watched_start;
    rt->hot.swap = watched_swap;
}

void sy__leaks_runs(sy_job_fn fn)
{
    sy__self()->running = fn;
}

void sy__leaks_inherit(struct sy__thread *state, const struct sy__thread *old)
{
    state->running = old->running;
}
#endif
