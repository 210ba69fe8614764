/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How it looks at switches: the runtime is given a copy of the switcher's
 * table in which start and swap are ours. Ours fill the registers, call the
 * real hook, and look at what is there when control comes back. So nothing of
 * the job layer stands between the check and the switcher, and both sides of
 * each switch are seen: the job's and its resumer's.
 *
 * The first fault is written to a pipe and ends the child.
 */
#include "abi_check.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/switchyard.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIME_LIMIT_MS 20000
#define PAUSES        5

enum { KEPT_REGISTERS = 6 };

static const char *const register_names[KEPT_REGISTERS] = {"rbx", "rbp", "r12",
                                                           "r13", "r14", "r15"};

struct abi_call { /* the map in abi_x86_64.S */
    uint64_t fn;
    uint64_t args[5];
    uint64_t before[KEPT_REGISTERS];
    uint64_t after[KEPT_REGISTERS];
    uint64_t rsp_before, rsp_after;
    uint64_t flags_after;
};
_Static_assert(offsetof(struct abi_call, before) == 48, "call map");
_Static_assert(offsetof(struct abi_call, after) == 96, "call map");
_Static_assert(offsetof(struct abi_call, rsp_before) == 144, "call map");
_Static_assert(offsetof(struct abi_call, flags_after) == 160, "call map");

#define DIRECTION_FLAG 0x400u

int sy__abi_call(struct abi_call *call);
int sy__abi_entry(void *arg);
int sy__abi_entered(void *arg, uint64_t rsp);
void sy__abi_get_fpctl(uint32_t *mxcsr, uint32_t *x87);
void sy__abi_set_fpctl(const uint32_t *mxcsr, const uint32_t *x87);

/* What belongs to the thread, or to the context if the switcher says so. */
struct thread_words {
    uint32_t mxcsr, x87;
    int usr1_is_blocked, usr2_is_blocked;
};

/* The low six bits of MXCSR are sticky flags, and nobody keeps these. */
#define MXCSR_CONTROL    0xffc0u
#define MXCSR_ROUND_DOWN 0x2000u
#define MXCSR_ROUND_UP   0x4000u
#define X87_ROUND_DOWN   0x0400u
#define X87_ROUND_UP     0x0800u

/* The child's only state: one switcher is checked per process. */
static struct {
    const struct sy_switcher_ops *ops;
    struct sy_switcher_ops wrapped;
    int report_fd;
    const char *stage;

    /* What the last side that left said and had. */
    int value;
    void *to; /* NULL: left by finishing */
    struct thread_words words;

    /* From start to the entry of fn. */
    sy_switcher_fn fn;
    void *arg;
    void *stack_top;
    uint32_t calls;
} checked;

/* ---- reports ----------------------------------------------------------- */

static void send(char kind, const char *text)
{
    char line[300];
    int bytes = snprintf(line, sizeof(line), "%c%s\n", kind, text);

    if (bytes > 0 && write(checked.report_fd, line, strlen(line)) == -1)
        _exit(3);
}

SY_PRINTF(1, 2) SY_NORETURN static void fault(const char *format, ...)
{
    char text[250];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    send('F', text);
    _exit(1);
}

static void enter_stage(const char *stage)
{
    checked.stage = stage;
    send('S', stage);
}

static void expect(int ok, const char *what)
{
    if (!ok)
        fault("%s: %s", checked.stage, what);
}

/* ---- what a thread has ------------------------------------------------- */

static struct thread_words read_words(void)
{
    struct thread_words words;
    sigset_t mask;

    sy__abi_get_fpctl(&words.mxcsr, &words.x87);
    words.mxcsr &= MXCSR_CONTROL;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    words.usr1_is_blocked = sigismember(&mask, SIGUSR1);
    words.usr2_is_blocked = sigismember(&mask, SIGUSR2);
    return words;
}

