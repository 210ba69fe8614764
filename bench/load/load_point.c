/* SPDX-License-Identifier: Apache-2.0 */
#include "load_point.h"

#include <dirent.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "load_cycle.h"

#define WARM_UP_MIN_NS (20 * SY_NS_PER_MS)
#define WARM_UP_MAX_NS (500 * SY_NS_PER_MS)

/* What was to begin in the window may begin so long after it, or for another
   window's length if that is more. */
#define GRACE_MIN_NS SY_NS_PER_S

/* Around a point: the process, keys, draining. */
#define AROUND_NS     (150 * SY_NS_PER_MS)
#define TIMEOUT_EXTRA (30 * SY_NS_PER_S)

/* The first arrival is planned so long after the row is ready. */
#define HEAD_START_NS SY_NS_PER_MS

/* A generator sleeps until so long before an arrival, and then watches the
   clock: the kernel is late by tens of microseconds in virtual machines. */
#define WATCH_NS SY_NS_PER_MS

#define NOT_MEASURED UINT64_MAX
#define QUARTERS     4

/* What the loop does, for the generator. */
enum sleep { AWAKE = 0, ASLEEP_IN_ROW, ASLEEP_HERE };

enum stage { STAGE_BEGIN, STAGE_WARM_UP, STAGE_WINDOW, STAGE_AFTER };

/* In memory that the experiment's process shares with the waiting one. */
struct point {
    struct sy__gate gate; /* first: the load points to it */
    const struct sy_load_spec *spec;
    struct sy_load_result *result;
    struct sy__load *load;
    uint64_t warm_up_ns;

    /* The loop's. */
    enum stage stage;
    struct sy_arrival_stream stream;
    uint64_t begin_ns, open_ns, close_ns, cut_ns; /* by the load's clock */
    uint64_t next_ns;                             /* the next arrival */
    uint64_t taken;                               /* arrivals, of all stages */
    uint64_t in_flight, outstanding; /* the latter: of those measured */
    uint64_t dozed_ns, woke_ns;      /* the last sleep that arrivals could end;
                                        SY_FOREVER: none since the last admission */
    uint64_t first_ns, last_ns, ended_ns; /* of those measured */
    uint64_t backlog_ns[QUARTERS];
    int is_over;

    /* The generator's. */
    pthread_t thread;
    int has_thread;
    clockid_t thread_clock;
    uint64_t thread_cpu_ns; /* when the window opened */
    cpu_set_t generator_cpus;
    _Atomic int stop;
    _Atomic uint64_t released; /* arrivals that are due */
    _Atomic uint32_t asleep;   /* enum sleep; the futex of ASLEEP_HERE */
};

