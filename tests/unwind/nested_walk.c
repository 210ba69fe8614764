/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that stops, spins or walks its own stack in a job whose resumer is
 * not its starter: main -> event_loop -> outer job -> inner job.
 *
 * usage: nested_walk SWITCHER MODE
 *
 *   stop    calls stop_here() once per order of the two stacks: for a debugger
 *   walk    walks by unwind tables and by frame pointers; checks what it met
 *   sample  the same in a signal handler, while jobs do nothing but switch;
 *           only for switchers whose jobs unwind to main
 *   spin    burns CPU in the inner job for half a second: for a profiler
 *   states  calls stop_here() with a job in each state that lasts
 *   dump    the same, and aborts there: for a core file with the stacks
 *   hide    the same, with stacks that core files leave out
 *
 * Exit status 77 if this cannot be done here.
 *
 * What a walk has to meet is exported by the program, for dladdr() to find. No
 * function ends in a call: it would not be there when the call is under way.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/device.h>
#include <switchyard/switcher.h>
#include <switchyard/switchyard.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unwind.h>

#define FRAMES_MAX 64
#define SPIN_NS    500000000LL
#define SAMPLES    300
#define SAMPLE_US  500

#if defined(__x86_64__) && !SY_ASAN
#define HAVE_RECORDS 1
#else
#define HAVE_RECORDS 0
#endif

struct walk {
    const char *how;
    void *addresses[FRAMES_MAX];
    int count;
    int ended; /* 0: broken off */
};

static const char *mode;
static const char *switcher;
static int must_reach_main;
static uintptr_t main_bytes, start_bytes;
static int failures;
static volatile int sink;
static struct sy_waker pinned;

SY_API int stop_here(void);
SY_API int inner_job(void *arg);
SY_API int outer_job(void *arg);
SY_API int starter(struct sy_runtime *rt, sy_job_fn fn, struct sy_job **arg,
                   struct sy_job **job);
SY_API int event_loop(struct sy_job **job);
SY_API int main(int argc, char **argv);

int fill_and_call(int (*fn)(void *arg), void *arg); /* fill_registers.S */

static long long now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* ---- walking ----------------------------------------------------------- */

/* Not dladdr(), which takes a lock: a signal handler asks too. */
static int is_in_main(const void *address)
{
    return (uintptr_t)address - (uintptr_t)main - 1 < main_bytes;
}

static int reaches_main(const struct walk *walk)
{
    for (int i = 0; i < walk->count; i++) {
        if (is_in_main(walk->addresses[i]))
            return 1;
    }
    return 0;
}

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;

    if (walk->count == FRAMES_MAX) {
        walk->ended = 0;
        return _URC_END_OF_STACK;
    }
    walk->addresses[walk->count++] = (void *)(uintptr_t)_Unwind_GetIP(context);
    return _URC_NO_REASON;
}

static void walk_by_tables(struct walk *walk)
{
    *walk = (struct walk){.how = "_Unwind_Backtrace", .ended = 1};
    (void)_Unwind_Backtrace(add_frame, walk);
    if (walk->count > 0 && walk->addresses[walk->count - 1] == NULL)
        walk->count--; /* the end of some stacks is said so */
}

static void walk_by_backtrace(struct walk *walk)
{
    *walk = (struct walk){.how = "backtrace"};
    walk->count = backtrace(walk->addresses, FRAMES_MAX);
    walk->ended = walk->count < FRAMES_MAX;
}

#if HAVE_RECORDS
/*
 * sy_job_start() calls nothing on its short path and so keeps no frame pointer
 * (-momit-leaf-frame-pointer). It has so much to remember that compilers use
 * rbp for something else there.
 */
static int may_lack_rbp(uintptr_t address)
{
    return address - (uintptr_t)sy_job_start < start_bytes;
}

struct frame_record {
    const struct frame_record *next;
    void *address;
};

/* As the kernel does it for a profiler, but no further than main: the C
   library that called it keeps no frame pointers. */
static void walk_by_records(struct walk *walk,
                            const struct frame_record *record)
{
    *walk = (struct walk){.how = "frame pointers", .ended = 1};
    for (; record != NULL; record = record->next) {
        if (walk->count == FRAMES_MAX) {
            walk->ended = 0;
            return;
        }
        if (record->address == NULL)
            continue;
        walk->addresses[walk->count++] = record->address;
        if (is_in_main(record->address))
            return;
    }
}
#endif

/* ---- judging ----------------------------------------------------------- */

static const char *name_of(void *address)
{
    Dl_info info;

    /* The call may be the last instruction of its function. */
    if (dladdr((char *)address - 1, &info) == 0)
        return NULL;
    return info.dli_sname != NULL ? info.dli_sname : "(static)";
}

static int place_of(const struct walk *walk, const char *name)
{
    const char *found;

    for (int i = 0; i < walk->count; i++) {
        found = name_of(walk->addresses[i]);
        if (found != NULL && strcmp(found, name) == 0)
            return i;
    }
    return -1;
}