static void round_by(uint32_t mxcsr_bits, uint32_t x87_bits)
{
    uint32_t mxcsr, x87;

    sy__abi_get_fpctl(&mxcsr, &x87);
    mxcsr = (mxcsr & ~(MXCSR_ROUND_DOWN | MXCSR_ROUND_UP)) | mxcsr_bits;
    x87 = (x87 & ~(X87_ROUND_DOWN | X87_ROUND_UP)) | x87_bits;
    sy__abi_set_fpctl(&mxcsr, &x87);
}

static void block_only(int number)
{
    sigset_t mask;

    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, number);
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static int has(uint32_t cap)
{
    return (checked.ops->caps & cap) != 0;
}

static void compare_fpctl(const struct thread_words *want,
                          const struct thread_words *got, const char *where,
                          const char *meaning)
{
    if (want->mxcsr != got->mxcsr)
        fault("the floating-point control word MXCSR was lost across %s: "
              "%#x before, %#x after (%s)",
              where, want->mxcsr, got->mxcsr, meaning);
    if (want->x87 != got->x87)
        fault("the x87 control word was lost across %s: %#x before, %#x "
              "after (%s)",
              where, want->x87, got->x87, meaning);
}

static void compare_mask(const struct thread_words *want,
                         const struct thread_words *got, const char *where,
                         const char *meaning)
{
    if (want->usr1_is_blocked != got->usr1_is_blocked ||
        want->usr2_is_blocked != got->usr2_is_blocked)
        fault("the signal mask was changed by %s (%s)", where, meaning);
}

/*
 * Control arrived. own: what this flow had when it left, NULL for a new job.
 *
 * A switcher that keeps the words per context gives this flow its own back
 * (and gives a new job those of its starter). Another one does not touch
 * them: then the thread has what the side that left had.
 */
static void check_words(const struct thread_words *own, const char *where)
{
    static const char kept[] = "the switcher says that contexts keep it";
    static const char shared[] = "it belongs to the thread";
    struct thread_words now = read_words();
    int threads = !has(SY_SW_SAME_THREAD);

    if (threads && own == NULL)
        return; /* a thread of its own, with words of its own */
    if (own == NULL)
        own = &checked.words;
    if (threads || has(SY_SW_KEEPS_FPCTL))
        compare_fpctl(own, &now, where, kept);
    else
        compare_fpctl(&checked.words, &now, where, shared);
    if (threads || has(SY_SW_KEEPS_SIGMASK))
        compare_mask(own, &now, where, kept);
    else
        compare_mask(&checked.words, &now, where, shared);
}

/* ---- the hooks that stand before the switcher's ------------------------ */

static void check_call(const struct abi_call *call, const char *where)
{
    char lost[64] = "";
    size_t used = 0;
    int count = 0, last = 0;

    for (int i = 0; i < KEPT_REGISTERS; i++) {
        if (call->before[i] == call->after[i])
            continue;
        used += (size_t)snprintf(lost + used, sizeof(lost) - used, "%s%s",
                                 count > 0 ? ", " : "", register_names[i]);
        last = i;
        count++;
    }
    if (count > 1)
        fault("registers %s were lost across %s", lost, where);
    if (count == 1)
        fault("register %s was lost across %s: %#llx went in, %#llx came out",
              lost, where, (unsigned long long)call->before[last],
              (unsigned long long)call->after[last]);
    if (call->rsp_before != call->rsp_after)
        fault("the stack pointer rsp is off by %lld bytes after %s",
              (long long)(call->rsp_after - call->rsp_before), where);
    if ((call->flags_after & DIRECTION_FLAG) != 0)
        fault("the direction flag is set after %s", where);
}

/*
 * Call a hook that leaves from, and look around when control comes back.
 *
 * SY_NO_TSAN: entered on one stack and left on another, which ThreadSanitizer
 * would count as a return too many.
 */
