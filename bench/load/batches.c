/* SPDX-License-Identifier: Apache-2.0 */
#include "batches.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "load_cycle.h"
#include "own_parts.h"

/* Results set aside in a batch and verified after it. */
#define HELD_WANTED 8
#define HELD_ROOM   (2 * HELD_WANTED)

#define STACK_OFFSET_MAX ((size_t)65536)

/* What was counted up to a moment; see struct sy_batch. */
struct reading {
    uint64_t now_ns, cpu_ns, thread_cpu_ns;
    uint64_t switches_voluntary, switches_involuntary;
    uint64_t faults_minor, faults_major;
    uint64_t steal_ns, waited_ns, migrations;
    int cpu;
};

/* Files of the kernel that are read before and after each batch. */
struct kernel_files {
    int stat, schedstat, sched; /* -1: there is none */
};

/* The controlling thread and the experiment's hand over to each other. */
enum turn { TURN_EXPERIMENT, TURN_CONTROLLER };

enum stage { STAGE_LEAD_IN, STAGE_MEASURED };

struct sy_batches {
    struct sy__gate gate;     /* first: the load points to it */
    struct sy_experiment exp; /* with parts of this copy of the library */
    size_t stack_offset;
    int cpu;
    struct sy_outcome out; /* of the experiment's thread */
    struct sy__progress progress;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum turn turn;      /* under lock, as what follows */
    int is_ended;        /* the thread runs no more batches */
    int is_closing;      /* it shall end */
    uint64_t operations; /* of the batch that is wanted */
    int err;

    /* The experiment's thread only. */
    struct kernel_files files;
    enum stage stage;
    int is_warm;
    volatile unsigned char *stack_room;
    uint64_t to_begin, in_flight;
    struct reading opened, closed;
    struct sy_batch result;
};

/* ---- reading what the kernel knows -------------------------------------- */

static size_t read_text(int fd, char *text, size_t bytes)
{
    ssize_t n = fd != -1 ? pread(fd, text, bytes - 1, 0) : -1;

    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

/* The eighth number of the first line, in clock ticks. */
static uint64_t read_steal_ns(int fd)
{
    unsigned long long steal = 0;
    long hz = sysconf(_SC_CLK_TCK);
    char text[256];

    if (read_text(fd, text, sizeof(text)) == 0 || hz <= 0 ||
        sscanf(text, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &steal) != 1)
        return 0;
    return steal * (SY_NS_PER_S / (uint64_t)hz);
}

/* "time on a CPU, time waiting for one, how often", in ns. */
static uint64_t read_waited_ns(int fd)
{
    unsigned long long waited = 0;
    char text[128];

    if (read_text(fd, text, sizeof(text)) == 0 ||
        sscanf(text, "%*u %llu", &waited) != 1)
        return 0;
    return waited;
}

static uint64_t read_migrations(int fd)
{
    unsigned long long count = 0;
    char text[1024];
    const char *at;

    if (read_text(fd, text, sizeof(text)) == 0)
        return 0;
    at = strstr(text, "se.nr_migrations");
    at = at != NULL ? strchr(at, ':') : NULL;
    if (at == NULL || sscanf(at, ": %llu", &count) != 1)
        return 0;
    return count;
}

static void read_files(const struct kernel_files *files, struct reading *r)
{
    r->steal_ns = read_steal_ns(files->stat);
    r->waited_ns = read_waited_ns(files->schedstat);
    r->migrations = read_migrations(files->sched);
}

static void read_usage(struct reading *r)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) == -1)
        memset(&usage, 0, sizeof(usage));
    r->switches_voluntary = (uint64_t)usage.ru_nvcsw;
    r->switches_involuntary = (uint64_t)usage.ru_nivcsw;
    r->faults_minor = (uint64_t)usage.ru_minflt;
    r->faults_major = (uint64_t)usage.ru_majflt;
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t = {0, 0};

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * SY_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* The dearest readings are farthest from the batch, on both of its sides. */
static void read_before(const struct kernel_files *files, struct reading *r)
{
    read_files(files, r);
    r->cpu = sched_getcpu();
    read_usage(r);
    r->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    r->thread_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    r->now_ns = clock_ns(CLOCK_MONOTONIC);
}

static void read_after(const struct kernel_files *files, struct reading *r)
{
    r->now_ns = clock_ns(CLOCK_MONOTONIC);
    r->thread_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    r->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    read_usage(r);
    r->cpu = sched_getcpu();
    read_files(files, r);
}

static void open_files(struct kernel_files *files)
{
    files->stat = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    files->schedstat =
        open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    files->sched = open("/proc/thread-self/sched", O_RDONLY | O_CLOEXEC);
}

