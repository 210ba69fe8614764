/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One OS thread per pooled stack. Only one of a runtime's threads runs at a
 * time: control is handed over from context to context. Slow, but nothing in
 * it depends on the CPU or on the inner life of the C library.
 *
 * A context's turn says what its thread may do next:
 *
 *   PARKED   wait
 *   CONTINUE return from the start or swap that it waits in
 *   BEGIN    call fn, dropping the frames of an abandoned job if there are any
 *   QUIT     end
 *
 * Others set it, each time by the one that leaves; the context's own thread
 * sets it back to PARKED as soon as it runs. Nobody can set it again before,
 * because control is with that thread. So a finished context may be started
 * before its thread has parked: it finds its turn set and does not wait.
 *
 * A condition variable is a futex that leaves errno alone. The bare system
 * call would write EAGAIN or EINTR there while the core, on the thread that
 * has control now, changes this thread's errno to what the job to be continued
 * knew.
 *
 * Signals  All are blocked in job threads, so that those for the process
 *          reach a thread of the program.
 * Fork     The threads do not exist in the child. release() sees that. A job
 *          that forks must leave the child by exec or _exit: it cannot return
 *          or pause there, for the runtime's thread is not in the child.
 * Exit     A job must not end its thread: nobody would continue the others.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <switchyard/switcher.h>

enum turn {
    PARKED = 0, /* zeroed contexts are parked */
    CONTINUE,
    BEGIN,
    QUIT,
};

struct th_ctx {
    pthread_mutex_t lock; /* all zeros is PTHREAD_MUTEX_INITIALIZER, */
    pthread_cond_t told;  /* and the same holds here, with glibc and musl */
    enum turn turn;       /* under lock */
    int value;            /* for CONTINUE */
    sy_switcher_fn fn;    /* for BEGIN */
    void *arg;
    jmp_buf outermost; /* in the thread's first frame */
    pthread_t thread;
    unsigned forks; /* as below, when the thread that waits here was there */
};

/* How often the process forked on its way from its first ancestor. */
static unsigned forks;

static void count_fork(void)
{
    forks++;
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, count_fork);
}

/*
 * A sanitizer keeps more than 100 KiB of its own on every thread's stack. In
 * such builds the C library makes the stacks, and the pool's stay unused.
 */
#if SY_ASAN || SY_TSAN
static int place_stack(pthread_attr_t *attr, const struct sy_stack *stack)
{
    (void)attr;
    (void)stack;
    return 0;
}
#else
static int place_stack(pthread_attr_t *attr, const struct sy_stack *stack)
{
    /* EINVAL: less than PTHREAD_STACK_MIN, which is 16 KiB on x86-64 */
    return pthread_attr_setstack(attr, stack->low, stack->bytes);
}
#endif

/* Let the thread of ctx go on. ctx may be gone when this returns, but not
   before the lock is free: so the signal is given under it. */
static void hand_over(struct th_ctx *ctx, enum turn turn)
{
    if (ctx->forks != forks) {
        /* All signals are blocked here: waiting would be for ever. */
        (void)fprintf(stderr,
                      "switchyard: the threads switcher cannot go on in the "
                      "child of a fork: the thread to continue is the "
                      "parent's\n");
        abort();
    }
    (void)pthread_mutex_lock(&ctx->lock);
    ctx->turn = turn;
    (void)pthread_cond_signal(&ctx->told);
    (void)pthread_mutex_unlock(&ctx->lock);
}

static enum turn wait_turn(struct th_ctx *self)
{
    enum turn turn;

    (void)pthread_mutex_lock(&self->lock);
    while (self->turn == PARKED)
        (void)pthread_cond_wait(&self->told, &self->lock);
    turn = self->turn;
    self->turn = PARKED;
    (void)pthread_mutex_unlock(&self->lock);
    return turn;
}

/* Wait in start or swap. */
static int wait_continue(struct th_ctx *self)
{
    enum turn turn = wait_turn(self);

    if (turn != CONTINUE) {
        /* The job that waits here was abandoned: its frames are dead. */
        self->turn = turn;
        _longjmp(self->outermost, 1);
    }
    return self->value;
}

static void *th_main(void *arg)
{
    struct th_ctx *self = arg;

    (void)_setjmp(self->outermost);
    while (wait_turn(self) == BEGIN) {
        struct th_ctx *next = sy_switcher_finished(self->fn(self->arg));

        next->value = 0;
        hand_over(next, CONTINUE);
    }
    return NULL;
}

static int th_probe(char *why, size_t why_bytes)
{
    if (why_bytes > 0)
        why[0] = '\0';
    return 0;
}

static int th_prepare(void *ctx, const struct sy_stack *stack)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct th_ctx *self = ctx;
    pthread_attr_t attr;
    sigset_t all, old_mask;
    int err;

    (void)pthread_once(&once, watch_forks);
    self->forks = forks;
    err = pthread_attr_init(&attr);
    if (err != 0)
        return -err;
    err = place_stack(&attr, stack);
    if (err != 0)
        goto destroy_attr;
    /* The mask is inherited: blocked before the thread runs, not after. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old_mask);
    err = pthread_create(&self->thread, &attr, th_main, self);
    (void)pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
destroy_attr:
    (void)pthread_attr_destroy(&attr);
    return -err;
}

static void th_release(void *ctx)
{
    struct th_ctx *self = ctx;

    if (self->forks != forks)
        return; /* in the child of a fork there is nobody to join */
    hand_over(self, QUIT);
    (void)pthread_join(self->thread, NULL);
}

static int th_start(void *from, void *to, void *stack_top, sy_switcher_fn fn,
                    void *arg)
{
    struct th_ctx *leaving = from, *job = to;

    (void)stack_top; /* it is known from prepare */
    leaving->forks = forks;
    job->fn = fn;
    job->arg = arg;
    hand_over(job, BEGIN);
    return wait_continue(leaving);
}

static int th_swap(void *from, void *to, int value)
{
    struct th_ctx *leaving = from, *entered = to;

    leaving->forks = forks;
    entered->value = value;
    hand_over(entered, CONTINUE);
    return wait_continue(leaving);
}

extern const struct sy_switcher_ops sy_switcher_threads;

const struct sy_switcher_ops sy_switcher_threads = {
    .abi = SY_SWITCHER_ABI,
    .caps = SY_SW_CAN_PAUSE | SY_SW_OWN_STACK,
    .name = "threads",
    .summary = "one OS thread per job, handed over by condition variable",
    .ctx_bytes = sizeof(struct th_ctx),
    .probe = th_probe,
    .prepare = th_prepare,
    .release = th_release,
    .start = th_start,
    .swap = th_swap,
};