SY_NO_TSAN static int call_hook(struct abi_call *call, void *from,
                                const char *where)
{
    struct thread_words own;
    int got;

    checked.calls++;
    for (int i = 0; i < KEPT_REGISTERS; i++)
        call->before[i] = 0x5ca1ab1e00000000u | (uint64_t)(checked.calls << 8) |
                          (uint64_t)(0x10 + i);
    own = read_words();
    checked.words = own;

    got = sy__abi_call(call);

    check_call(call, where);
    check_words(&own, where);
    if (checked.to != NULL && checked.to != from)
        fault("control arrived in another context than the one that %s was "
              "given",
              where);
    if (got != checked.value)
        fault("%s returned %d where %s handed over %d", where, got,
              checked.to != NULL ? "swap" : "the end of a job", checked.value);
    return got;
}

SY_NO_TSAN static int abi_swap(void *from, void *to, int value)
{
    struct abi_call call = {
        .fn = (uint64_t)(uintptr_t)checked.ops->swap,
        .args = {(uint64_t)(uintptr_t)from, (uint64_t)(uintptr_t)to,
                 (uint64_t)(uint32_t)value},
    };

    checked.to = to;
    checked.value = value;
    return call_hook(&call, from, "swap");
}

SY_NO_TSAN static int abi_start(void *from, void *to, void *stack_top,
                                sy_switcher_fn fn, void *arg)
{
    struct abi_call call = {
        .fn = (uint64_t)(uintptr_t)checked.ops->start,
        .args = {(uint64_t)(uintptr_t)from, (uint64_t)(uintptr_t)to,
                 (uint64_t)(uintptr_t)stack_top,
                 (uint64_t)(uintptr_t)sy__abi_entry,
                 (uint64_t)(uintptr_t)&checked},
    };

    checked.fn = fn;
    checked.arg = arg;
    checked.stack_top = stack_top;
    return call_hook(&call, from, "start");
}

/* The first C function of a job. */
int sy__abi_entered(void *arg, uint64_t rsp)
{
    uint64_t top = (uint64_t)(uintptr_t)checked.stack_top;
    int result;

    if (arg != &checked)
        fault("start did not hand its argument to the job's function");
    if ((rsp + 8) % 16 != 0)
        fault("the stack is not 16-byte aligned where the job's function is "
              "called: rsp %% 16 is %u at its entry, and must be 8",
              (unsigned)(rsp % 16));
    /* Threads may have reasons to run elsewhere: see threads.c. */
    if (has(SY_SW_OWN_STACK) && has(SY_SW_SAME_THREAD) &&
        (rsp >= top || rsp < top - SY_STACK_BYTES_MIN))
        fault("the job does not run on the stack that start was given");
    check_words(NULL, "start, in the new job");

    result = checked.fn(checked.arg);
    checked.value = 0;
    checked.to = NULL;
    checked.words = read_words();
    return result;
}

/* ---- what the jobs do -------------------------------------------------- */

static int job_return(void *arg)
{
    return *(int *)arg + 1;
}

/* Pauses with words of its own where the switcher says that it has them. */
static int job_pause(void *arg)
{
    uint64_t canary[8], sum = 0;
    int id = *(int *)arg;

    if (has(SY_SW_KEEPS_FPCTL))
        round_by(MXCSR_ROUND_UP, X87_ROUND_UP);
    if (has(SY_SW_KEEPS_SIGMASK))
        block_only(SIGUSR2);
    for (unsigned i = 0; i < 8; i++)
        canary[i] = (uint64_t)id * 1000 + i;
    for (int i = 0; i < PAUSES; i++)
        expect(sy_job_pause() == 0, "a pause did not return 0");
    for (unsigned i = 0; i < 8; i++)
        sum += canary[i] - i;
    expect(sum == (uint64_t)id * 8000, "variables on the job's stack changed");
    return id + 1;
}

