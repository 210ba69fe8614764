/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a second thread adds when both share one device: runtimes on one thread
 * and on two, all their jobs calling the same polled device, whose operations
 * take some CPU time that the polling thread spends. Prints operations per
 * second and the ratio of two threads to one.
 *
 *     shared_device [SECONDS [DEVICE [ENGINE [WORK_NS [JOBS]]]]]
 *
 * One and two threads take turns, ROUNDS times each, and so do threads that do
 * the same work in a plain loop: their ratio is what the machine allows. Wall
 * clock rates suffer from other programs; the rates per second of CPU time
 * show what sharing costs. Every result is verified. Exit status 1: a result
 * was wrong, or nothing could be measured.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/device.h>
#include <switchyard/job.h>
#include <switchyard/runtime.h>
#include <time.h>

#define ROUNDS   9
#define JOBS_MAX 1024

static struct {
    const char *device_spec, *engine;
    uint64_t window_ns, iterations;
    unsigned jobs;
    struct sy_device *device;
    pthread_barrier_t barrier;
} setup;

static _Atomic uint64_t wrong;

/* One runtime with its jobs, on a thread of its own. */
struct side {
    struct sy_runtime *rt;
    uint64_t end_ns, operations, took_ns, cpu_ns;
    unsigned running;
    uint32_t seed;
};

struct work {
    uint64_t input, output;
};

/* A multiplicative generator: each step needs the one before. */
static uint64_t turn(uint64_t x, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; i++)
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return x;
}

/* The same at once: the steps of an affine map, doubled (square and
   multiply). */
static uint64_t expected(uint64_t x, uint64_t iterations)
{
    uint64_t a = UINT64_C(6364136223846793005),
             c = UINT64_C(1442695040888963407);

    for (; iterations != 0; iterations >>= 1) {
        if ((iterations & 1) != 0)
            x = x * a + c;
        c = c * (a + 1);
        a *= a;
    }
    return x;
}

static int execute(void *arg)
{
    struct work *work = arg;

    work->output = turn(work->input, setup.iterations);
    return 0;
}

static int job(void *arg)
{
    struct side *side = *(struct side **)arg;

    while (sy_clock_now_ns(sy_clock_monotonic()) < side->end_ns) {
        struct work work = {.input = ++side->seed};
        int err = sy_device_call(setup.device, side->rt, execute, &work);

        if (err != 0 || work.output != expected(work.input, setup.iterations)) {
            atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
            return 1;
        }
        side->operations++;
    }
    return 0;
}

static void ended(void *user, struct sy_job *handle, int result)
{
    (void)handle, (void)result;
    ((struct side *)user)->running--;
}