static void expect(const struct walk *walk, int ok, const char *what)
{
    const char *name;

    if (ok)
        return;
    failures++;
    printf("FAIL %s, %s: %s\n", switcher, walk->how, what);
    for (int i = 0; i < walk->count; i++) {
        name = name_of(walk->addresses[i]);
        printf("  %2d %p %s\n", i, walk->addresses[i],
               name != NULL ? name : "nowhere");
    }
}

static void judge(const struct walk *walk)
{
    int inner = place_of(walk, "inner_job");
    int outer = place_of(walk, "outer_job");
    int loop = place_of(walk, "event_loop");
    int top = place_of(walk, "main");

    expect(walk, walk->ended, "it does not end");
    for (int i = 0; i < walk->count; i++)
        expect(walk, name_of(walk->addresses[i]) != NULL, "a wrong address");
    expect(walk, inner >= 0, "the job is missing");
    expect(walk, place_of(walk, "starter") < 0,
           "who started the job has long returned");
    if (must_reach_main)
        expect(walk, inner < outer && outer < loop && loop < top,
               "not inner_job, outer_job, event_loop, main");
    else
        expect(walk, outer < 0 && loop < 0 && top < 0,
               "it goes on beyond the job's root");
    printf("ok   %s, %s: %d frames\n", switcher, walk->how, walk->count);
}

/* ---- the nest ---------------------------------------------------------- */

SY_NOINLINE int stop_here(void)
{
    struct walk walk;
    long long began;

    if (strcmp(mode, "dump") == 0 || strcmp(mode, "hide") == 0)
        abort();
    if (strcmp(mode, "walk") == 0) {
        walk_by_tables(&walk);
        judge(&walk);
        walk_by_backtrace(&walk);
        judge(&walk);
#if HAVE_RECORDS
        walk_by_records(&walk, __builtin_frame_address(0));
        judge(&walk);
#endif
    } else if (strcmp(mode, "spin") == 0) {
        began = now_ns();
        do {
            for (int i = 0; i < 1000000; i++)
                sink = i;
        } while (now_ns() - began < SPIN_NS);
    }
    return sink;
}

static int pause_filled(void *arg)
{
    (void)arg;
    return sy_job_pause();
}

static int resume_filled(void *arg)
{
    return sy_job_resume(arg, NULL);
}

struct start {
    struct sy_runtime *rt;
    struct sy_job_spec spec;
    struct sy_job **job;
};

static int start_filled(void *arg)
{
    struct start *start = arg;

    return sy_job_start(start->rt, &start->spec, start->job, NULL);
}

SY_NOINLINE int inner_job(void *arg)
{
    (void)arg;
    sink = fill_and_call(pause_filled, NULL);
    sink = stop_here();
    sink = fill_and_call(pause_filled, NULL);
    return 1;
}

/* Resumes the job whose handle it is given, to its end. */
SY_NOINLINE int outer_job(void *arg)
{
    struct sy_job **inner = arg;

    sink = fill_and_call(pause_filled, NULL);
    while (*inner != NULL) {
        if (fill_and_call(resume_filled, inner) < 0)
            return -1;
    }
    return 2;
}

SY_NOINLINE int starter(struct sy_runtime *rt, sy_job_fn fn,
                        struct sy_job **arg, struct sy_job **job)
{
    struct start start = {.rt = rt, .spec = {.fn = fn, .arg = arg}, .job = job};
    int state = fill_and_call(start_filled, &start);

    sink = state;
    return state;
}

SY_NOINLINE int event_loop(struct sy_job **job)
{
    while (*job != NULL) {
        if (fill_and_call(resume_filled, job) < 0)
            return -1;
    }
    return 0;
}

static int job_without_pause(void *arg)
{
    (void)arg;
    return 1;
}

static int run_nest(struct sy_runtime *rt, int inner_first)
{
    struct sy_job *inner = NULL, *outer = NULL;
    int first, second;

    if (starter(rt, job_without_pause, NULL, &inner) != SY_JOB_FINISHED)
        return -1;
    if (inner_first) {
        first = starter(rt, inner_job, NULL, &inner);
        second = starter(rt, outer_job, &inner, &outer);
    } else {
        first = starter(rt, outer_job, &inner, &outer);
        second = starter(rt, inner_job, NULL, &inner);
    }
    if (first != SY_JOB_PAUSED || second != SY_JOB_PAUSED)
        return -1;
    return event_loop(&outer);
}

/* ---- samples ----------------------------------------------------------- */

static struct {
    volatile sig_atomic_t taken;
    int lost_by_tables, lost_by_records;
} samples;

static void take_sample(int number, siginfo_t *info, void *interrupted)
{
    const ucontext_t *at = interrupted;
    struct walk walk;

    (void)number;
    (void)info;
    (void)at;
    walk_by_tables(&walk);
    samples.lost_by_tables += !reaches_main(&walk);
#if HAVE_RECORDS
    if (!may_lack_rbp((uintptr_t)at->uc_mcontext.gregs[REG_RIP])) {
        walk_by_records(&walk, (void *)at->uc_mcontext.gregs[REG_RBP]);
        samples.lost_by_records += !reaches_main(&walk);
    }
#endif
    samples.taken++;
}

