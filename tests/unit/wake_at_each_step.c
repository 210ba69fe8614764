/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signal handler may wake a job of the thread that it interrupts, wherever
 * that thread stands. Here it stands at each instruction in turn: a scenario is
 * run under the processor's single-step flag, once for each of its
 * instructions, and the handler wakes the job there. Whatever was interrupted,
 * the job is resumed, and a second wake after that arrives as well.
 */
#include "unit.h"
#include <signal.h>
#include <switchyard/switchyard.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__) && !SY_ASAN && !SY_TSAN

#define TRAP_FLAG 0x100

/* A step takes some microseconds, and there are n * n / 2 of them. So only the
   first instructions, those of a resume, are all tried, and of the others one
   out of so many; with an argument, all. */
#define DENSE  120
#define STRIDE 29

static struct sy_runtime *rt;
static struct sy_waker target;
static unsigned long step, wake_at;
static volatile int woken, stepping;

static void at_step(int number, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;

    (void)number, (void)info;
    if (stepping && ++step == wake_at)
        woken = sy_wake(target) == 0;
    if (!stepping || step >= wake_at)
        interrupted->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

static void begin_steps(void)
{
    stepping = 1;
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
}

static void end_steps(void)
{
    stepping = 0; /* and the next step is the last one, if it was not over */
}

/* Pauses until told to end; turns counts how often it was resumed. */
struct body {
    int turns;
    int runs; /* call sy_runtime_run() itself, before each pause */
    int is_over;
};

static int pause_until_over(void *arg)
{
    struct body *body = arg;

    while (!body->is_over) {
        if (body->runs)
            CHECK(sy_runtime_run(rt, 0) >= 0);
        CHECK_EQ(sy_job_pause(), 0);
        body->turns++;
    }
    return 0;
}

static struct sy_job *start(struct body *body)
{
    struct sy_job_spec spec = {.fn = pause_until_over, .arg = body};
    struct sy_job *job;

    CHECK_EQ(sy_job_start(rt, &spec, &job, NULL), SY_JOB_PAUSED);
    return job;
}

static void finish(struct sy_job *job, struct body *body)
{
    body->is_over = 1;
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
}

enum scenario { BY_HAND, BY_RUN, BY_WAKE, SCENARIOS };

/* Once through, with the wake at an instruction. False: there are fewer. */
static int try_at(enum scenario scenario, int runs, unsigned long n)
{
    struct body body = {.runs = runs};
    struct sy_job *job = start(&body);
    int before;

    target = sy_job_waker(job);
    wake_at = n;
    step = 0;
    woken = 0;
    begin_steps();
    switch (scenario) {
    case BY_HAND:
        CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_PAUSED);
        break;
    case BY_RUN:
        (void)sy_wake(target);
        CHECK(sy_runtime_run(rt, 0) >= 0);
        break;
    default:
        (void)sy_wake(target);
        CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_PAUSED);
        CHECK(sy_runtime_run(rt, 0) >= 0);
        break;
    }
    end_steps();
    if (!woken) {
        finish(job, &body);
        return 0;
    }
    /* It may have been resumed for that wake already, or be resumed now. */
    while (sy_runtime_run(rt, 0) > 0)
        continue;
    CHECK(body.turns >= 1);
    before = body.turns;
    CHECK_EQ(sy_wake(target), 0);
    if (sy_runtime_run(rt, 0) != 1 || body.turns != before + 1) {
        fprintf(stderr,
                "scenario %d, runs %d: after a wake at instruction %lu the "
                "next one is lost\n",
                (int)scenario, runs, n);
        exit(1);
    }
    finish(job, &body);
    return 1;
}

static void check(const char *switcher, int all)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    unsigned long n;

    cfg.switcher = switcher;
    cfg.engine = "queue";
    if (sy_runtime_open(&rt, &cfg) != 0) {
        printf("%s: skipped\n", switcher);
        return;
    }
    for (int scenario = 0; scenario < SCENARIOS; scenario++) {
        for (int runs = 0; runs < 2; runs++) {
            for (n = 1; try_at((enum scenario)scenario, runs, n);
                 n += all || n < DENSE ? 1 : STRIDE)
                continue;
            printf("%s, scenario %d, runs %d: about %lu instructions\n",
                   switcher, scenario, runs, n);
        }
    }
    CHECK_EQ(sy_runtime_close(rt), 0);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_sigaction = at_step, .sa_flags = SA_SIGINFO};

    CHECK_EQ(sigaction(SIGTRAP, &action, NULL), 0);
    (void)argv;
    alarm(100);
    check("asm", argc > 1);
    check("setjmp", argc > 1);
    return 0;
}

#else

int main(void)
{
    printf("skipped: not an x86-64 build without sanitizers\n");
    return 77;
}

#endif
