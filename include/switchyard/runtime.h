/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runtimes: the per-thread owner of jobs. A runtime has one switcher (how
 * control moves between stacks), one engine (how a wake-up reaches it) and one
 * pool of stacks.
 *
 * Threads  A runtime belongs to the thread that opened it. Other threads reach
 *          it through wakers only; anything else answers -EXDEV. A thread may
 *          have several runtimes. When a thread ends, its runtimes are closed
 *          and their jobs abandoned (stats.h counts them).
 * Fork     In the child, the runtimes of the forking thread go on afresh: new
 *          jobs can be started, paused jobs from before the fork answer
 *          -EXDEV. The first call for a runtime there opens its engine anew
 *          and may fail as sy_runtime_open(), -EMFILE for example; it can be
 *          repeated. Under the switcher "threads" a job that forks must leave
 *          the child by exec or _exit.
 * Errors   0 or a count on success, -errno on failure; errno is never set.
 */
#ifndef SWITCHYARD_RUNTIME_H
#define SWITCHYARD_RUNTIME_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/clock.h>
#include <switchyard/compiler.h>
#include <switchyard/waker.h>

SY_BEGIN_DECLS

struct sy_engine_ops;
struct sy_job;
struct sy_runtime;
struct sy_switcher_ops;

/*
 * What to do about the guard below each stack.
 *
 * A guard is set by the best means that work: guard regions of Linux 6.13,
 * many at once (process_madvise) or one by one (madvise), or mprotect. The
 * last splits mappings in three; with it, guards take at most 7/8 of
 * vm.max_map_count, for the rest of the program needs some too. Locked memory
 * (mlockall(2) with MCL_FUTURE) cannot have guard regions and gets mprotect.
 * stats.h says what is in use, and why. With SWITCHYARD_GUARD=madvise or
 * SWITCHYARD_GUARD=mprotect nothing better is tried; any other value is
 * ignored.
 */
enum sy_guard {
    SY_GUARD_REQUIRED = 0, /* the default: no guard, no stack */
    SY_GUARD_NONE = 1,     /* an overflow overwrites the neighbour */
};

/* Bits for sy_runtime_config.flags. */
enum sy_runtime_flag {
    SY_RT_NO_ENVIRONMENT = 1 << 0, /* ignore SWITCHYARD_* variables */
    SY_RT_DUMP_STACKS = 1 << 1,    /* let core dumps contain job stacks; by
                                      default they do not, for they hold keys */
    SY_RT_ZERO_STACKS = 1 << 2,    /* wipe the used part of a stack when its
                                      job ends; of arguments only, where jobs
                                      run on threads of their own. Registers
                                      that "setjmp" saved at a pause stay until
                                      the next one */
    SY_RT_SAME_THREAD = 1 << 3,    /* jobs must run on this thread: refuse
                                      switchers without SY_SW_SAME_THREAD, and
                                      pass over them in a profile */
};

#define SY_STACK_BYTES_DEFAULT ((size_t)64 * 1024)
#define SY_STACK_BYTES_MIN     ((size_t)16 * 1024)
#define SY_STACK_BYTES_MAX     ((size_t)1024 * 1024 * 1024)

#define SY_NO_SPIN     UINT64_MAX
#define SY_SPIN_NS_MAX SY_NS_PER_S

/*
 * How to set up a runtime. Start from SY_RUNTIME_CONFIG_INIT; zero means the
 * default for every member but size.
 */
struct sy_runtime_config {
    size_t size; /* sizeof(struct sy_runtime_config) */

    const char *switcher; /* a name as in "asm"; NULL: chosen (see open) */
    const char *engine;   /* a name, with a variant if you like: "queue",
                             "pipe", "pipe+select"; NULL: chosen */

    /* Parts from outside the library, instead of a name. For an engine, a
       variant may be given after a '+' in engine. Borrowed until close. */
    const struct sy_switcher_ops *switcher_ops;
    const struct sy_engine_ops *engine_ops;

    size_t stack_bytes; /* usable bytes of each stack, a multiple of the page
                           size, SY_STACK_BYTES_MIN .. SY_STACK_BYTES_MAX;
                           0: SY_STACK_BYTES_DEFAULT */
    uint32_t jobs_max;  /* most jobs at once; 0: no limit */
    uint32_t jobs_init; /* stacks to prepare at open; at most jobs_max, if
                           that is not 0 */
    uint32_t guard;     /* enum sy_guard */
    uint32_t flags;     /* enum sy_runtime_flag bits */

    struct sy_clock *clock; /* borrowed; NULL: sy_clock_monotonic() */