static uint64_t at_least(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t sy_load_warm_up_ns(const struct sy_load_spec *spec)
{
    uint64_t ns = spec->duration_ns / 10;

    if (spec->warm_up_ns != 0)
        return spec->warm_up_ns;
    if (ns > WARM_UP_MAX_NS)
        return WARM_UP_MAX_NS;
    return at_least(ns, WARM_UP_MIN_NS);
}

uint64_t sy_load_point_ns(const struct sy_load_spec *spec)
{
    return sy_load_warm_up_ns(spec) + spec->duration_ns + AROUND_NS;
}

/* ---- the generator's thread ---------------------------------------------- */

static uint64_t cpu_ns_of(clockid_t id)
{
    struct timespec t = {0, 0};

    (void)clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * SY_NS_PER_S + (uint64_t)t.tv_nsec;
}

static int is_measured(const struct point *p, uint64_t intended_ns)
{
    return intended_ns >= p->open_ns && intended_ns < p->close_ns;
}

static void end_sleep(struct point *p)
{
    uint32_t asleep;

    /* seq_cst, as the release before it: pairs with arm(). */
    if (atomic_load_explicit(&p->asleep, memory_order_seq_cst) == AWAKE)
        return;
    asleep = atomic_exchange_explicit(&p->asleep, AWAKE, memory_order_seq_cst);
    if (asleep == ASLEEP_IN_ROW)
        p->load->rouse(p->load);
    else if (asleep == ASLEEP_HERE)
        (void)syscall(SYS_futex, &p->asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL,
                      0);
}

/* Returns the time, or 0 if the generator is to stop. */
static uint64_t watch_until(struct point *p, uint64_t intended_ns)
{
    struct sy_clock *clock = p->load->clock;

    for (;;) {
        uint64_t now = sy_clock_now_ns(clock), look_ns;

        /* relaxed: nothing is published along with it */
        if (atomic_load_explicit(&p->stop, memory_order_relaxed))
            return 0;
        if (now >= intended_ns)
            return now;
        if (intended_ns - now <= 2 * WATCH_NS) {
            SY_CPU_RELAX();
            continue;
        }
        look_ns = now + SY__LOOK_NS;
        clock->sleep_until(clock, intended_ns - WATCH_NS < look_ns
                                      ? intended_ns - WATCH_NS
                                      : look_ns);
    }
}

static void *generate(void *arg)
{
    struct point *p = arg;
    struct sy_arrival_stream stream;
    uint64_t released = 0;

    (void)sched_setaffinity(0, sizeof(p->generator_cpus), &p->generator_cpus);
    (void)prctl(PR_SET_TIMERSLACK, 1);
    sy_arrival_stream_begin(&stream, &p->spec->arrivals, p->warm_up_ns);
    for (;;) {
        /* Behind the end of a trace it waits to be stopped. */
        uint64_t intended_ns =
            sy_ns_after(p->begin_ns, sy_arrival_stream_next(&stream));
        uint64_t now_ns = watch_until(p, intended_ns);

        if (now_ns == 0)
            return NULL;
        if (is_measured(p, intended_ns))
            sy_histogram_add(&p->result->lateness_ns, now_ns - intended_ns);
        /* seq_cst: before the look at asleep, see arm() */
        atomic_store_explicit(&p->released, ++released, memory_order_seq_cst);
        end_sleep(p);
    }
}

/* ---- whose CPU is whose ---------------------------------------------------
 */

/* Call visit for each thread of this process; returns how many there are. */
static int for_each_thread(void (*visit)(pid_t, const cpu_set_t *),
                           const cpu_set_t *cpus)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int count = 0;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        pid_t id = (pid_t)atoi(entry->d_name);

        if (id <= 0)
            continue;
        count++;
        if (visit != NULL)
            visit(id, cpus);
    }
    if (dir != NULL)
        closedir(dir);
    return count;
}

static void keep_on(pid_t thread, const cpu_set_t *cpus)
{
    (void)sched_setaffinity(thread, sizeof(*cpus), cpus);
}

static void explain_no_cpu(struct sy_load_result *r, int cpus, int threads)
{
    char device[64] = "";

    if (threads > 0)
        snprintf(device, sizeof(device), ", %d thread%s of the device", threads,
                 threads == 1 ? "" : "s");
    snprintf(r->generator_why, sizeof(r->generator_why),
             "%d CPU%s for the loop%s and the generator", cpus,
             cpus == 1 ? "" : "s", device);
}

/* Give the generator a CPU if the loop and each thread of the device have one
   too. */
