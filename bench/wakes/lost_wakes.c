/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switchyard_lost_wakes: is a completion ever lost? Thousands of jobs submit
 * operations to device threads, which complete them in random order and now
 * and then stop for a moment, so that the runtime falls asleep. A job goes on
 * only when its operation is complete; so if one wake-up is lost, that job
 * waits for ever, and the program says so and exits with 1.
 *
 * Each operation has its own input, its output depends on it, and the sum over
 * all outputs is compared with what it must be.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/engine.h>
#include <switchyard/switchyard.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define DEVICES_MAX 16
#define JOBS_MAX    1000000
/* A device picks the next operation to complete from so many. */
#define WINDOW 64
/* A job ends after so many operations at most, and another takes its slot. */
#define OPS_PER_JOB_MAX 16
/* A device stops after so many completions at most, for so long at most. */
#define COMPLETIONS_PER_NAP_MAX 8192
#define NAP_MAX_NS              200000
/* No operation takes that long. Without progress, a wake-up was lost. */
#define LOST_AFTER_NS (20 * SY_NS_PER_S)

struct operation {
    uint64_t input;
    uint64_t output;
    atomic_uint done;
};

struct entry {
    struct operation *op;
    struct sy_waker waker;
};

/* A ring from the runtime's thread to a device's. There is room for every
   operation that can be in flight. */
struct device {
    alignas(SY_CACHE_LINE) atomic_ullong head; /* written by the runtime */
    alignas(SY_CACHE_LINE) atomic_ullong completed;
    struct entry *ring;
    uint64_t mask;
    uint64_t tail;
    uint64_t random;
    atomic_bool over;
    pthread_t thread;
};

struct options {
    const char *engine;
    uint64_t wakes;
    uint64_t jobs;
    uint64_t devices;
    uint64_t seed;
};

static struct {
    struct options opt;
    struct sy_runtime *rt;
    struct device devices[DEVICES_MAX];
    uint64_t random;
    uint64_t submitted;
    uint64_t seen;
    uint64_t sum; /* of outputs */
    uint64_t wrong;
    uint64_t early_resumes; /* pauses that returned without a completion */
    uint64_t in_flight, in_flight_peak;
    uint64_t jobs_ended;
} run;

/* splitmix64: the next of a sequence that its start determines. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t answer_to(uint64_t input)
{
    return input * 0x9e3779b97f4a7c15u + 1;
}

_Noreturn static void stop_with(const char *what, int err)
{
    fprintf(stderr, "switchyard_lost_wakes: %s: %s\n", what, sy_strerror(err));
    exit(1);
}

/* ---- the devices -------------------------------------------------------- */

static void complete(struct device *d, struct entry e)
{
    e.op->output = answer_to(e.op->input);
    /* pairs with the acquire in submit_and_wait() */
    atomic_store_explicit(&e.op->done, 1, memory_order_release);
    /* Relaxed: read only to explain what went wrong. */
    atomic_fetch_add_explicit(&d->completed, 1, memory_order_relaxed);
    if (sy_complete(e.waker) != 0)
        stop_with("sy_complete", -ESRCH);
}

static void nap(struct device *d)
{
    struct timespec time = {.tv_nsec =
                                (long)(random_next(&d->random) % NAP_MAX_NS)};

    (void)nanosleep(&time, NULL);
}

static void *serve(void *arg)
{
    struct device *d = arg;
    struct entry window[WINDOW];
    unsigned held = 0;
    uint64_t until_nap = 1;

    while (!atomic_load_explicit(&d->over, memory_order_relaxed)) {
        /* pairs with the release in submit() */
        uint64_t head = atomic_load_explicit(&d->head, memory_order_acquire);
        unsigned i;

        while (held < WINDOW && d->tail < head)
            window[held++] = d->ring[d->tail++ & d->mask];
        if (held == 0) {
            struct timespec none = {0};

            (void)nanosleep(&none, NULL); /* there may be fewer CPUs */
            continue;
        }
        i = (unsigned)(random_next(&d->random) % held);
        complete(d, window[i]);
        window[i] = window[--held];
        if (--until_nap == 0) {
            until_nap = 1 + random_next(&d->random) % COMPLETIONS_PER_NAP_MAX;
            nap(d);
        }
    }
    return NULL;
}