    /* Spinning: before the runtime sleeps it looks for a wake-up for a while,
       for a sleep costs more than a short wait. It learns from what it finds,
       and stops where spinning is in vain. Only with an engine that can look
       (it has a peek hook), and never with a virtual clock. */
    uint64_t spin_ns;      /* the longest spin before one sleep, 1 ..
                              SY_SPIN_NS_MAX; SY_NO_SPIN: never; 0: what
                              SWITCHYARD_SPIN_NS says (0: never), else what
                              the profile says, else 50000, or never if the
                              machine has one processor */
    uint32_t spin_percent; /* spins that find nothing take at most this share
                              of the time that passes, 1 .. 100, beyond the
                              first ten of the longest; 0: 1 */

    uint32_t jobs_expected; /* at once, as far as known: what a profile decides
                               by; 0: jobs_max, or jobs_init if that is 0 */
};

/* clang-format off */
#define SY_RUNTIME_CONFIG_INIT                                                 \
    { sizeof(struct sy_runtime_config), NULL, NULL, NULL, NULL,                \
      0, 0, 0, 0, 0, NULL, 0, 0, 0 }
/* clang-format on */

/*
 * Open a runtime for the calling thread.
 *
 * Switcher and engine are each taken from the first of these that names one:
 *
 *   a lock set with sy_lock_choice(), or by a profile
 *   the config
 *   the variables SWITCHYARD_SWITCHER and SWITCHYARD_ENGINE
 *   the profile that SWITCHYARD_PROFILE names (profile.h)
 *   the profile /etc/switchyard/profile.conf
 *   the built-in order, best first, of which the first that works here is used
 *
 * Where a part that a profile names does not work here, its fallbacks are
 * tried, then the built-in order, and one line on standard error says so once.
 * Variables and profiles count as they were when the library was loaded;
 * variables are ignored in set-uid programs. With SWITCHYARD_EXPLAIN=1 the
 * choice and its reason are printed to standard error.
 *
 * @out  set to the runtime, NULL on failure
 * @cfg  how; NULL for the defaults; need not outlive the call
 *
 * Returns 0, or
 *   -EINVAL  cfg->size is unknown, stack_bytes is out of range or not a
 *            multiple of the page size, jobs_init > jobs_max > 0, guard or
 *            flags hold an unknown value, or spin_ns or spin_percent is out
 *            of range
 *   -ENOENT  no switcher or engine of that name (or variant) is built in
 *   -ENOTSUP the named part does not work here; sy_switcher_probe() and
 *            sy_engine_probe() (switcher.h, engine.h) say why
 *   -EPROTO  a part from outside was built for another ABI
 *   -ENOMEM  no memory for jobs_init stacks, or a guard could not be set:
 *            SWITCHYARD_EXPLAIN=1 prints which limit was met
 *   -EMFILE  no file descriptor for the engine
 * or what the engine's open hook and, with jobs_init, the switcher's prepare
 * hook returned.
 */
SY_API SY_MUST_CHECK int sy_runtime_open(struct sy_runtime **out,
                                         const struct sy_runtime_config *cfg);

/*
 * Close a runtime and free what it owns.
 *
 * Returns 0 (NULL is allowed), or, with the runtime untouched,
 *   -EBUSY  jobs are outstanding, one of its jobs is the caller, or a device
 *           has not completed an operation of an abandoned job or of the
 *           runtime's own waker
 *   -EXDEV  it belongs to another thread
 */
SY_API SY_MUST_CHECK int sy_runtime_close(struct sy_runtime *rt);

/*
 * Wait until jobs are ready, and resume each of them once.
 *
 * Jobs that become ready while others run are left for the next call, so one
 * that is always ready starves nobody. Inside a job it resumes those of the
 * ready jobs that are not its ancestors.
 *
 * @timeout_ns  how long to wait for the first; 0: do not wait;
 *              SY_FOREVER: until there is one. sy_wake() on the runtime's own
 *              waker ends the wait too.
 *
 * Returns how many jobs were resumed (0: the time is over, or the runtime
 * itself was woken), or
 *   -EXDEV  it belongs to another thread
 * or what the engine's wait hook returned. -EINTR is never returned: a signal
 * does not end the wait.
 */
SY_API SY_MUST_CHECK int sy_runtime_run(struct sy_runtime *rt,
                                        uint64_t timeout_ns);

