/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says whose stack it was when a guard is hit. The handler runs on the stack
 * that sigaltstack() names, for there is none left below the guard; it calls
 * nothing that is not async-signal-safe, and takes no lock.
 */
#include "core.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* For the handler and for one that was there before it. */
#define SIGNAL_STACK_BYTES ((size_t)64 * 1024)

#define SIGNALS 2
static const int signals[SIGNALS] = {SIGSEGV, SIGBUS};
static struct sigaction before[SIGNALS];

static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool is_installed;

/* ---- one line without stdio -------------------------------------------- */

struct line {
    char text[400];
    size_t bytes;
};

static void add(struct line *line, const char *words)
{
    while (*words != '\0' && line->bytes < sizeof(line->text) - 1)
        line->text[line->bytes++] = *words++;
}

static void add_number(struct line *line, uintmax_t value, unsigned base)
{
    char digits[24], *at = digits + sizeof(digits);

    *--at = '\0';
    do {
        *--at = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    add(line, base == 16 ? "0x" : "");
    add(line, at);
}

static void add_address(struct line *line, const void *address)
{
    add_number(line, (uintptr_t)address, 16);
}

static void print(struct line *line)
{
    ssize_t ignored;

    line->text[line->bytes++] = '\n';
    ignored = write(STDERR_FILENO, line->text, line->bytes);
    (void)ignored;
}

/* ---- the handler ------------------------------------------------------- */

/* Is it the guard below the stack of this job? */
static bool is_below(const struct sy_job *job, uintptr_t address)
{
    const struct sy__stacks *stacks = &job->rt->stacks;
    uintptr_t low;

    if (sy__is_root(job) || (job->rt->sw->caps & SY_SW_OWN_STACK) == 0)
        return false;
    low = (uintptr_t)sy__stack_low_of(stacks, job->arg_area);
    return address < low && low - address <= stacks->page_bytes;
}

static void report(uintptr_t address)
{
    const struct sy_job *job = sy_bind_self->current;
    struct line line = {.bytes = 0};

    add(&line, "switchyard: ");
    if (is_below(job, address)) {
        add(&line, "stack overflow in job ");
        add_address(&line, job);
        add(&line, " (number ");
        add_number(&line, job->eslot.index, 10);
        add(&line, ", user ");
        add_address(&line, job->user);
        add(&line, "): it has a stack of ");
        add_number(&line, job->rt->stacks.policy.stack_bytes, 10);
        add(&line, " bytes, high-water mark: all of it; switcher ");
        add(&line, job->rt->sw->name);
    } else {
        add(&line, "the guard of a stack was hit, but not from the job that "
                   "runs on it; running: ");
        if (sy__is_root(job)) {
            add(&line, "no job");
        } else {
            add(&line, "job ");
            add_address(&line, job);
        }
    }
    add(&line, "; address ");
    add_number(&line, address, 16);
    print(&line);
}

/* What would have happened without us. */
static void pass_on(size_t i, siginfo_t *info, void *context)
{
    const struct sigaction *action = &before[i];

    if ((action->sa_flags & SA_SIGINFO) != 0)
        action->sa_sigaction(signals[i], info, context);
    else if (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN)
        action->sa_handler(signals[i]);
    else if (info->si_code > 0 || action->sa_handler == SIG_DFL) {
        /* The instruction faults again; a signal that somebody sent does
           not come back by itself. */
        (void)sigaction(signals[i], action, NULL);
        if (info->si_code <= 0)
            (void)raise(signals[i]);
    }
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    size_t i = number == signals[0] ? 0 : 1;

    /* Above 0: it was a fault, and si_addr says where. */
    if (info->si_code > 0 && sy__stacks_guard_at((uintptr_t)info->si_addr)) {
        report((uintptr_t)info->si_addr);
        /* Back to the instruction, which faults again. */
        (void)sigaction(number, &before[i], NULL);
    } else {
        pass_on(i, info, context);
    }
    errno = saved_errno;
}

/* ---- installing -------------------------------------------------------- */

int sy__guard_handler_join(struct sy__thread *thread)
{
    stack_t stack;

    /* acquire pairs with release in sy_guard_handler_install() */
    if (!atomic_load_explicit(&is_installed, memory_order_acquire) ||
        thread->signal_stack != NULL)
        return 0;
    if (sigaltstack(NULL, &stack) == -1 || (stack.ss_flags & SS_DISABLE) == 0)
        return 0;
    thread->signal_stack = malloc(SIGNAL_STACK_BYTES);
    if (thread->signal_stack == NULL)
        return -ENOMEM;
    stack = (stack_t){
        .ss_sp = thread->signal_stack,
        .ss_size = SIGNAL_STACK_BYTES,
    };
    if (sigaltstack(&stack, NULL) == 0)
        return 0;
    free(thread->signal_stack);
    thread->signal_stack = NULL;
    return -ENOMEM; /* it is too small for this CPU's registers */
}

void sy__guard_handler_leave(struct sy__thread *thread)
{
    stack_t stack;

    if (thread->signal_stack == NULL)
        return;
    if (sigaltstack(NULL, &stack) == 0 && stack.ss_sp == thread->signal_stack) {
        stack = (stack_t){.ss_flags = SS_DISABLE};
        (void)sigaltstack(&stack, NULL);
    }
    free(thread->signal_stack);
    thread->signal_stack = NULL;
}

static void install(void)
{
    struct sigaction action = {
        .sa_sigaction = on_fault,
        .sa_flags = SA_SIGINFO | SA_ONSTACK,
    };

    if (atomic_load_explicit(&is_installed, memory_order_relaxed))
        return;
    (void)sigemptyset(&action.sa_mask);
    /* Asked for first: a fault may come as soon as the handler is there. */
    for (size_t i = 0; i < SIGNALS; i++)
        (void)sigaction(signals[i], NULL, &before[i]);
    for (size_t i = 0; i < SIGNALS; i++)
        (void)sigaction(signals[i], &action, NULL);
    atomic_store_explicit(&is_installed, true, memory_order_release);
}

int sy_guard_handler_install(void)
{
    int err, saved_errno = errno;

    err = sy__thread_join();
    if (err != 0)
        return err;
    pthread_mutex_lock(&install_lock);
    install();
    pthread_mutex_unlock(&install_lock);
    err = sy__guard_handler_join(sy__self());
    errno = saved_errno;
    return err;
}