static void open_devices(void)
{
    uint64_t room = 1;

    while (room < run.opt.jobs)
        room *= 2;
    for (uint64_t i = 0; i < run.opt.devices; i++) {
        struct device *d = &run.devices[i];
        int err;

        d->ring = calloc(room, sizeof(*d->ring));
        if (d->ring == NULL)
            stop_with("a ring of operations", -ENOMEM);
        d->mask = room - 1;
        d->random = run.opt.seed + i + 1;
        err = pthread_create(&d->thread, NULL, serve, d);
        if (err != 0)
            stop_with("a device's thread", -err);
    }
}

static void close_devices(void)
{
    for (uint64_t i = 0; i < run.opt.devices; i++) {
        struct device *d = &run.devices[i];

        atomic_store_explicit(&d->over, true, memory_order_relaxed);
        (void)pthread_join(d->thread, NULL);
        free(d->ring);
    }
}

static void submit(struct operation *op, struct sy_waker waker)
{
    struct device *d = &run.devices[random_next(&run.random) % run.opt.devices];
    uint64_t head = atomic_load_explicit(&d->head, memory_order_relaxed);

    d->ring[head & d->mask] = (struct entry){op, waker};
    /* pairs with the acquire in serve() */
    atomic_store_explicit(&d->head, head + 1, memory_order_release);
}

/* ---- the jobs ----------------------------------------------------------- */

static void submit_and_wait(void)
{
    struct operation op = {.input = run.submitted++};
    struct sy_waker waker;
    int err = sy_job_pin(run.rt, &waker);

    if (err != 0)
        stop_with("sy_job_pin", err);
    submit(&op, waker);
    for (;;) {
        (void)sy_job_pause();
        /* pairs with the release in complete() */
        if (atomic_load_explicit(&op.done, memory_order_acquire) != 0)
            break;
        run.early_resumes++;
    }
    run.seen++;
    run.sum += op.output;
    run.wrong += op.output != answer_to(op.input);
}

static int job_main(void *arg)
{
    uint64_t ops = 1 + random_next(&run.random) % OPS_PER_JOB_MAX;

    (void)arg;
    while (ops-- > 0 && run.submitted < run.opt.wakes)
        submit_and_wait();
    return 0;
}

static void job_done(void *user, struct sy_job *job, int result)
{
    (void)user, (void)job, (void)result;
    run.in_flight--;
    run.jobs_ended++;
}

/* Start as many jobs as may be in flight. Where descriptors run out, that is
   fewer from then on. */
static void start_jobs(void)
{
    const struct sy_job_spec spec = {.fn = job_main, .done = job_done};

    while (run.in_flight < run.opt.jobs && run.submitted < run.opt.wakes) {
        struct sy_job *job;
        int err = sy_job_start(run.rt, &spec, &job, NULL);

        if (err == -EMFILE && run.in_flight > 0) {
            run.opt.jobs = run.in_flight;
            return;
        }
        if (err != SY_JOB_PAUSED)
            stop_with("sy_job_start", err);
        run.in_flight++;
        if (run.in_flight > run.in_flight_peak)
            run.in_flight_peak = run.in_flight;
    }
}

_Noreturn static void report_loss(void)
{
    uint64_t completed = 0;

    for (uint64_t i = 0; i < run.opt.devices; i++)
        completed += atomic_load_explicit(&run.devices[i].completed,
                                          memory_order_relaxed);
    printf("LOST: %llu submitted, %llu completed by the devices, %llu seen by "
           "their jobs; nothing has moved for %llu s\n",
           (unsigned long long)run.submitted, (unsigned long long)completed,
           (unsigned long long)run.seen,
           (unsigned long long)(LOST_AFTER_NS / SY_NS_PER_S));
    fflush(stdout);
    _exit(1); /* jobs and threads are still there */
}

static void run_jobs(void)
{
    const struct sy_clock *clock = sy_clock_monotonic();
    uint64_t quiet_since_ns = 0; /* 0: jobs ran at the last look */

    for (;;) {
        uint64_t now_ns;
        int resumed;

        start_jobs();
        if (run.in_flight == 0)
            return;
        resumed = sy_runtime_run(run.rt, SY_NS_PER_S);
        if (resumed < 0)
            stop_with("sy_runtime_run", resumed);
        if (resumed > 0) {
            quiet_since_ns = 0;
            continue;
        }
        now_ns = sy_clock_now_ns(clock);
        if (quiet_since_ns == 0)
            quiet_since_ns = now_ns;
        else if (now_ns - quiet_since_ns > LOST_AFTER_NS)
            report_loss();
    }
}

/* ---- options ------------------------------------------------------------ */