/*
 * Get one file descriptor that a foreign event loop can watch for reading:
 * when it is readable, call sy_runtime_run(rt, 0), and go on doing so once
 * before the first time you wait. Level- and edge-triggered watching work:
 * sy_runtime_run(rt, 0) leaves the descriptor readable if jobs are ready.
 *
 * @fd  set to the descriptor, -1 on failure. It stays the runtime's: neither
 *      read nor close it. The same for every call.
 *
 * Returns 0, or
 *   -ENOTSUP  this engine has none
 *   -EMFILE   no file descriptor left
 *   -EXDEV    the runtime belongs to another thread
 * or what the engine's fd hook returned.
 */
SY_API SY_MUST_CHECK int sy_runtime_fd(struct sy_runtime *rt, int *fd);

/*
 * Return a waker that ends sy_runtime_run() and, outside a job, sy_wait_here().
 * rt must not be NULL. Any thread.
 */
SY_API struct sy_waker sy_runtime_waker(struct sy_runtime *rt);

/*
 * Block the thread until the waker of the calling job (outside a job: of a
 * runtime of this thread) is woken. For code that had to wait and could not
 * pause: see SY_NOT_PAUSED. Other jobs that become ready meanwhile stay ready
 * for sy_runtime_run(). As a pause, it may return without a completion: loop
 * on your condition.
 *
 * @waker       as from sy_job_pin()
 * @timeout_ns  at most this long; SY_FOREVER: no limit
 *
 * Returns 0 when woken, or
 *   -ETIMEDOUT  the time is over
 *   -ESRCH      the waker's job has ended
 *   -EXDEV      the waker belongs to another thread's runtime
 * or what the engine's wait hook returned.
 */
SY_API SY_MUST_CHECK int sy_wait_here(struct sy_waker waker,
                                      uint64_t timeout_ns);

/*
 * Measure how much of a stack has been used at most, in any job of the
 * runtime so far: what a guard hit would have taken stack_bytes for. Looks
 * through the memory of every stack; not for busy loops.
 *
 * The lowest byte that is not zero decides. What was reserved and never
 * written is not seen, nor are pages that are swapped out.
 *
 * @bytes  set to the figure, counted from the stack's end; 0 on failure. Up
 *         to a page may be used beyond stack_bytes before the guard is hit
 *
 * Returns 0, or
 *   -ENOTSUP  jobs of this switcher do not run on stacks of the runtime
 *   -EXDEV    the runtime belongs to another thread
 */
SY_API SY_MUST_CHECK int sy_runtime_stack_high_water(struct sy_runtime *rt,
                                                     size_t *bytes);

/*
 * Give the memory of idle stacks back to the system. Stacks are kept as they
 * are when jobs end, for that is fast; a program that has seen a peak calls
 * this when it is over. What was in them is gone, and their next use is as
 * slow as the first. Address space and guards stay.
 *
 * @keep  so many of the free stacks stay as they are, the last used first
 *
 * Returns how many stacks were given back; 0 under a switcher whose jobs do
 * not run on the runtime's thread, or not on its stacks. Or
 *   -ENOMEM  no memory for a list of them
 *   -EXDEV   the runtime belongs to another thread
 */
SY_API SY_MUST_CHECK int sy_runtime_trim(struct sy_runtime *rt, uint32_t keep);

/*
 * Install a handler for SIGSEGV and SIGBUS that says which job has hit the
 * guard below its stack, in one line on standard error: the job, its number
 * and user pointer, the size of its stack, the switcher. Then the action that
 * was set before takes over, as if the handler were not there: by default the
 * process dies of the signal. Faults elsewhere go to that action at once.
 *
 * A handler needs a stack to run on: the calling thread, and each thread that
 * opens a runtime later, gets an alternate signal stack (sigaltstack(2)) if it
 * has none. Jobs on threads of their own (switcher "threads") die without the
 * line. Calling this again changes nothing. Any thread.
 *
 * A function whose frame is larger than a page may step over the guard unless
 * it was compiled with -fstack-clash-protection.
 *
 * Returns 0, or
 *   -ENOMEM  no memory for the signal stack
 */
SY_API SY_MUST_CHECK int sy_guard_handler_install(void);

/*
 * Fix switcher and engine for every runtime that this process opens from now
 * on, whatever configs or the environment say. For programs that must
 * not be steered from outside.
 *
 * @switcher, @engine  names as in sy_runtime_config; copied; NULL: not locked
 *
 * Returns 0, or
 *   -ENOENT  no such part
 *   -EBUSY   a lock is already set
 */
SY_API SY_MUST_CHECK int sy_lock_choice(const char *switcher,
                                        const char *engine);

SY_END_DECLS
#endif