static void choose_generator(struct point *p)
{
    struct sy_load_result *r = p->result;
    int threads = for_each_thread(NULL, NULL), cpus;
    cpu_set_t set;

    r->generator = SY_LOAD_GENERATOR_LOOP;
    if (p->spec->exp.virtual_clock) {
        snprintf(r->generator_why, sizeof(r->generator_why),
                 "a virtual clock has one thread");
        return;
    }
    CPU_ZERO(&set);
    if (threads == 0 || sched_getaffinity(0, sizeof(set), &set) == -1) {
        snprintf(r->generator_why, sizeof(r->generator_why),
                 "the kernel does not tell which CPUs there are");
        return;
    }
    cpus = CPU_COUNT(&set);
    if (cpus < threads + 1) {
        explain_no_cpu(r, cpus, threads - 1);
        return;
    }
    for (r->generator_cpu = CPU_SETSIZE - 1;
         !CPU_ISSET((size_t)r->generator_cpu, &set); r->generator_cpu--)
        continue;
    r->generator = SY_LOAD_GENERATOR_THREAD;
    CPU_ZERO(&p->generator_cpus);
    CPU_SET((size_t)r->generator_cpu, &p->generator_cpus);
    CPU_CLR((size_t)r->generator_cpu, &set);
    (void)for_each_thread(keep_on, &set); /* those to come inherit it */
}

/* A thread that asks to be woken at a time gets it 50 us late by default. */
static int begin(struct sy__load *load)
{
    struct point *p = (struct point *)load->gate;
    struct sy_load_result *r = p->result;

    p->load = load;
    p->dozed_ns = p->woke_ns = SY_FOREVER;
    (void)prctl(PR_SET_TIMERSLACK, 1);
    sy__load_prepare_sample(load);
    if (r->samples != NULL && !p->spec->is_closed) {
        /* Page faults now, not in the window. */
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        volatile char *bytes = (volatile char *)r->samples;

        for (size_t i = 0; i < r->samples_bytes; i += page)
            bytes[i] = 0;
    }
    if (p->spec->is_closed)
        return 0;
    choose_generator(p);
    /* Only a job of its own ends a peer's sleep, not an arrival. */
    if (p->spec->exp.row == SY_ROW_PEER && load->out->device.poll[0] == '\0')
        sy__load_skip(load,
                      "arrivals cannot wake somebody else's runtime when it "
                      "sleeps: it needs a device that is polled, as "
                      "sim:mode=poll");
    return 0;
}

/* ---- stages -------------------------------------------------------------- */

static void plan_next(struct point *p)
{
    p->next_ns = sy_ns_after(p->begin_ns, sy_arrival_stream_next(&p->stream));
}

/* The row is ready for its first operation. */
static void begin_warm_up(struct point *p, uint64_t now_ns)
{
    p->stage = STAGE_WARM_UP;
    p->begin_ns = now_ns;
    if (!p->spec->exp.virtual_clock)
        p->begin_ns += HEAD_START_NS;
    p->open_ns = p->begin_ns + p->warm_up_ns;
    p->close_ns = p->open_ns + p->spec->duration_ns;
    p->cut_ns = p->close_ns + at_least(p->spec->duration_ns, GRACE_MIN_NS);
    if (p->spec->is_closed)
        return;
    sy_arrival_stream_begin(&p->stream, &p->spec->arrivals, p->warm_up_ns);
    plan_next(p);
    if (p->result->generator != SY_LOAD_GENERATOR_THREAD)
        return;
    if (pthread_create(&p->thread, NULL, generate, p) != 0) {
        sy__load_skip(p->load, "no thread for the generator");
        return;
    }
    p->has_thread = 1;
    if (pthread_getcpuclockid(p->thread, &p->thread_clock) != 0)
        p->thread_clock = CLOCK_THREAD_CPUTIME_ID;
}

static void open_window(struct point *p)
{
    p->stage = STAGE_WINDOW;
    if (p->has_thread)
        p->thread_cpu_ns = cpu_ns_of(p->thread_clock);
    sy__load_open_window(p->load);
}

static void close_window(struct point *p)
{
    p->stage = STAGE_AFTER;
    sy__load_close_window(p->load);
    p->load->phase = SY__SETTLE;
    if (p->has_thread)
        p->result->generator_cpu_ns =
            cpu_ns_of(p->thread_clock) - p->thread_cpu_ns;
}