static int start_job(struct sy_runtime *rt, sy_job_fn fn, int id,
                     struct sy_job **job, int *result)
{
    struct sy_job_spec spec = {.fn = fn, .arg = &id, .arg_bytes = sizeof(id)};

    return sy_job_start(rt, &spec, job, result);
}

static void run_paused(struct sy_runtime *rt, int id)
{
    struct sy_job *job = NULL;
    int result = -1;

    expect(start_job(rt, job_pause, id, &job, &result) == SY_JOB_PAUSED,
           "start did not say that the job paused");
    for (int i = 1; i < PAUSES; i++)
        expect(sy_job_resume(&job, &result) == SY_JOB_PAUSED,
               "resume did not say that the job paused");
    expect(result == -1, "a result before the job finished");
    expect(sy_job_resume(&job, &result) == SY_JOB_FINISHED,
           "resume did not say that the job finished");
    expect(result == id + 1, "the job's result is wrong");
}

static struct sy_runtime *runtime;

static int job_nest(void *arg)
{
    int id = *(int *)arg;

    run_paused(runtime, id * 10);
    expect(sy_job_pause() == 0, "a pause after a nested job");
    run_paused(runtime, id * 10 + 1);
    return id + 1;
}

static void check_return(void)
{
    struct sy_job *job;
    int result = -1;

    for (int id = 0; id < 3; id++) {
        expect(start_job(runtime, job_return, id, &job, &result) ==
                   SY_JOB_FINISHED,
               "start did not say that the job finished");
        expect(result == id + 1, "the job's result is wrong");
    }
}

static void check_two(void)
{
    struct sy_job *jobs[2] = {NULL, NULL};
    int result = -1;

    for (int id = 0; id < 2; id++)
        expect(start_job(runtime, job_pause, id, &jobs[id], &result) ==
                   SY_JOB_PAUSED,
               "start did not say that the job paused");
    for (int i = 0; i < PAUSES; i++) {
        for (int id = 0; id < 2; id++)
            expect(sy_job_resume(&jobs[id], &result) >= 0,
                   "resume was refused");
    }
    expect(jobs[0] == NULL && jobs[1] == NULL, "a job did not finish");
}

static void check_nested(void)
{
    struct sy_job *job = NULL;
    int result = -1;

    expect(start_job(runtime, job_nest, 7, &job, &result) == SY_JOB_PAUSED,
           "the outer job did not pause");
    expect(sy_job_resume(&job, &result) == SY_JOB_FINISHED && result == 8,
           "the outer job did not finish with its result");
}

static void check_abandoned(void)
{
    struct sy_job *job = NULL;
    int result = -1;

    expect(start_job(runtime, job_pause, 3, &job, &result) == SY_JOB_PAUSED,
           "start did not say that the job paused");
    expect(sy_job_abandon(&job) == 0, "abandon was refused");
}

static void run_checks(void)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    int err;

    checked.wrapped = *checked.ops;
    checked.wrapped.start = abi_start;
    if (checked.ops->swap != NULL)
        checked.wrapped.swap = abi_swap;
    cfg.switcher_ops = &checked.wrapped;
    cfg.engine = "poll";
    cfg.flags = SY_RT_NO_ENVIRONMENT;

    /* Unusual words, so that a switcher that sets the usual ones is seen. */
    round_by(MXCSR_ROUND_DOWN, X87_ROUND_DOWN);
    block_only(SIGUSR1);

    enter_stage("opening a runtime");
    err = sy_runtime_open(&runtime, &cfg);
    if (err != 0)
        fault("no runtime could be opened with it: %s", sy_strerror(err));
    enter_stage("running a job that does not pause");
    check_return();
    if (has(SY_SW_CAN_PAUSE)) {
        enter_stage("running a job that pauses");
        run_paused(runtime, 1);
        enter_stage("running a second job on the same stack");
        run_paused(runtime, 2);
        enter_stage("running two jobs in turn");
        check_two();
        enter_stage("running a job inside a job");
        check_nested();
        enter_stage("abandoning a paused job");
        check_abandoned();
        enter_stage("running a job on the stack of an abandoned one");
        run_paused(runtime, 4);
    }
    enter_stage("closing the runtime");
    expect(sy_runtime_close(runtime) == 0, "close was refused");
}