static const char usage[] =
    "usage: switchyard_lost_wakes [options]\n"
    "\n"
    "  --engine NAME  which engine (queue)\n"
    "  --wakes N      how many operations (100000)\n"
    "  --jobs N       most in flight at once, 1 to 1000000 (10000)\n"
    "  --devices N    threads that complete operations, 1 to 16 (2)\n"
    "  --seed N       for everything that is random (1)\n"
    "  --list         print the engines that work here and exit\n"
    "  --help         print this and exit\n"
    "\n"
    "Exit status: 0, 1 if a wake-up was lost or a result was wrong, 2 wrong\n"
    "usage.\n";

static uint64_t read_number(const char *option, const char *text,
                            uint64_t least, uint64_t most)
{
    unsigned long long value;
    char *end;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || *text < '0' || *text > '9' ||
        value < least || value > most) {
        fprintf(stderr,
                "switchyard_lost_wakes: --%s takes a number from %llu to "
                "%llu\n",
                option, (unsigned long long)least, (unsigned long long)most);
        exit(2);
    }
    return value;
}

static void list_engines(void)
{
    static const char *const single[] = {NULL, NULL};

    for (const struct sy_engine_ops *const *en = sy_engine_table(); *en != NULL;
         en++) {
        const char *const *v =
            (*en)->variants != NULL ? (*en)->variants : single;
        char why[256];

        do {
            if (sy_engine_probe(*en, *v, why, sizeof(why)) == 0)
                printf("%s%s%s\n", (*en)->name, *v != NULL ? "+" : "",
                       *v != NULL ? *v : "");
        } while (*v != NULL && *++v != NULL);
    }
}

static struct options read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"engine", required_argument, NULL, 'e'},
        {"wakes", required_argument, NULL, 'w'},
        {"jobs", required_argument, NULL, 'j'},
        {"devices", required_argument, NULL, 'd'},
        {"seed", required_argument, NULL, 's'},
        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options opt = {"queue", 100000, 10000, 2, 1};
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'e':
            opt.engine = optarg;
            break;
        case 'w':
            opt.wakes = read_number("wakes", optarg, 1, UINT64_MAX);
            break;
        case 'j':
            opt.jobs = read_number("jobs", optarg, 1, JOBS_MAX);
            break;
        case 'd':
            opt.devices = read_number("devices", optarg, 1, DEVICES_MAX);
            break;
        case 's':
            opt.seed = read_number("seed", optarg, 0, UINT64_MAX);
            break;
        case 'l':
            list_engines();
            exit(0);
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (optind != argc) {
        fputs(usage, stderr);
        exit(2);
    }
    return opt;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* The outputs of 0 .. n-1. */
static uint64_t sum_of_answers(uint64_t n)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < n; i++)
        sum += answer_to(i);
    return sum;
}

int main(int argc, char **argv)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime_stats stats = {.size = sizeof(stats)};
    uint64_t t0;
    bool right;
    int err;

    run.opt = read_options(argc, argv);
    run.random = run.opt.seed;
    raise_descriptor_limit();
    cfg.engine = run.opt.engine;
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    err = sy_runtime_open(&run.rt, &cfg);
    if (err != 0)
        stop_with(run.opt.engine, err);
    open_devices();

    t0 = sy_clock_now_ns(sy_clock_monotonic());
    run_jobs();
    t0 = sy_clock_now_ns(sy_clock_monotonic()) - t0;

    close_devices();
    err = sy_runtime_get_stats(run.rt, &stats);
    if (err != 0)
        stop_with("sy_runtime_get_stats", err);
    right = run.seen == run.opt.wakes && run.wrong == 0 &&
            run.sum == sum_of_answers(run.opt.wakes);
    printf(
        "%s: %llu wake-ups, at most %llu in flight, %llu device threads, "
        "seed %llu: %llu seen, %llu with a wrong result, %s\n"
        "    %llu jobs, %llu resumes, %llu of them early, %llu waits, %llu "
        "sleeps, %.1f s\n",
        stats.engine, (unsigned long long)run.submitted,
        (unsigned long long)run.in_flight_peak,
        (unsigned long long)run.opt.devices, (unsigned long long)run.opt.seed,
        (unsigned long long)run.seen, (unsigned long long)run.wrong,
        right ? "none lost" : "WRONG", (unsigned long long)run.jobs_ended,
        (unsigned long long)stats.resumes,
        (unsigned long long)run.early_resumes, (unsigned long long)stats.waits,
        (unsigned long long)stats.sleeps, (double)t0 / 1e9);
    err = sy_runtime_close(run.rt);
    if (err != 0)
        stop_with("sy_runtime_close", err);
    return right ? 0 : 1;
}