static void advance(struct point *p, uint64_t now_ns)
{
    if (p->stage == STAGE_BEGIN)
        begin_warm_up(p, now_ns);
    if (p->stage == STAGE_WARM_UP && now_ns >= p->open_ns)
        open_window(p);
    if (p->stage == STAGE_WINDOW && now_ns >= p->close_ns)
        close_window(p);
}

/* ---- figures ------------------------------------------------------------- */

/* Add how long an operation was in the system to the quarters of the window in
   which it was. */
static void add_backlog(struct point *p, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t quarter = p->spec->duration_ns / QUARTERS;

    for (unsigned i = 0; i < QUARTERS; i++) {
        uint64_t begin = p->open_ns + i * quarter, end = begin + quarter;
        uint64_t low = from_ns > begin ? from_ns : begin;
        uint64_t high = to_ns < end ? to_ns : end;

        if (high > low)
            p->backlog_ns[i] += high - low;
    }
}

/* @service_ns  0: it never started */
static void record(struct point *p, uint64_t arrival, uint64_t intended_ns,
                   uint64_t end_ns, uint64_t service_ns)
{
    struct sy_load_result *r = p->result;

    if (!p->spec->is_closed)
        sy_histogram_add(&r->response_ns, end_ns - intended_ns);
    add_backlog(p, intended_ns, end_ns);
    if (end_ns > p->ended_ns)
        p->ended_ns = end_ns;
    if (arrival < r->samples_bytes / sizeof(*r->samples))
        r->samples[arrival] = (struct sy_load_sample){
            intended_ns - p->open_ns, end_ns - intended_ns, service_ns};
}

static void note_offered(struct point *p, uint64_t intended_ns)
{
    if (p->result->offered++ == 0)
        p->first_ns = intended_ns;
    p->last_ns = intended_ns;
}

static void began(struct sy__load *load, struct sy__op *op)
{
    struct point *p = (struct point *)load->gate;

    op->intended_ns = p->spec->is_closed ? op->started_ns : p->next_ns;
    op->arrival = NOT_MEASURED;
    if (is_measured(p, op->intended_ns)) {
        op->arrival = p->result->offered;
        note_offered(p, op->intended_ns);
        p->outstanding++;
    }
    if (!p->spec->is_closed)
        plan_next(p);
}

static void finished(struct sy__load *load, const struct sy__op *op,
                     uint64_t now_ns)
{
    struct point *p = (struct point *)load->gate;

    p->in_flight--;
    if (op->arrival == NOT_MEASURED)
        return;
    p->outstanding--;
    p->result->done++;
    sy_histogram_add(&p->result->service_ns, now_ns - op->started_ns);
    record(p, op->arrival, op->intended_ns, now_ns, now_ns - op->started_ns);
}

/* Time is up: what is still in line has waited until now, at least. */
static void give_up_line(struct point *p, uint64_t now_ns)
{
    for (; p->next_ns < p->close_ns; plan_next(p)) {
        uint64_t arrival = p->result->offered;

        note_offered(p, p->next_ns);
        record(p, arrival, p->next_ns, now_ns, 0);
        if (p->result->generator == SY_LOAD_GENERATOR_LOOP)
            sy_histogram_add(&p->result->lateness_ns, 0);
    }
}

/* ---- admission ----------------------------------------------------------- */

static int is_over(struct point *p, uint64_t now_ns)
{
    if (p->is_over)
        return 1;
    if (p->spec->is_closed) {
        p->is_over = now_ns >= p->close_ns;
    } else if (now_ns >= p->cut_ns) {
        give_up_line(p, now_ns);
        p->is_over = 1;
    } else {
        p->is_over = now_ns >= p->close_ns && p->next_ns >= p->close_ns &&
                     p->outstanding == 0;
    }
    return p->is_over;
}

static int is_due(const struct point *p, uint64_t now_ns)
{
    if (p->has_thread) /* acquire: pairs with the store in generate() */
        return p->taken <
               atomic_load_explicit(&p->released, memory_order_acquire);
    return p->next_ns <= now_ns;
}