/* ---- the parent -------------------------------------------------------- */

struct report {
    char stage[128], fault[256];
    char line[300];
    size_t used;
    int timed_out, came_to_its_end;
};

static void take_line(struct report *report)
{
    if (report->line[0] == 'F')
        (void)snprintf(report->fault, sizeof(report->fault), "%.*s",
                       (int)sizeof(report->fault) - 1, report->line + 1);
    else if (report->line[0] == 'D')
        report->came_to_its_end = 1;
    else if (report->line[0] == 'S')
        (void)snprintf(report->stage, sizeof(report->stage), "%.*s",
                       (int)sizeof(report->stage) - 1, report->line + 1);
}

static void take_bytes(struct report *report, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n') {
            report->line[report->used] = '\0';
            take_line(report);
            report->used = 0;
        } else if (report->used < sizeof(report->line) - 1) {
            report->line[report->used++] = bytes[i];
        }
    }
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Read what the child says until it ends or the time is over. */
static void listen_to(int fd, struct report *report)
{
    int64_t until_ms = now_ms() + TIME_LIMIT_MS;
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    char bytes[512];

    for (;;) {
        int64_t left_ms = until_ms - now_ms();
        ssize_t count;
        int ready;

        if (left_ms <= 0) {
            report->timed_out = 1;
            return;
        }
        ready = poll(&pfd, 1, (int)left_ms);
        if (ready == -1 && errno != EINTR)
            return;
        if (ready <= 0)
            continue;
        count = read(fd, bytes, sizeof(bytes));
        if (count == 0 || (count == -1 && errno != EINTR))
            return;
        if (count > 0)
            take_bytes(report, bytes, (size_t)count);
    }
}

static int judge(const struct report *report, int status, char *why,
                 size_t bytes)
{
    if (report->fault[0] != '\0')
        (void)snprintf(why, bytes, "%s", report->fault);
    else if (report->timed_out)
        (void)snprintf(why, bytes, "it hung for %d s while %s",
                       TIME_LIMIT_MS / 1000, report->stage);
    else if (WIFSIGNALED(status))
        (void)snprintf(why, bytes, "it died of signal %d (%s) while %s",
                       WTERMSIG(status), strsignal(WTERMSIG(status)),
                       report->stage);
    else if (WEXITSTATUS(status) != 0 || !report->came_to_its_end)
        (void)snprintf(why, bytes,
                       "it ended the process with status %d "
                       "while %s",
                       WEXITSTATUS(status), report->stage);
    else
        return 0;
    return report->fault[0] == '\0' && report->timed_out ? -ETIMEDOUT : -EILSEQ;
}

int sy_abi_check(const struct sy_switcher_ops *ops, char *why, size_t bytes)
{
    struct report report = {.stage = "being set up"};
    int fds[2], status = 0, err;
    pid_t child;

    err = sy_switcher_probe(ops, why, bytes);
    if (err != 0)
        return err;
    if (pipe(fds) == -1)
        return -errno;
    child = fork();
    if (child == -1) {
        err = -errno;
        (void)close(fds[0]);
        (void)close(fds[1]);
        return err;
    }
    if (child == 0) {
        (void)close(fds[0]);
        checked.ops = ops;
        checked.report_fd = fds[1];
        run_checks();
        send('D', "");
        _exit(0);
    }
    (void)close(fds[1]);
    listen_to(fds[0], &report);
    (void)close(fds[0]);
    if (report.timed_out)
        (void)kill(child, SIGKILL);
    while (waitpid(child, &status, 0) == -1 && errno == EINTR)
        continue;
    return judge(&report, status, why, bytes);
}
