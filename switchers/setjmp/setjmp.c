/* SPDX-License-Identifier: Apache-2.0 */
/*
 * _setjmp and _longjmp, which save no signal mask. The C library has no call
 * that puts a new stack under a function, but a signal handler can run on one
 * (sigaltstack). So prepare() lets a handler run on the stack, where it saves
 * its place and returns; starting a job is a jump to that place.
 *
 *   prepare   block all signals, make the stack the alternative one, send
 *             ourselves a signal; the handler does _setjmp(boot) and returns
 *             normally; put everything back as it was
 *   start     _longjmp(boot): the handler's frame is alive again, and calls
 *             the job; it never returns
 *   finished  _longjmp to who continues; boot stays good for the next job
 *
 * The frame at boot has been returned from, so nothing in it may be relied
 * on. It has one variable, and start() writes that afresh each time: the
 * stack may have been wiped or its pages given back since.
 *
 * prepare() makes eleven system calls. The rest makes none.
 */
#include "../shadow_stack.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/switcher.h>
#include <ucontext.h>
#include <unistd.h>

struct sj_ctx {
    jmp_buf env;  /* where this flow paused */
    jmp_buf boot; /* in the handler's frame */
    /* The variable of that frame: which context it belongs to. */
    struct sj_ctx *volatile *frame_self;
    ucontext_t *interrupted; /* above that frame, until the first start */
    sy_switcher_fn fn;
    void *arg;
    int value; /* for the call that control arrives in */
};

/* What must be left for the job when the kernel has put a signal frame on the
   stack: 3.5 KiB of registers with AVX-512, 11 KiB with AMX. */
#define JOB_ROOM_BYTES 4096u

/* For a C library that does not know _SC_MINSIGSTKSZ: what it was when it was
   a constant. */
#define SIGNAL_BYTES_MIN 2048

/*
 * The disposition of a signal belongs to the process, so one thread at a time
 * borrows it. Both of these are touched by prepare() and at fork only.
 */
static pthread_mutex_t boot_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sj_ctx *_Atomic boot_ctx;

/*
 * Reserved for us while prepare() runs. Not one of the last: valgrind and
 * qemu-user keep these for themselves.
 */
static int boot_signal(void)
{
    return SIGRTMAX - 5;
}

#if SY_TSAN
static int sj_probe(char *why, size_t why_bytes)
{
    (void)snprintf(why, why_bytes,
                   "ThreadSanitizer keeps jump buffers by thread and stops "
                   "the program at a longjmp to another stack");
    return -ENOTSUP;
}
#else
static int sj_probe(char *why, size_t why_bytes)
{
    if (shadow_stack_is_active()) {
        (void)snprintf(why, why_bytes,
                       "a hardware shadow stack is active, and longjmp to "
                       "another stack does not switch it");
        return -ENOTSUP;
    }
    if (why_bytes > 0)
        why[0] = '\0';
    return 0;
}
#endif

static SY_NOINLINE SY_NORETURN void sj_run(struct sj_ctx *self)
{
    struct sj_ctx *next;

    SY_ROOT_OF_STACK();
    next = sy_switcher_finished(self->fn(self->arg));
    next->value = 0;
    _longjmp(next->env, 1);
}

/* SY_NO_ASAN: it would keep the place of self in another variable of this
   frame, which nobody writes afresh. */
SY_NO_ASAN static void sj_handler(int number, siginfo_t *info,
                                  void *interrupted)
{
    struct sj_ctx *volatile self;

    (void)number;
    /* The signal may have come from elsewhere, and on any thread. */
    self = atomic_load_explicit(&boot_ctx, memory_order_relaxed);
    if (self == NULL || info->si_code != SI_QUEUE ||
        info->si_value.sival_ptr != self)
        return;
    if (_setjmp(self->boot) == 0) {
        self->interrupted = interrupted;
        self->frame_self = &self;
        return;
    }
    sj_run(self);
}

static void lock_for_fork(void)
{
    (void)pthread_mutex_lock(&boot_lock);
}

static void unlock_after_fork(void)
{
    (void)pthread_mutex_unlock(&boot_lock);
}

/* Without this, a fork while another thread prepares a stack would leave the
   lock taken in the child for ever. */