/* Say that the loop is about to sleep. Returns whether it may. */
static int arm(struct point *p, enum sleep how)
{
    /* seq_cst: the generator stores released and then looks at asleep; we
       store asleep and then look at released. So one of us sees the other. */
    atomic_store_explicit(&p->asleep, how, memory_order_seq_cst);
    if (p->taken == atomic_load_explicit(&p->released, memory_order_seq_cst))
        return 1;
    atomic_store_explicit(&p->asleep, AWAKE, memory_order_relaxed);
    return 0;
}

static int has_room(const struct point *p)
{
    return p->in_flight < p->load->jobs && !p->is_over &&
           p->stage != STAGE_BEGIN && !p->spec->is_closed;
}

/* An arrival that becomes due while the loop sleeps finds it late by the time
   that the kernel takes to wake it. */
static uint64_t doze_for(struct point *p, uint64_t ns)
{
    uint64_t now_ns = sy_clock_now_ns(p->load->clock);

    if (p->next_ns <= now_ns || p->spec->spins)
        return 0;
    p->dozed_ns = now_ns;
    p->woke_ns = SY_FOREVER;
    return p->next_ns - now_ns < ns ? p->next_ns - now_ns : ns;
}

static uint64_t doze(struct sy__load *load, uint64_t ns)
{
    struct point *p = (struct point *)load->gate;

    if (!has_room(p))
        return ns;
    if (p->has_thread)
        return arm(p, ASLEEP_IN_ROW) ? ns : 0;
    return doze_for(p, ns);
}

static void sleep_here(struct sy__load *load, uint64_t ns)
{
    struct point *p = (struct point *)load->gate;
    const struct timespec time = {.tv_nsec =
                                      (long)ns}; /* SY__LOOK_NS at most */

    if (ns == 0)
        return;
    if (has_room(p) && p->has_thread) {
        if (arm(p, ASLEEP_HERE))
            (void)syscall(SYS_futex, &p->asleep, FUTEX_WAIT_PRIVATE,
                          ASLEEP_HERE, &time, NULL, 0);
        return;
    }
    if (has_room(p))
        ns = doze_for(p, ns);
    load->clock->sleep_until(load->clock, sy_clock_now_ns(load->clock) + ns);
}

static void wake_up(struct point *p)
{
    if (p->has_thread &&
        atomic_load_explicit(&p->asleep, memory_order_relaxed) != AWAKE)
        atomic_store_explicit(&p->asleep, AWAKE, memory_order_relaxed);
}

/* The loop as the generator: it was late if it slept when an arrival was due.
   If it was busy, that is the row's doing, as it would be a server's. */
static void note_lateness(struct point *p, uint64_t now_ns)
{
    int slept;

    if (p->has_thread || !is_measured(p, p->next_ns))
        return;
    if (p->dozed_ns != SY_FOREVER && p->woke_ns == SY_FOREVER)
        p->woke_ns = now_ns;
    slept = p->next_ns > p->dozed_ns && p->next_ns <= p->woke_ns;
    sy_histogram_add(&p->result->lateness_ns,
                     slept ? p->woke_ns - p->next_ns : 0);
}

static int admit(struct sy__load *load)
{
    struct point *p = (struct point *)load->gate;

    for (;;) {
        uint64_t now_ns = sy_clock_now_ns(load->clock);

        wake_up(p);
        advance(p, now_ns);
        if (load->out->status != SY_OUTCOME_OK || is_over(p, now_ns))
            return -1;
        if (p->spec->is_closed)
            break;
        if (is_due(p, now_ns)) {
            note_lateness(p, now_ns);
            break;
        }
        p->dozed_ns = p->woke_ns = SY_FOREVER;
        if (p->in_flight > 0 || load->rouse != NULL ||
            sy__load_is_interrupted(load))
            return 0;
        sleep_here(load, SY__LOOK_NS);
    }
    p->taken++;
    p->in_flight++;
    return 1;
}

