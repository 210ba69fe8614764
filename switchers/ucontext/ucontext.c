/* SPDX-License-Identifier: Apache-2.0 */
/*
 * makecontext(3) and swapcontext(3). Each context has its own signal mask and
 * floating-point control words, at the price of one rt_sigprocmask call per
 * switch in glibc.
 */
#include <stdint.h>
#include <switchyard/switcher.h>
#include <ucontext.h>

struct uc_ctx {
    ucontext_t uc;
    sy_switcher_fn fn;
    void *arg;
    int value; /* for the call that control arrives in */
};

_Static_assert(sizeof(struct uc_ctx) <= SY_SWITCHER_CTX_MAX_BYTES,
               "a context is too large for the core");

static int uc_probe(char *why, size_t why_bytes)
{
    if (why_bytes > 0)
        why[0] = '\0';
    return 0;
}

/*
 * Each of the following is entered on one stack and left on another, or never.
 * ThreadSanitizer counts entries and exits per stack: SY_NO_TSAN.
 */

/* makecontext() passes ints; a pointer travels as two. */
SY_NO_TSAN static void uc_entry(unsigned int high, unsigned int low)
{
    struct uc_ctx *self =
        (struct uc_ctx *)(uintptr_t)(((uint64_t)high << 32) | low);
    struct uc_ctx *next;

    SY_ROOT_OF_STACK();
    next = sy_switcher_finished(self->fn(self->arg));
    next->value = 0;
    (void)setcontext(&next->uc);
}

SY_NO_TSAN static int uc_start(void *from, void *to, void *stack_top,
                               sy_switcher_fn fn, void *arg)
{
    struct uc_ctx *leaving = from;
    struct uc_ctx *job = to;
    uint64_t address = (uint64_t)(uintptr_t)job;

    /* Here and not in prepare: a job starts with the signal mask and the
       control words of who starts it now, not of who filled the pool. */
    (void)getcontext(&job->uc);
    /* Only the end of it is looked at. */
    job->uc.uc_stack.ss_sp = (char *)stack_top - SY_CACHE_LINE;
    job->uc.uc_stack.ss_size = SY_CACHE_LINE;
    job->uc.uc_link = NULL;
    job->fn = fn;
    job->arg = arg;
    makecontext(&job->uc, (void (*)(void))uc_entry, 2,
                (unsigned int)(address >> 32),
                (unsigned int)(address & UINT32_MAX));
    (void)swapcontext(&leaving->uc, &job->uc);
    return leaving->value;
}

SY_NO_TSAN static int uc_swap(void *from, void *to, int value)
{
    struct uc_ctx *leaving = from;
    struct uc_ctx *entered = to;

    entered->value = value;
    (void)swapcontext(&leaving->uc, &entered->uc);
    return leaving->value;
}

extern const struct sy_switcher_ops sy_switcher_ucontext;

const struct sy_switcher_ops sy_switcher_ucontext = {
    .abi = SY_SWITCHER_ABI,
    .caps = SY_SW_CAN_PAUSE | SY_SW_SAME_THREAD | SY_SW_OWN_STACK |
            SY_SW_KEEPS_SIGMASK | SY_SW_KEEPS_FPCTL,
    .name = "ucontext",
    .summary = "swapcontext(3); keeps signal mask and FP words, one system "
               "call per switch",
    .ctx_bytes = sizeof(struct uc_ctx),
    .probe = uc_probe,
    .start = uc_start,
    .swap = uc_swap,
};
