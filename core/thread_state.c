/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one thread-local of the library, and the two events in the life of a
 * thread that the library must learn of: its end, and a fork.
 */
#include "leak_check.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* The runtime of nobodies: no argument is equal to it, not even NULL. */
static struct sy_runtime nowhere;

/*
 * What threads without a runtime point to, so that nobody has to ask whether
 * there is a state at all. Its gate sends every pause to the slow path. It is
 * never written.
 */
static struct sy__thread stranger = {
    .head.current = &stranger.nobody,
    .nobody.rt = &nowhere,
    .nobody.gate = GATE_ROOT,
};

_Thread_local struct sy_thread *sy_bind_self SY_TLS_INITIAL_EXEC =
    &stranger.head;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;
static int once_error;

static struct sy__thread *thread_new(void)
{
    struct sy__thread *thread =
        aligned_alloc(_Alignof(struct sy__thread), sizeof(*thread));

    if (thread != NULL) {
        *thread = (struct sy__thread){
            .head = {.current = &thread->nobody, .errno_addr = &errno},
            .nobody = {.rt = &nowhere, .gate = GATE_ROOT},
        };
    }
    return thread;
}

static void at_thread_exit(void *arg)
{
    struct sy__thread *thread = arg;

    sy__thread_close_runtimes(thread);
    sy_bind_self = &stranger.head;
    sy__guard_handler_leave(thread);
    free(thread);
}

static void before_fork(void)
{
    sy__choice_lock();
    sy__process_lock();
    sy__slots_lock();
}

static void after_fork_in_parent(void)
{
    sy__slots_unlock();
    sy__process_unlock();
    sy__choice_unlock();
}

/*
 * A child must not resume what the parent may resume too. Every paused job
 * carries the address of its thread's state; a new state for the only thread
 * of the child makes all of them strangers at once. The old state stays
 * allocated for ever, so that no later one gets its address.
 */
static void after_fork_in_child(void)
{
    struct sy__thread *old = sy__self(), *thread;

    after_fork_in_parent();
    if (old == &stranger)
        return;
    thread = thread_new();
    if (thread == NULL)
        SY_BUG("no memory for a thread's state after fork()");
    thread->parents = old;
    thread->runtimes = old->runtimes;
    old->runtimes = NULL;
    thread->signal_stack = old->signal_stack;
    old->signal_stack = NULL;
    sy__leaks_inherit(thread, old);
    if (old->head.current != &old->nobody)
        thread->head.current = old->head.current;
    sy_bind_self = &thread->head;
    pthread_setspecific(exit_key, thread);
    sy__runtimes_after_fork(thread);
}

static void set_up(void)
{
    once_error = -pthread_key_create(&exit_key, at_thread_exit);
    if (once_error == 0)
        once_error = -pthread_atfork(before_fork, after_fork_in_parent,
                                     after_fork_in_child);
}

int sy__thread_join(void)
{
    struct sy__thread *thread;

    if (sy_bind_self != &stranger.head)
        return 0;
    pthread_once(&once, set_up);
    if (once_error != 0)
        return -ENOMEM;
    thread = thread_new();
    if (thread == NULL)
        return -ENOMEM;
    if (pthread_setspecific(exit_key, thread) != 0) {
        free(thread);
        return -ENOMEM;
    }
    sy_bind_self = &thread->head;
    return 0;
}