static void end(struct sy__load *load)
{
    struct point *p = (struct point *)load->gate;
    struct sy_load_result *r = p->result;
    uint64_t quarter = p->spec->duration_ns / QUARTERS;

    if (p->has_thread) {
        /* relaxed: joining orders the rest */
        atomic_store_explicit(&p->stop, 1, memory_order_relaxed);
        pthread_join(p->thread, NULL);
        p->has_thread = 0;
    }
    if (r->offered > 0) {
        r->planned_ns = p->last_ns - p->first_ns;
        r->achieved_ns = at_least(p->ended_ns, p->last_ns) - p->first_ns;
    }
    if (quarter > 0) {
        r->backlog_early_milli = p->backlog_ns[1] / (quarter / 1000 + 1);
        r->backlog_late_milli =
            p->backlog_ns[QUARTERS - 1] / (quarter / 1000 + 1);
    }
}

/* ---- judging ------------------------------------------------------------- */

/* A tenth of the median: less than that is not worth a word. */
static uint64_t tolerated_late_ns(const struct sy_load_result *r)
{
    const struct sy_histogram *h =
        r->response_ns.count > 0 ? &r->response_ns : &r->service_ns;

    return sy_histogram_quantile(h, 0.5) / 10;
}

bool sy_load_is_late_at(const struct sy_load_result *r, double q)
{
    uint64_t late_ns, response_ns;

    return sy_histogram_known_quantile(&r->lateness_ns, q, &late_ns) &&
           sy_histogram_known_quantile(&r->response_ns, q, &response_ns) &&
           late_ns > response_ns / 10;
}

/* The first of the quantiles that are judged at which the generator was late;
   0: at none. */
static double late_quantile(const struct sy_load_result *r)
{
    static const double judged[] = {0.5, 0.9, 0.99};

    for (size_t i = 0; i < sizeof(judged) / sizeof(*judged); i++)
        if (sy_load_is_late_at(r, judged[i]))
            return judged[i];
    return 0;
}

static uint64_t mean(uint64_t sum, uint64_t count)
{
    return count > 0 ? sum / count : 0;
}

/* The plan's length as a part of the work's. */
static unsigned kept_permille(const struct sy_load_result *r)
{
    uint64_t rest = r->achieved_ns - r->planned_ns, median;

    if (r->response_ns.count == 0 || r->planned_ns == 0)
        return 1000;
    median = sy_histogram_quantile(&r->response_ns, 0.5);
    /* Where it grows, the median contains what it is to be compared with. */
    if (median > r->planned_ns / 100)
        median = r->planned_ns / 100;
    rest = rest > median ? rest - median : 0;
    return (unsigned)((double)r->planned_ns * 1000 /
                      (double)(r->planned_ns + rest));
}

unsigned sy_load_achieved_permille(const struct sy_load_result *r)
{
    if (r->response_ns.count == 0 || r->planned_ns == 0)
        return 1000;
    return (unsigned)(kept_permille(r) * r->done / r->offered);
}

static int backlog_grows(const struct sy_load_result *r)
{
    uint64_t early = r->backlog_early_milli, late = r->backlog_late_milli;

    /* By more than a hundredth of what arrived in between. */
    return late > early + early / 2 && late - early > 3000 &&
           (double)(late - early) > 0.01 * 1000 * (double)r->offered / 2;
}

unsigned sy_load_judge(const struct sy_load_result *r)
{
    const struct sy_outcome_device *d = &r->outcome.device;
    unsigned faults = 0;

    if (r->offered == 0)
        return 0;
    if (mean(d->late_sum_ns, d->late_count) > tolerated_late_ns(r))
        faults |= SY_LOAD_DEVICE_LATE;
    if (r->response_ns.count == 0)
        return faults;
    if (r->done < r->offered)
        faults |= SY_LOAD_NOT_STARTED;
    if (kept_permille(r) < 990)
        faults |= SY_LOAD_BELOW_PLAN;
    if (backlog_grows(r))
        faults |= SY_LOAD_BACKLOG_GROWS;
    if (late_quantile(r) > 0)
        faults |= SY_LOAD_GENERATOR_LATE;
    return faults;
}