static void survive_forks(void)
{
    (void)pthread_atfork(lock_for_fork, unlock_after_fork, unlock_after_fork);
}

/* With the stack as the alternative one and every signal blocked: run the
   handler on it. Returns 0 or -errno. */
static int run_handler(struct sj_ctx *ctx)
{
    struct sigaction action = {0}, old_action;
    union sigval value = {.sival_ptr = ctx};
    sigset_t all_but_ours;
    int err;

    action.sa_sigaction = sj_handler;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    (void)sigfillset(&action.sa_mask);
    if (sigaction(boot_signal(), &action, &old_action) == -1)
        return -errno;

    atomic_store_explicit(&boot_ctx, ctx, memory_order_relaxed);
    err = -pthread_sigqueue(pthread_self(), boot_signal(), value);
    if (err == 0) {
        (void)sigfillset(&all_but_ours);
        (void)sigdelset(&all_but_ours, boot_signal());
        while (ctx->frame_self == NULL)
            (void)sigsuspend(&all_but_ours);
    }
    atomic_store_explicit(&boot_ctx, NULL, memory_order_relaxed);
    (void)sigaction(boot_signal(), &old_action, NULL);
    return err;
}

static int run_handler_on(struct sj_ctx *ctx, const struct sy_stack *stack)
{
    stack_t ours = {.ss_sp = stack->low, .ss_size = stack->bytes}, old;
    int err;

    if (sigaltstack(&ours, &old) == -1)
        return -errno; /* -EPERM: we are called on an alternative stack */
    err = run_handler(ctx);
    (void)sigaltstack(&old, NULL);
    return err;
}

static int sj_prepare(void *ctx, const struct sy_stack *stack)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sj_ctx *self = ctx;
    long signal_bytes = sysconf(_SC_MINSIGSTKSZ);
    int saved = errno;
    sigset_t all, old_mask;
    int err;

    if (signal_bytes < SIGNAL_BYTES_MIN)
        signal_bytes = SIGNAL_BYTES_MIN;
    if (stack->bytes < (size_t)signal_bytes + JOB_ROOM_BYTES)
        return -EINVAL;

    (void)pthread_once(&once, survive_forks);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old_mask);
    (void)pthread_mutex_lock(&boot_lock);
    err = run_handler_on(self, stack);
    (void)pthread_mutex_unlock(&boot_lock);
    (void)pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
    errno = saved;
    return err;
}

static void sj_release(void *ctx)
{
    struct sj_ctx *self = ctx;

    self->frame_self = NULL; /* a start without prepare faults at once */
}

static int sj_start(void *from, void *to, void *stack_top, sy_switcher_fn fn,
                    void *arg)
{
    struct sj_ctx *leaving = from;
    struct sj_ctx *job = to;

    (void)stack_top; /* it is known from prepare */
    job->fn = fn;
    job->arg = arg;
    *job->frame_self = job;
    if (job->interrupted != NULL) {
        /* What prepare interrupted is over. Without this, a backtrace of a
           job would go on into that call; with zeros it ends here. */
        memset(job->interrupted, 0, sizeof(*job->interrupted));
        job->interrupted = NULL;
    }
    if (_setjmp(leaving->env) == 0)
        _longjmp(job->boot, 1);
    return leaving->value;
}

static int sj_swap(void *from, void *to, int value)
{
    struct sj_ctx *leaving = from;
    struct sj_ctx *entered = to;

    entered->value = value;
    if (_setjmp(leaving->env) == 0)
        _longjmp(entered->env, 1);
    return leaving->value;
}

extern const struct sy_switcher_ops sy_switcher_setjmp;

const struct sy_switcher_ops sy_switcher_setjmp = {
    .abi = SY_SWITCHER_ABI,
    .caps = SY_SW_CAN_PAUSE | SY_SW_SAME_THREAD | SY_SW_OWN_STACK,
    .name = "setjmp",
    .summary = "_setjmp and _longjmp; stacks are entered through sigaltstack",
    .ctx_bytes = sizeof(struct sj_ctx),
    .probe = sj_probe,
    .prepare = sj_prepare,
    .release = sj_release,
    .start = sj_start,
    .swap = sj_swap,
};