static int run_samples(struct sy_runtime *rt)
{
    struct itimerval every = {.it_interval.tv_usec = SAMPLE_US,
                              .it_value.tv_usec = SAMPLE_US};
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART};
    const struct itimerval never = {0};
    struct walk walk;
    int err = 0;

    walk_by_tables(&walk); /* loads what it needs, which a handler must not */
    action.sa_sigaction = take_sample;
    (void)sigaction(SIGPROF, &action, NULL);
    (void)setitimer(ITIMER_PROF, &every, NULL);
    /* Nothing else is called: the C library keeps no frame pointers. */
    for (int i = 0; err == 0 && samples.taken < SAMPLES; i++)
        err = run_nest(rt, i % 2);
    (void)setitimer(ITIMER_PROF, &never, NULL);
    printf("%s: %d samples; %d did not reach main by tables, %d by frame "
           "pointers\n",
           switcher, (int)samples.taken, samples.lost_by_tables,
           samples.lost_by_records);
    if (samples.lost_by_tables != 0 || samples.lost_by_records != 0)
        return -1;
    return err;
}

/* ---- states ------------------------------------------------------------ */

static int job_of_one_pause(void *arg)
{
    (void)arg;
    sink = sy_job_pause();
    return 0;
}

static int job_with_operation(void *arg)
{
    if (sy_job_pin(arg, &pinned) == 0)
        sink = sy_job_pause();
    return 0;
}

/* One job each: paused, ready, finished by sy_runtime_run(), quarantined. */
static int show_states(struct sy_runtime *rt)
{
    struct sy_job_spec spec = {.fn = job_of_one_pause, .user = &pinned};
    struct sy_job_spec with_operation = {.fn = job_with_operation, .arg = rt};
    struct sy_job *paused, *ready, *finished, *ended;

    if (sy_job_start(rt, &spec, &paused, NULL) != SY_JOB_PAUSED ||
        sy_job_start(rt, &spec, &ready, NULL) != SY_JOB_PAUSED ||
        sy_job_start(rt, &spec, &finished, NULL) != SY_JOB_PAUSED ||
        sy_job_start(rt, &with_operation, &ended, NULL) != SY_JOB_PAUSED)
        return -1;
    sy_wake(sy_job_waker(finished));
    if (sy_runtime_run(rt, 0) != 1)
        return -1;
    sy_wake(sy_job_waker(ready));
    if (sy_job_abandon(&ended) != 0)
        return -1;
    sink = stop_here();
    sy_complete(pinned);
    if (sy_job_resume(&finished, NULL) != SY_JOB_FINISHED)
        return -1;
    return event_loop(&paused) + event_loop(&ready);
}

/* ---- main -------------------------------------------------------------- */

/* Not inlined: in its first instructions, a function that main called would
   hide main from those who follow frame pointers. */
SY_NOINLINE static int run(struct sy_runtime *rt)
{
    if (strcmp(mode, "states") == 0 || strcmp(mode, "dump") == 0 ||
        strcmp(mode, "hide") == 0)
        return show_states(rt);
    if (strcmp(mode, "sample") == 0)
        return run_samples(rt);
    /* Once with the outer job's stack below the inner one's, once above. */
    if (run_nest(rt, 0) != 0 || run_nest(rt, 1) != 0)
        return -1;
    return 0;
}

static uintptr_t length_of(uintptr_t function)
{
    const ElfW(Sym) *symbol = NULL;
    Dl_info info;

    if (dladdr1((void *)function, &info, (void **)&symbol, RTLD_DL_SYMENT) ==
            0 ||
        symbol == NULL)
        return 0;
    return symbol->st_size;
}

int main(int argc, char **argv)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;
    int err;

    if (argc != 3) {
        fputs("usage: nested_walk SWITCHER MODE\n", stderr);
        return 2;
    }
    switcher = argv[1];
    mode = argv[2];
    main_bytes = length_of((uintptr_t)main);
    start_bytes = length_of((uintptr_t)sy_job_start);
    must_reach_main =
        strcmp(switcher, "asm") == 0 || strcmp(switcher, "inline") == 0;
    cfg.switcher = switcher;
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    if (strcmp(mode, "hide") != 0)
        cfg.flags |= SY_RT_DUMP_STACKS;
    err = sy_runtime_open(&rt, &cfg);
    if (err == -ENOENT || err == -ENOTSUP) {
        printf("skip: no switcher %s here (%d)\n", switcher, err);
        return 77;
    }
    if (err != 0) {
        printf("FAIL %s: no runtime (%d)\n", switcher, err);
        return 1;
    }
    if (run(rt) != 0) {
        printf("FAIL %s: %s\n", switcher, mode);
        failures++;
    }
    if (sy_runtime_close(rt) != 0)
        failures++;
    return failures != 0;
}