static void add_words(char *buf, size_t bytes, const char *format, ...)
    SY_PRINTF(3, 4);

static void add_words(char *buf, size_t bytes, const char *format, ...)
{
    size_t used = strlen(buf);
    va_list args;

    if (used > 0)
        used += (size_t)snprintf(buf + used, bytes - used, "; ");
    if (used >= bytes)
        return;
    va_start(args, format);
    vsnprintf(buf + used, bytes - used, format, args);
    va_end(args);
}

static double us(uint64_t ns)
{
    return (double)ns / (double)SY_NS_PER_US;
}

const char *sy_load_explain(const struct sy_load_result *r, char *buf,
                            size_t bytes)
{
    const struct sy_outcome_device *d = &r->outcome.device;

    buf[0] = '\0';
    if (r->faults & SY_LOAD_NOT_STARTED)
        add_words(buf, bytes, "%llu of %llu arrivals were never started",
                  (unsigned long long)(r->offered - r->done),
                  (unsigned long long)r->offered);
    if (r->faults & SY_LOAD_BELOW_PLAN)
        add_words(buf, bytes, "%.1f %% of the planned rate",
                  sy_load_achieved_permille(r) / 10.0);
    if (r->faults & SY_LOAD_BACKLOG_GROWS)
        add_words(buf, bytes, "the backlog grew from %.0f to %.0f operations",
                  (double)r->backlog_early_milli / 1000,
                  (double)r->backlog_late_milli / 1000);
    if (r->faults & SY_LOAD_GENERATOR_LATE)
        add_words(buf, bytes,
                  "p%g of the generator's lateness, %.1f us, is more than a "
                  "tenth of that of the response",
                  late_quantile(r) * 100,
                  us(sy_histogram_quantile(&r->lateness_ns, late_quantile(r))));
    if (r->faults & SY_LOAD_DEVICE_LATE)
        add_words(buf, bytes,
                  "the device was late by %.1f us on average, a tenth of the "
                  "median response is %.1f us",
                  us(mean(d->late_sum_ns, d->late_count)),
                  us(tolerated_late_ns(r)));
    return buf;
}

/* ---- the whole ----------------------------------------------------------- */

/* How many samples to make room for; 0: none are kept. */
static uint64_t samples_wanted(const struct sy_load_spec *spec)
{
    uint64_t count = SY_LOAD_SAMPLES_MAX;

    if (!spec->keeps_samples)
        return 0;
    if (!spec->is_closed)
        count = sy_arrivals_count(&spec->arrivals, sy_load_warm_up_ns(spec),
                                  spec->duration_ns, SY_LOAD_SAMPLES_MAX + 1);
    return count <= SY_LOAD_SAMPLES_MAX ? count : 0;
}