static void close_files(const struct kernel_files *files)
{
    if (files->stat != -1)
        close(files->stat);
    if (files->schedstat != -1)
        close(files->schedstat);
    if (files->sched != -1)
        close(files->sched);
}

static void note_batch(struct sy_batches *b)
{
    const struct reading *a = &b->opened, *z = &b->closed;
    struct sy_batch *r = &b->result;

    r->operations = b->operations;
    r->elapsed_ns = z->now_ns > a->now_ns ? z->now_ns - a->now_ns : 0;
    r->cpu_ns = z->cpu_ns - a->cpu_ns;
    r->thread_cpu_ns = z->thread_cpu_ns - a->thread_cpu_ns;
    r->switches_voluntary = z->switches_voluntary - a->switches_voluntary;
    r->switches_involuntary = z->switches_involuntary - a->switches_involuntary;
    r->faults_minor = z->faults_minor - a->faults_minor;
    r->faults_major = z->faults_major - a->faults_major;
    r->steal_ns = z->steal_ns - a->steal_ns;
    r->waited_ns = z->waited_ns - a->waited_ns;
    r->migrations = z->migrations - a->migrations;
    /* Where the kernel does not count them, one can be seen. */
    if (r->migrations == 0 && z->cpu != a->cpu)
        r->migrations = 1;
    r->cpu = z->cpu >= 0 ? (uint32_t)z->cpu : 0;
}

/* ---- the experiment's thread -------------------------------------------- */

/* Report, and sleep until another batch is wanted. Returns whether one is. */
static int hand_over(struct sy_batches *b)
{
    int is_closing;

    pthread_mutex_lock(&b->lock);
    b->turn = TURN_CONTROLLER;
    pthread_cond_broadcast(&b->changed);
    while (b->turn != TURN_EXPERIMENT)
        pthread_cond_wait(&b->changed, &b->lock);
    is_closing = b->is_closing;
    pthread_mutex_unlock(&b->lock);
    return !is_closing;
}

static void begin_lead_in(struct sy_batches *b, struct sy__load *load)
{
    b->stage = STAGE_LEAD_IN;
    load->phase = SY__SETTLE;
    b->to_begin = load->jobs;
}

static void begin_measured(struct sy_batches *b, struct sy__load *load)
{
    b->stage = STAGE_MEASURED;
    b->to_begin = b->operations;
    load->out->verify_every = b->operations / HELD_WANTED + 1;
    load->held_max = HELD_ROOM;
    load->phase = SY__WINDOW;
    read_before(&b->files, &b->opened);
}

static void end_measured(struct sy_batches *b, struct sy__load *load)
{
    uint64_t before = load->out->verified;

    load->phase = SY__SETTLE;
    sy__load_verify_held(load);
    note_batch(b);
    b->result.verified = load->out->verified - before;
}

/* Nothing is in flight: go on to what comes next. Returns whether anything
   does. */
static int next_stage(struct sy_batches *b, struct sy__load *load)
{
    if (b->is_warm && b->stage == STAGE_LEAD_IN) {
        begin_measured(b, load);
        return 1;
    }
    if (b->is_warm)
        end_measured(b, load);
    b->is_warm = 1;
    /* A result was wrong: what began is no batch. */
    if (load->out->status != SY_OUTCOME_OK)
        return 0;
    if (!hand_over(b))
        return 0;
    begin_lead_in(b, load);
    return 1;
}

static int admit(struct sy__load *load)
{
    struct sy_batches *b = (struct sy_batches *)load->gate;

    if (b->to_begin == 0 && b->in_flight > 0)
        return 0;
    while (b->to_begin == 0) {
        if (!next_stage(b, load))
            return -1;
    }
    b->to_begin--;
    b->in_flight++;
    return 1;
}

static void finished(struct sy__load *load, const struct sy__op *op,
                     uint64_t now_ns)
{
    struct sy_batches *b = (struct sy_batches *)load->gate;

    (void)op;
    (void)now_ns;
    b->in_flight--;
    if (b->in_flight == 0 && b->to_begin == 0 && b->is_warm &&
        b->stage == STAGE_MEASURED)
        read_after(&b->files, &b->closed);
}

/*
 * Keep the calling thread on the chosen CPU, or away from it. What cannot be
 * done is left as it is: then the batches show where they ran.
 */
static void choose_cpus(const struct sy_batches *b, int away)
{
    cpu_set_t set;

    if (b->cpu < 0 || b->cpu >= CPU_SETSIZE)
        return;
    CPU_ZERO(&set);
    if (away && sched_getaffinity(0, sizeof(set), &set) == -1)
        return;
    if (away)
        CPU_CLR((size_t)b->cpu, &set);
    else
        CPU_SET((size_t)b->cpu, &set);
    if (CPU_COUNT(&set) > 0)
        (void)sched_setaffinity(0, sizeof(set), &set);
}

