/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that stops, spins or walks its own stack in a job whose resumer is
 * not its starter: main -> event_loop -> outer job -> inner job.
 *
 * usage: nested_walk SWITCHER stop|walk|spin
 *
 *   stop  calls stop_here() once per order of the two stacks, for a debugger
 *   walk  walks by unwind tables and by frame pointers, and checks what it met
 *   spin  burns CPU in the inner job for half a second, for a profiler
 *
 * Exit status 77 if the switcher does not work here.
 *
 * Nothing here is static, and the program exports its symbols: dladdr() has to
 * find them. No function ends in a call: that would be no frame.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/switcher.h>
#include <switchyard/switchyard.h>
#include <time.h>
#include <unwind.h>

#define FRAMES_MAX 64
#define SPIN_NS    500000000LL

struct walk {
    const char *how;
    void *addresses[FRAMES_MAX];
    int count;
    int ended; /* 0: broken off */
};

static const char *mode;
static const char *switcher;
static int must_reach_main;
static int failures;
static volatile int sink;

SY_API int stop_here(void);
SY_API int inner_job(void *arg);
SY_API int outer_job(void *arg);
SY_API int starter(struct sy_runtime *rt, sy_job_fn fn, struct sy_job **arg,
                   struct sy_job **job);
SY_API int event_loop(struct sy_job **job);
SY_API int main(int argc, char **argv);

/* ---- walking ----------------------------------------------------------- */

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

#if defined(__x86_64__) && !SY_ASAN
struct frame_record {
    const struct frame_record *next;
    void *address;
};

/* As the kernel does it for a profiler, but no further than main: the C
   library that called it keeps no frame pointers. */
static void walk_by_records(struct walk *walk)
{
    const struct frame_record *record = __builtin_frame_address(0);
    Dl_info info;

    *walk = (struct walk){.how = "frame pointers", .ended = 1};
    for (; record != NULL; record = record->next) {
        if (walk->count == FRAMES_MAX) {
            walk->ended = 0;
            return;
        }
        if (record->address == NULL)
            continue;
        walk->addresses[walk->count++] = record->address;
        if (dladdr(record->address, &info) != 0 &&
            info.dli_saddr == (void *)(uintptr_t)main)
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
    struct timespec began, now;
    struct walk walk;

    if (strcmp(mode, "walk") == 0) {
        walk_by_tables(&walk);
        judge(&walk);
        walk_by_backtrace(&walk);
        judge(&walk);
#if defined(__x86_64__) && !SY_ASAN
        walk_by_records(&walk);
        judge(&walk);
#endif
    } else if (strcmp(mode, "spin") == 0) {
        (void)clock_gettime(CLOCK_MONOTONIC, &began);
        do {
            for (int i = 0; i < 1000000; i++)
                sink = i;
            (void)clock_gettime(CLOCK_MONOTONIC, &now);
        } while ((now.tv_sec - began.tv_sec) * 1000000000LL + now.tv_nsec -
                     began.tv_nsec <
                 SPIN_NS);
    }
    return sink;
}

SY_NOINLINE int inner_job(void *arg)
{
    (void)arg;
    sink = sy_job_pause();
    sink = stop_here();
    sink = sy_job_pause();
    return 1;
}

/* Resumes the job whose handle it is given, to its end. */
SY_NOINLINE int outer_job(void *arg)
{
    struct sy_job **inner = arg;
    int result = 0;

    sink = sy_job_pause();
    while (*inner != NULL) {
        if (sy_job_resume(inner, &result) < 0)
            return -1;
    }
    return result + 1;
}

SY_NOINLINE int starter(struct sy_runtime *rt, sy_job_fn fn,
                        struct sy_job **arg, struct sy_job **job)
{
    struct sy_job_spec spec = {.fn = fn, .arg = arg};
    int state = sy_job_start(rt, &spec, job, NULL);

    sink = state;
    return state;
}

SY_NOINLINE int event_loop(struct sy_job **job)
{
    int result = 0;

    while (*job != NULL) {
        if (sy_job_resume(job, &result) < 0)
            return -1;
    }
    return result;
}

static int run_nest(struct sy_runtime *rt, int inner_first)
{
    struct sy_job *inner = NULL, *outer = NULL;
    int first, second;

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

int main(int argc, char **argv)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;
    int err;

    if (argc != 3) {
        fputs("usage: nested_walk SWITCHER stop|walk|spin\n", stderr);
        return 2;
    }
    switcher = argv[1];
    mode = argv[2];
    must_reach_main = strcmp(switcher, "asm") == 0;
    cfg.switcher = switcher;
    cfg.flags = SY_RT_NO_ENVIRONMENT | SY_RT_DUMP_STACKS;
    err = sy_runtime_open(&rt, &cfg);
    if (err == -ENOENT || err == -ENOTSUP) {
        printf("skip: no switcher %s here (%d)\n", switcher, err);
        return 77;
    }
    if (err != 0)
        return 1;
    /* Once with the outer job's stack below the inner one's, once above. */
    for (int inner_first = 0; inner_first < 2; inner_first++) {
        if (run_nest(rt, inner_first) != 2) {
            printf("FAIL %s: the jobs did not run as they should\n", switcher);
            failures++;
        }
    }
    if (sy_runtime_close(rt) != 0)
        failures++;
    return failures != 0;
}