static void *shared_memory(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static int refuse(struct sy_load_result *out, int err, const char *why)
{
    out->outcome.status = SY_OUTCOME_FAILED;
    out->outcome.failed_operation = SY_OUTCOME_NONE;
    snprintf(out->outcome.reason, sizeof(out->outcome.reason), "%s", why);
    return err;
}

static int check(const struct sy_load_spec *spec, struct sy_load_result *out)
{
    const struct sy_arrivals *a = &spec->arrivals;

    if (spec->duration_ns == 0 || spec->duration_ns > 3600 * SY_NS_PER_S)
        return refuse(out, -EINVAL, "the duration must be at most an hour");
    if (spec->is_closed)
        return 0;
    if (a->kind == SY_ARRIVALS_TRACE)
        return a->trace != NULL && a->trace->count > 0
                   ? 0
                   : refuse(out, -EINVAL, "there is no trace");
    if (a->rate_hz < 1 || a->rate_hz > SY_RATE_MAX_HZ)
        return refuse(out, -EINVAL,
                      "the rate must be 1 .. 100M operations per second");
    if ((double)a->rate_hz * (double)spec->duration_ns >
        (double)SY_LOAD_ARRIVALS_MAX * (double)SY_NS_PER_S)
        return refuse(out, -EINVAL,
                      "more than a billion arrivals in one window");
    return 0;
}

static int make_samples(struct sy_load_result *r,
                        const struct sy_load_spec *spec)
{
    uint64_t count = samples_wanted(spec);

    if (count == 0)
        return 0;
    r->samples_bytes = (size_t)count * sizeof(*r->samples);
    r->samples = shared_memory(r->samples_bytes);
    return r->samples == NULL ? -ENOMEM : 0;
}

/* None, more than there is room for, or of a process that did not come to its
   end: then the histograms have to do. */
static void drop_useless_samples(struct sy_load_result *r)
{
    if (r->samples != NULL &&
        (r->offered == 0 || r->outcome.status != SY_OUTCOME_OK ||
         r->offered > r->samples_bytes / sizeof(*r->samples)))
        sy_load_result_free(r);
}

static int run(struct point *p, const struct sy_load_spec *spec,
               struct sy_load_result *out)
{
    struct sy_experiment exp = spec->exp;
    int err;

    exp.duration_ns = 0;
    exp.operations_max = 1; /* no end by time */
    if (exp.timeout_ns == 0)
        exp.timeout_ns = p->warm_up_ns + 3 * spec->duration_ns + GRACE_MIN_NS +
                         TIMEOUT_EXTRA;
    err = sy__experiment_run_gated(&exp, &out->outcome, &p->gate);
    return err;
}

/* By a virtual clock time passes where a loop waits for the device: "software"
   has none, and "callback" does not wait while arrivals are to come. */
static bool can_be_moved(const struct sy_load_spec *spec)
{
    return !spec->exp.virtual_clock || (spec->exp.row != SY_ROW_SOFTWARE &&
                                        spec->exp.row != SY_ROW_CALLBACK);
}

int sy_load_point_run(const struct sy_load_spec *spec,
                      struct sy_load_result *out)
{
    struct sy_load_result *shared;
    struct sy_outcome outcome;
    struct point *p;
    int err;

    memset(out, 0, sizeof(*out));
    out->generator_cpu = -1;
    err = check(spec, out);
    if (err != 0)
        return err;
    if (!can_be_moved(spec)) {
        out->outcome.status = SY_OUTCOME_SKIPPED;
        snprintf(out->outcome.reason, sizeof(out->outcome.reason),
                 "its loop does not move a virtual clock");
        return 0;
    }
    p = shared_memory(sizeof(*p) + sizeof(*shared));
    if (p == NULL)
        return refuse(out, -ENOMEM, "no memory");
    shared = (struct sy_load_result *)(p + 1);
    shared->generator_cpu = -1;
    p->gate = (struct sy__gate){.begin = begin,
                                .end = end,
                                .admit = admit,
                                .began = began,
                                .finished = finished,
                                .doze = doze,
                                .sleep = sleep_here};
    p->spec = spec;
    p->result = shared;
    p->warm_up_ns = sy_load_warm_up_ns(spec);
    err = make_samples(shared, spec);
    if (err == 0)
        err = run(p, spec, out);
    else
        refuse(out, err, "no memory for samples");
    memcpy(&outcome, &out->outcome, sizeof(outcome));
    memcpy(out, shared, sizeof(*out));
    memcpy(&out->outcome, &outcome, sizeof(outcome));
    munmap(p, sizeof(*p) + sizeof(*shared));
    drop_useless_samples(out);
    out->faults = sy_load_judge(out);
    return err;
}

void sy_load_result_free(struct sy_load_result *r)
{
    if (r->samples != NULL)
        munmap(r->samples, r->samples_bytes);
    r->samples = NULL;
    r->samples_bytes = 0;
}