/* The row is about to take its first operation; the device has made its
   threads. */
static int begin(struct sy__load *load)
{
    struct sy_batches *b = (struct sy_batches *)load->gate;

    choose_cpus(b, 0);
    b->to_begin = 2 * (uint64_t)load->jobs;
    return sy__mix_reserve(&load->mix, HELD_ROOM);
}

static void perform(struct sy_batches *b)
{
    int err;

    err =
        sy__experiment_perform_gated(&b->exp, &b->out, &b->progress, &b->gate);
    pthread_mutex_lock(&b->lock);
    b->err = err;
    b->is_ended = 1;
    b->turn = TURN_CONTROLLER;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

/* Goes down the stack by so many bytes, and a little more. */
static SY_NOINLINE void perform_lower(struct sy_batches *b, size_t bytes)
{
    volatile unsigned char room[bytes + 1];

    b->stack_room = room; /* so that it is there */
    room[bytes] = 0;
    perform(b);
    b->stack_room = NULL;
}

static void *thread_main(void *arg)
{
    struct sy_batches *b = arg;

    open_files(&b->files);
    choose_cpus(b, 1); /* as what it makes until begin() will be */
    perform_lower(b, b->stack_offset);
    close_files(&b->files);
    return NULL;
}

/* ---- the controlling thread --------------------------------------------- */

/* Let the experiment go on until it hands over or ends. */
static void give_turn(struct sy_batches *b)
{
    pthread_mutex_lock(&b->lock);
    if (!b->is_ended) {
        b->turn = TURN_EXPERIMENT;
        pthread_cond_broadcast(&b->changed);
        while (b->turn != TURN_CONTROLLER)
            pthread_cond_wait(&b->changed, &b->lock);
    }
    pthread_mutex_unlock(&b->lock);
}

static void await_turn(struct sy_batches *b)
{
    pthread_mutex_lock(&b->lock);
    while (b->turn != TURN_CONTROLLER)
        pthread_cond_wait(&b->changed, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

static int refuse(struct sy_outcome *outcome, int err, const char *what)
{
    memset(outcome, 0, sizeof(*outcome));
    outcome->status = err == -EINVAL ? SY_OUTCOME_FAILED : SY_OUTCOME_SKIPPED;
    snprintf(outcome->reason, sizeof(outcome->reason), "%s: %s", what,
             strerror(-err));
    return err;
}

int sy_batches_open(struct sy_batches **out, const struct sy_experiment *exp,
                    size_t stack_offset, int cpu, struct sy_outcome *outcome)
{
    struct sy_batches *b;
    int err;

    *out = NULL;
    if (exp->virtual_clock || stack_offset > STACK_OFFSET_MAX)
        return refuse(outcome, -EINVAL, "batches");
    b = calloc(1, sizeof(*b));
    if (b == NULL)
        return refuse(outcome, -ENOMEM, "batches");
    b->exp = *exp;
    b->exp.duration_ns = 0;
    b->exp.operations_max = 1; /* no end by time */
    b->exp.verify_every = 0;
    (void)sy_own_parts(&b->exp); /* what was loaded from a file stays */
    b->stack_offset = stack_offset;
    b->cpu = cpu;
    b->gate.begin = begin;
    b->gate.admit = admit;
    b->gate.finished = finished;
    b->turn = TURN_EXPERIMENT;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    err = -pthread_create(&b->thread, NULL, thread_main, b);
    if (err != 0) {
        pthread_cond_destroy(&b->changed);
        pthread_mutex_destroy(&b->lock);
        free(b);
        return refuse(outcome, err, "a thread for the experiment");
    }
    await_turn(b);
    if (!b->is_ended) {
        memcpy(outcome, &b->out, sizeof(*outcome));
        *out = b;
        return 0;
    }
    err = b->err;
    sy_batches_close(&b, outcome);
    return err;
}

int sy_batches_run(struct sy_batches *b, uint64_t operations,
                   struct sy_batch *batch)
{
    b->operations = operations;
    give_turn(b);
    if (b->is_ended)
        return -ECANCELED;
    *batch = b->result;
    return 0;
}

void sy_batches_close(struct sy_batches **handle, struct sy_outcome *outcome)
{
    struct sy_batches *b = *handle;

    *handle = NULL;
    if (b == NULL)
        return;
    b->is_closing = 1;
    give_turn(b);
    pthread_join(b->thread, NULL);
    if (outcome != NULL)
        memcpy(outcome, &b->out, sizeof(*outcome));
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

const struct sy_experiment *sy_batches_experiment(const struct sy_batches *b)
{
    return &b->exp;
}

const struct sy_batches_calls sy_batches_calls = {
    .open = sy_batches_open,
    .run = sy_batches_run,
    .close = sy_batches_close,
    .experiment = sy_batches_experiment,
};