static void start_jobs(struct side *side)
{
    for (unsigned i = 0; i < setup.jobs; i++) {
        struct sy_job_spec spec = {.fn = job,
                                   .arg = &side,
                                   .arg_bytes = sizeof(struct side *),
                                   .done = ended,
                                   .user = side};
        struct sy_job *handle;
        int result, state = sy_job_start(side->rt, &spec, &handle, &result);

        side->running += state == SY_JOB_PAUSED;
        if (state < 0)
            atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
    }
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * SY_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* The limit: nothing but the work. */
static void *plain_main(void *arg)
{
    struct side *side = arg;
    uint64_t begin_ns, cpu_ns;
    struct work work;

    pthread_barrier_wait(&setup.barrier);
    begin_ns = sy_clock_now_ns(sy_clock_monotonic());
    cpu_ns = thread_cpu_ns();
    do {
        work.input = ++side->seed;
        (void)execute(&work);
        if (work.output != expected(work.input, setup.iterations))
            atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
        side->operations++;
        side->took_ns = sy_clock_now_ns(sy_clock_monotonic()) - begin_ns;
    } while (side->took_ns < setup.window_ns);
    side->cpu_ns = thread_cpu_ns() - cpu_ns;
    return NULL;
}

static void *side_main(void *arg)
{
    struct side *side = arg;
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_clock *clock = sy_clock_monotonic();
    uint64_t begin_ns, cpu_ns, next_ns, now_ns;

    cfg.engine = setup.engine;
    if (sy_runtime_open(&side->rt, &cfg) != 0) {
        atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
        pthread_barrier_wait(&setup.barrier);
        return NULL;
    }
    pthread_barrier_wait(&setup.barrier);
    begin_ns = sy_clock_now_ns(clock);
    cpu_ns = thread_cpu_ns();
    side->end_ns = begin_ns + setup.window_ns;
    start_jobs(side);
    while (side->running > 0) {
        (void)sy_device_poll_for(setup.device, side->running, &next_ns);
        now_ns = sy_clock_now_ns(clock);
        if (sy_runtime_run(side->rt, next_ns == SY_FOREVER ? SY_NS_PER_MS
                                     : next_ns > now_ns    ? next_ns - now_ns
                                                           : 0) < 0)
            abort();
    }
    side->took_ns = sy_clock_now_ns(clock) - begin_ns;
    side->cpu_ns = thread_cpu_ns() - cpu_ns;
    while (sy_runtime_close(side->rt) == -EBUSY)
        (void)!sy_runtime_run(side->rt, SY_NS_PER_MS);
    return NULL;
}

struct rates {
    double wall, cpu; /* operations per second of either; 0: it went wrong */
};

static struct rates measure(void *(*side_fn)(void *), unsigned threads)
{
    struct side side[2];
    pthread_t thread[2];
    struct rates rates = {0, 0};
    double operations = 0, cpu_s = 0;

    memset(side, 0, sizeof(side));
    pthread_barrier_init(&setup.barrier, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        side[i].seed = i << 31;
        if (pthread_create(&thread[i], NULL, side_fn, &side[i]) != 0)
            abort(); /* the others wait at the barrier */
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
        if (side[i].took_ns == 0)
            continue;
        operations += (double)side[i].operations;
        cpu_s += (double)side[i].cpu_ns / 1e9;
        rates.wall +=
            (double)side[i].operations * 1e9 / (double)side[i].took_ns;
    }
    pthread_barrier_destroy(&setup.barrier);
    rates.cpu = cpu_s > 0 ? operations / cpu_s : 0;
    return rates;
}

/* How many steps take so long here: the fastest of some tries. */
static uint64_t iterations_for(double work_ns)
{
    volatile uint64_t sink = 1;
    double best = 1e9;

    for (int i = 0; i < 50; i++) {
        uint64_t begin_ns = sy_clock_now_ns(sy_clock_monotonic());
        double took;

        sink = turn(sink, 20000);
        took =
            (double)(sy_clock_now_ns(sy_clock_monotonic()) - begin_ns) / 20000;
        best = took < best ? took : best;
    }
    return (uint64_t)(work_ns / best + 0.5);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double number(int argc, char **argv, int i, double otherwise,
                     double most)
{
    char *end = NULL;
    double value = otherwise;

    if (argc > i)
        value = strtod(argv[i], &end);
    if (value <= 0 || value > most || (end != NULL && *end != '\0')) {
        fprintf(stderr, "shared_device: \"%s\": not a number up to %g\n",
                argv[i], most);
        exit(2);
    }
    return value;
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof(values[0]), by_size);
    return values[ROUNDS / 2];
}

struct row {
    double one[ROUNDS], two[ROUNDS], ratio[ROUNDS], cpu_ratio[ROUNDS];
};

static void round_of(struct row *row, int i, void *(*side_fn)(void *))
{
    struct rates one = measure(side_fn, 1), two = measure(side_fn, 2);

    if (one.cpu <= 0 || two.cpu <= 0 ||
        atomic_load_explicit(&wrong, memory_order_relaxed) != 0) {
        fprintf(stderr, "shared_device: a result was wrong, or nothing could "
                        "be measured\n");
        exit(1);
    }
    row->one[i] = one.wall;
    row->two[i] = two.wall;
    row->ratio[i] = two.wall / one.wall;
    row->cpu_ratio[i] = 2 * two.cpu / one.cpu;
}

static void print_row(const char *name, struct row *row)
{
    double ratio = median(row->ratio);

    printf("%-8s %12.0f %12.0f %8.2f %8.2f .. %4.2f %10.2f\n", name,
           median(row->one), median(row->two), ratio, row->ratio[0],
           row->ratio[ROUNDS - 1], median(row->cpu_ratio));
}

int main(int argc, char **argv)
{
    double seconds = number(argc, argv, 1, 3, 3600);
    double work_ns = number(argc, argv, 4, 2000, 1e9);
    static struct row device, plain;
    char why[256];

    setup.device_spec =
        argc > 2 ? argv[2] : "sim:servers=2,lanes=2,service=fixed:0ns";
    setup.engine = argc > 3 ? argv[3] : "queue";
    setup.jobs = (unsigned)number(argc, argv, 5, 16, JOBS_MAX);
    setup.window_ns = (uint64_t)(seconds * 1e9 / (4 * ROUNDS));
    setup.iterations = iterations_for(work_ns);
    for (int i = 0; i < ROUNDS; i++) {
        if (sy_device_open(&setup.device, setup.device_spec, NULL, why,
                           sizeof(why)) != 0) {
            fprintf(stderr, "shared_device: %s\n", why);
            return 1;
        }
        round_of(&device, i, side_main);
        sy_device_close(setup.device);
        round_of(&plain, i, plain_main);
    }
    printf("device %s, engine %s, %.0f ns of work, %u jobs per thread\n"
           "%-8s %12s %12s %8s %16s %10s\n",
           setup.device_spec, setup.engine, work_ns, setup.jobs, "",
           "one thread/s", "two/s", "ratio", "of the rounds", "by CPU");
    print_row("device", &device);
    print_row("limit", &plain);
    return 0;
}
