/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated accelerator: a first-come-first-served queue before a number of
 * equal servers, with service times from a distribution (M/G/c when the
 * arrivals are Poisson). Only time is simulated: the operation itself is
 * computed by this process when its time has come.
 *
 * With first come, first served and a service time that is drawn on arrival,
 * the moment at which an operation will be complete is known when it is
 * submitted: the server that is free first takes it. So there is nothing to do
 * between submission and completion.
 *
 * What is inside is kept in the order of completion in two parts: the next
 * batch, sorted, and all that comes later, in a heap. A batch is ready when
 * its last operation is due; one that is not full may have to wait for more
 * (gather). An operation that arrives later may still be due earlier, and then
 * pushes the last one of the batch out to the heap.
 *
 * Lanes. All this exists once for each lane, under the lane's own lock, so that
 * threads which share the device do not meet: a thread submits to its lane, and
 * polls it. It looks at other lanes when its own has nothing to announce, and
 * takes one operation at a time there; or now and then, for what is overdue
 * because nobody polls that lane. An operation is computed without any lock, so
 * that several threads may compute for one lane too.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/device.h>
#include <sys/prctl.h>
#include <time.h>

#include "../device_options.h"
#include "../thread_number.h"

#define SERVERS_MAX 1024
#define QUEUE_MAX   65536
#define BATCH_MAX   256
#define LANES_MAX   64
#define TRACE_MAX   (16u * 1024 * 1024)
#define SERVICE_MAX (3600 * SY_NS_PER_S)
#define SERVICE_HELP                                                           \
    "fixed:TIME, exponential:MEAN, lognormal:MEDIAN:SIGMA or trace:FILE "      \
    "(TIME as 50us, at most 3600s; SIGMA 0 .. 5)"

#define STALL_HELP                                                             \
    "AT:TIME, the time since the first operation, 0ns .. 3600s, and how long " \
    "the device stands still once, 1ns .. 3600s, as 2s:100ms"

#define GATHER_HELP "0ns .. 3600s, as 10ms"

/* How often a thread whose own lane keeps it busy looks at the others, and how
   long what it takes from there must be overdue. */
#define LOOK_EVERY_POLLS 16
#define OVERDUE_NS       (100 * SY_NS_PER_US)

enum sim_mode { MODE_POLL, MODE_THREAD, MODE_DEFAULT };
enum sim_shape { FIXED, EXPONENTIAL, LOGNORMAL, TRACE };

struct sim_service {
    enum sim_shape shape;
    uint64_t typical_ns; /* the time, its mean, or its median */
    double sigma;
    uint64_t *trace_ns;
    size_t trace_count;
};

/* The device stands still once: what is being served goes on afterwards. */
struct sim_stall {
    uint64_t after_ns;  /* since the first operation was submitted */
    uint64_t length_ns; /* 0: it never does */
};

struct sim_entry {
    uint64_t due_ns;
    uint64_t number; /* of arrival: among equals, the first comes first */
    struct sy_device_op *op;
};

struct sim_lane {
    _Alignas(SY_CACHE_LINE) struct sim *sim;
    pthread_mutex_t lock; /* guards what follows */
    uint64_t random[4];
    size_t trace_at;
    uint64_t arrivals;
    uint64_t *free_ns; /* heap: when each server is free */
    struct sim_entry *next, *later;
    size_t next_count, later_count;
    size_t committed;   /* of next: their batch was complete */
    uint64_t commit_ns; /* at this time */

    /* Read without the lock, to see that there is nothing to do: when a poll
       has something to announce, and when the first batch is due. Relaxed: the
       thread that submits sees its own, and the others' sooner or later. */
    _Atomic uint64_t first_ns, ready_ns;
    _Atomic uint32_t polls;
};

struct sim {
    struct sy_device *device;
    struct sy_clock *clock;
    uint64_t servers, queue, batch, lanes;
    uint64_t gather_ns; /* a batch that is not full waits for more; 0: not */
    uint64_t lane_servers, lane_queue; /* of each lane */
    unsigned mode, default_mode, execute_off;
    struct sim_service service;
    struct sim_stall stall;
    _Atomic uint64_t stall_ns; /* when, by the clock; SY_FOREVER: nothing was
                                  submitted yet, or it never stalls */
    struct sim_lane *lane;

    /* Mode thread, which has one lane; guarded by its lock. */
    pthread_t thread;
    pthread_cond_t changed;
    uint64_t sleeping_until_ns; /* 0: the thread is not asleep */
    int stop;
};

/* ---- random numbers ----------------------------------------------------- */

/* xoshiro256** by Blackman and Vigna, seeded by splitmix64, as its authors
   advise: a sequence that does not depend on the C library. */
static uint64_t random_next(uint64_t s[4])
{
    uint64_t mixed = s[1] * 5, shifted = s[1] << 17;

    mixed = ((mixed << 7) | (mixed >> 57)) * 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return mixed;
}

static void random_seed(uint64_t s[4], uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        s[i] = z ^ (z >> 31);
    }
}

/* In (0, 1], so that its logarithm is finite. */
static double random_unit(uint64_t s[4])
{
    return (double)((random_next(s) >> 11) + 1) * 0x1p-53;
}

static uint64_t draw_service_ns(struct sim_lane *lane)
{
    const struct sim_service *service = &lane->sim->service;
    double ns = (double)service->typical_ns;

    switch (service->shape) {
    case FIXED:
        return service->typical_ns;
    case TRACE:
        if (lane->trace_at == service->trace_count)
            lane->trace_at = 0;
        return service->trace_ns[lane->trace_at++];
    case EXPONENTIAL:
        ns *= -log(random_unit(lane->random));
        break;
    case LOGNORMAL: { /* Box and Muller; the second value is not kept */
        double radius = sqrt(-2.0 * log(random_unit(lane->random)));
        double angle = 6.283185307179586 * random_unit(lane->random);

        ns *= exp(service->sigma * radius * cos(angle));
        break;
    }
    }
    return ns < (double)SERVICE_MAX ? (uint64_t)(ns + 0.5) : SERVICE_MAX;
}

/* ---- what is inside ----------------------------------------------------- */

static int is_before(const struct sim_entry *a, const struct sim_entry *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns
                                  : a->number < b->number;
}

static void later_push(struct sim_lane *lane, struct sim_entry entry)
{
    size_t at = lane->later_count++;

    while (at > 0 && is_before(&entry, &lane->later[(at - 1) / 2])) {
        lane->later[at] = lane->later[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    lane->later[at] = entry;
}

static struct sim_entry later_pop(struct sim_lane *lane)
{
    struct sim_entry *heap = lane->later;
    struct sim_entry first = heap[0], moved = heap[--lane->later_count];
    size_t at = 0, child, count = lane->later_count;

    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (!is_before(&heap[child], &moved))
            break;
        heap[at] = heap[child];
        at = child;
    }
    if (count > 0)
        heap[at] = moved;
    return first;
}

static void insert(struct sim_lane *lane, struct sim_entry entry)
{
    size_t at;

    if (lane->next_count == lane->sim->batch) {
        struct sim_entry *last = &lane->next[lane->next_count - 1];

        if (!is_before(&entry, last)) {
            later_push(lane, entry);
            return;
        }
        later_push(lane, *last);
        lane->next_count--;
    }
    for (at = lane->next_count++;
         at > 0 && is_before(&entry, &lane->next[at - 1]); at--)
        lane->next[at] = lane->next[at - 1];
    lane->next[at] = entry;
}

static struct sim_entry take_first(struct sim_lane *lane)
{
    struct sim_entry first = lane->next[0];

    lane->next_count--;
    memmove(lane->next, lane->next + 1, lane->next_count * sizeof(*lane->next));
    if (lane->later_count > 0)
        lane->next[lane->next_count++] = later_pop(lane);
    return first;
}

/* When the next batch can be announced. */
static uint64_t ready_ns(const struct sim_lane *lane)
{
    uint64_t last_ns, gathered_ns;

    if (lane->next_count == 0)
        return SY_FOREVER;
    if (lane->committed > 0)
        return lane->commit_ns;
    last_ns = lane->next[lane->next_count - 1].due_ns;
    if (lane->next_count == lane->sim->batch || lane->sim->gather_ns == 0)
        return last_ns;
    gathered_ns = sy_ns_after(lane->next[0].due_ns, lane->sim->gather_ns);
    return gathered_ns > last_ns ? gathered_ns : last_ns;
}

/* Does a poll announce what is due, though its batch is not complete? */
static int polls_partial(const struct sim *sim)
{
    return sim->gather_ns == 0;
}

/*
 * When the device stands still is known beforehand, so the stall only moves
 * when something begins and ends. Relaxed: lanes agree on the first submission
 * by the exchange, and nothing else hangs on it.
 */
static uint64_t stall_begin_ns(struct sim *sim, uint64_t now_ns)
{
    uint64_t at = SY_FOREVER;

    if (sim->stall.length_ns == 0)
        return SY_FOREVER;
    if (atomic_compare_exchange_strong_explicit(
            &sim->stall_ns, &at, sy_ns_after(now_ns, sim->stall.after_ns),
            memory_order_relaxed, memory_order_relaxed))
        return sy_ns_after(now_ns, sim->stall.after_ns);
    return at;
}

/* When service is over that begins at start_ns, if it can. */
static uint64_t end_of_service(const struct sim *sim, uint64_t stall_ns,
                               uint64_t start_ns, uint64_t service_ns)
{
    uint64_t over_ns = sy_ns_after(stall_ns, sim->stall.length_ns);

    if (start_ns >= stall_ns && start_ns < over_ns)
        start_ns = over_ns;
    else if (start_ns < stall_ns && service_ns > stall_ns - start_ns)
        service_ns = sy_ns_after(service_ns, sim->stall.length_ns);
    return sy_ns_after(start_ns, service_ns);
}

/* Give the server that is free first to an operation that needs service_ns.
   Returns when it will be complete. */
static uint64_t occupy_server(struct sim_lane *lane, uint64_t now_ns,
                              uint64_t service_ns)
{
    uint64_t *heap = lane->free_ns;
    uint64_t start_ns = heap[0] > now_ns ? heap[0] : now_ns;
    uint64_t due_ns = end_of_service(
        lane->sim, stall_begin_ns(lane->sim, now_ns), start_ns, service_ns);
    size_t at = 0, child;

    while ((child = 2 * at + 1) < lane->sim->lane_servers) {
        if (child + 1 < lane->sim->lane_servers &&
            heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= due_ns)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = due_ns;
    return due_ns;
}

/* Before the lock is released: show others what is due when. */
static void show_due(struct sim_lane *lane)
{
    uint64_t ready = ready_ns(lane), first = ready;

    if (lane->next_count > 0 && polls_partial(lane->sim))
        first = lane->next[0].due_ns;
    atomic_store_explicit(&lane->first_ns, first, memory_order_relaxed);
    atomic_store_explicit(&lane->ready_ns, ready, memory_order_relaxed);
}

static int lane_submit(struct sim *sim, struct sim_lane *lane,
                       struct sy_device_op *op)
{
    int wake = 0;

    pthread_mutex_lock(&lane->lock);
    if (lane->next_count + lane->later_count >= sim->lane_queue) {
        pthread_mutex_unlock(&lane->lock);
        return -EAGAIN;
    }
    op->due_ns =
        occupy_server(lane, sy_clock_now_ns(sim->clock), draw_service_ns(lane));
    insert(lane, (struct sim_entry){op->due_ns, lane->arrivals++, op});
    show_due(lane);
    if (ready_ns(lane) < sim->sleeping_until_ns) {
        sim->sleeping_until_ns = 0; /* one wake-up is enough */
        wake = 1;
    }
    pthread_mutex_unlock(&lane->lock);
    if (wake)
        pthread_cond_signal(&sim->changed);
    return 0;
}

static int sim_submit(void *state, struct sy_device_op *op)
{
    struct sim *sim = state;
    uint64_t own = sy__thread_number() % sim->lanes;

    /* Full means that no lane has room. */
    for (uint64_t i = 0; i < sim->lanes; i++)
        if (lane_submit(sim, &sim->lane[(own + i) % sim->lanes], op) == 0)
            return 0;
    return -EAGAIN;
}

/* ---- completion --------------------------------------------------------- */

/* Compute the operation, and announce it; its turn should have come at ready.
   Others of this round may have been computed since now_ns. What it computes
   itself is not lateness: only the time of a real device is simulated. */
static void complete(struct sim *sim, struct sy_device_op *op, uint64_t ready,
                     uint64_t now_ns)
{
    int status = 0;

    if (!sim->execute_off && op->execute != NULL) {
        now_ns = sy_clock_now_ns(sim->clock);
        status = op->execute(op->arg);
    }
    sy_device_announce(sim->device, op, status,
                       now_ns > ready ? now_ns - ready : 0);
}

/*
 * Announce the batches that are ready, and also the rest of what is due by
 * due_ns if partial. Called with the lock held, which is released meanwhile:
 * what is submitted then is due after now, so the first entries stay the first.
 * Several threads may be at it; each entry is taken by one.
 */
static int announce_ready(struct sim_lane *lane, int partial, uint64_t now_ns,
                          uint64_t due_ns, int most)
{
    struct sim *sim = lane->sim;
    int announced = 0;

    while (announced < most) {
        struct sim_entry first;
        uint64_t ready = now_ns;

        if (lane->committed == 0 && ready_ns(lane) <= now_ns) {
            lane->commit_ns = ready_ns(lane); /* while nothing is committed */
            lane->committed = lane->next_count;
        }
        if (lane->next_count == 0 || (lane->committed == 0 && !partial) ||
            lane->next[0].due_ns > due_ns)
            break;
        first = take_first(lane);
        if (lane->committed > 0) {
            lane->committed--;
            ready = lane->commit_ns;
        }
        show_due(lane);
        pthread_mutex_unlock(&lane->lock);
        complete(sim, first.op, ready, now_ns);
        announced++;
        pthread_mutex_lock(&lane->lock);
    }
    return announced;
}

static int lane_poll(struct sim_lane *lane)
{
    uint64_t first_ns =
        atomic_load_explicit(&lane->first_ns, memory_order_relaxed);
    uint64_t now_ns;
    int announced;

    if (first_ns == SY_FOREVER)
        return 0;
    now_ns = sy_clock_now_ns(lane->sim->clock);
    if (first_ns > now_ns)
        return 0;
    pthread_mutex_lock(&lane->lock);
    announced =
        announce_ready(lane, polls_partial(lane->sim), now_ns, now_ns, INT_MAX);
    pthread_mutex_unlock(&lane->lock);
    return announced;
}

/* Announce one operation of another thread's lane that was due by due_ns,
   unless somebody is at that lane. */
static int lane_help(struct sim_lane *lane, uint64_t now_ns, uint64_t due_ns)
{
    int announced;

    if (atomic_load_explicit(&lane->first_ns, memory_order_relaxed) > due_ns ||
        pthread_mutex_trylock(&lane->lock) != 0)
        return 0;
    announced =
        announce_ready(lane, polls_partial(lane->sim), now_ns, due_ns, 1);
    pthread_mutex_unlock(&lane->lock);
    return announced;
}

static int help_others(struct sim *sim, uint64_t own, uint64_t overdue_ns)
{
    uint64_t now_ns = sy_clock_now_ns(sim->clock);
    uint64_t due_ns = now_ns > overdue_ns ? now_ns - overdue_ns : 0;
    int announced = 0;

    for (uint64_t i = 1; i < sim->lanes && announced == 0; i++)
        announced =
            lane_help(&sim->lane[(own + i) % sim->lanes], now_ns, due_ns);
    return announced;
}

static uint64_t earliest_ns(const struct sim *sim)
{
    uint64_t earliest = SY_FOREVER;

    for (uint64_t i = 0; i < sim->lanes; i++) {
        uint64_t ready =
            atomic_load_explicit(&sim->lane[i].ready_ns, memory_order_relaxed);

        earliest = ready < earliest ? ready : earliest;
    }
    return earliest;
}

static int sim_poll(void *state, uint64_t *next_ns)
{
    struct sim *sim = state;
    uint64_t number = sy__thread_number() % sim->lanes;
    struct sim_lane *own = &sim->lane[number];
    int announced = lane_poll(own);

    if (sim->lanes > 1 && announced == 0)
        announced = help_others(sim, number, 0);
    else if (sim->lanes > 1 &&
             atomic_fetch_add_explicit(&own->polls, 1, memory_order_relaxed) %
                     LOOK_EVERY_POLLS ==
                 0)
        announced += help_others(sim, number, OVERDUE_NS);
    *next_ns = earliest_ns(sim);
    return announced;
}

/* Sleep until the clock shows until_ns, or until something changed. */
static void sleep_until(struct sim *sim, uint64_t until_ns)
{
    uint64_t now_ns = sy_clock_now_ns(sim->clock), end_ns;
    struct timespec end;

    sim->sleeping_until_ns = until_ns;
    if (until_ns == SY_FOREVER) {
        pthread_cond_wait(&sim->changed, &sim->lane->lock);
    } else if (until_ns > now_ns) {
        /* The device's clock may count from elsewhere than the kernel's. */
        clock_gettime(CLOCK_MONOTONIC, &end);
        end_ns = sy_ns_after((uint64_t)end.tv_sec * SY_NS_PER_S +
                                 (uint64_t)end.tv_nsec,
                             until_ns - now_ns);
        end.tv_sec = (time_t)(end_ns / SY_NS_PER_S);
        end.tv_nsec = (long)(end_ns % SY_NS_PER_S);
        pthread_cond_timedwait(&sim->changed, &sim->lane->lock, &end);
    }
    sim->sleeping_until_ns = 0;
}

static void *sim_thread(void *state)
{
    struct sim *sim = state;
    uint64_t now_ns;

    /* By default the kernel may be 50 us late on purpose. */
    (void)prctl(PR_SET_TIMERSLACK, 1);
    pthread_mutex_lock(&sim->lane->lock);
    while (!sim->stop) {
        now_ns = sy_clock_now_ns(sim->clock);
        (void)announce_ready(sim->lane, 0, now_ns, now_ns, INT_MAX);
        if (!sim->stop)
            sleep_until(sim, ready_ns(sim->lane));
    }
    pthread_mutex_unlock(&sim->lane->lock);
    return NULL;
}

/* ---- options ------------------------------------------------------------ */

static int parse_service_ns(const char *text, uint64_t *ns, char *why,
                            size_t why_bytes)
{
    int err = sy__parse_ns(text, ns);

    if (err == 0 && *ns <= SERVICE_MAX)
        return 0;
    sy__explain(why, why_bytes, "sim: service: \"%.64s\" is %s; accepted: %s",
                text,
                err == -EINVAL ? "not a time with a unit (ns, us, ms, s)"
                               : "out of range",
                SERVICE_HELP);
    return -EINVAL;
}

static int take_lognormal(struct sim_service *service, char *text, char *why,
                          size_t why_bytes)
{
    char *sigma = strchr(text, ':');

    if (sigma != NULL)
        *sigma++ = '\0';
    if (sigma == NULL || sy__parse_decimal(sigma, &service->sigma) != 0 ||
        service->sigma > 5.0) {
        sy__explain(why, why_bytes,
                    "sim: service: sigma \"%.64s\" is not a number of 0 .. 5; "
                    "accepted: %s",
                    sigma == NULL ? "" : sigma, SERVICE_HELP);
        return -EINVAL;
    }
    return parse_service_ns(text, &service->typical_ns, why, why_bytes);
}

static int trace_append(struct sim_service *service, size_t *room, uint64_t ns)
{
    uint64_t *grown;

    if (service->trace_count == *room) {
        *room = *room == 0 ? 1024 : *room * 2;
        grown = realloc(service->trace_ns, *room * sizeof(*grown));
        if (grown == NULL)
            return -ENOMEM;
        service->trace_ns = grown;
    }
    service->trace_ns[service->trace_count++] = ns;
    return 0;
}

static int read_trace(struct sim_service *service, FILE *file, const char *path,
                      char *why, size_t why_bytes)
{
    char line[64];
    size_t room = 0;
    unsigned number = 0;

    while (fgets(line, sizeof(line), file) != NULL) {
        size_t bytes = strcspn(line, "\n");
        uint64_t ns;

        number++;
        line[bytes] = '\0';
        if (bytes == 0 || strspn(line, "0123456789") != bytes ||
            sy__parse_count(line, &ns) != 0 || ns > SERVICE_MAX) {
            sy__explain(why, why_bytes,
                        "sim: service: %s:%u: not a service time in ns; "
                        "accepted: one number per line, 0 .. %llu",
                        path, number, (unsigned long long)SERVICE_MAX);
            return -EINVAL;
        }
        if (number > TRACE_MAX) {
            sy__explain(why, why_bytes,
                        "sim: service: %s:%u: too long; accepted: 1 .. %u "
                        "lines",
                        path, number, TRACE_MAX);
            return -EINVAL;
        }
        if (trace_append(service, &room, ns) != 0) {
            sy__explain(why, why_bytes, "sim: service: %s: no memory", path);
            return -ENOMEM;
        }
    }
    if (ferror(file) || service->trace_count == 0) {
        sy__explain(why, why_bytes, "sim: service: %s: %s", path,
                    ferror(file) ? "cannot be read"
                                 : "is empty; accepted: 1 line or more");
        return -EINVAL;
    }
    return 0;
}

static int take_trace(struct sim_service *service, const char *path, char *why,
                      size_t why_bytes)
{
    FILE *file = fopen(path, "re");
    int err;

    if (file == NULL) {
        sy__explain(why, why_bytes, "sim: service: %s: cannot be opened: %s",
                    path, strerror(errno));
        return -EINVAL;
    }
    err = read_trace(service, file, path, why, why_bytes);
    (void)fclose(file);
    return err;
}

static int take_stall(void *to, const char *value, char *why, size_t why_bytes)
{
    struct sim_stall *stall = to;
    char text[SY__OPTION_VALUE_BYTES], *colon;

    memcpy(text, value, strlen(value) + 1);
    colon = strchr(text, ':');
    if (colon != NULL)
        *colon++ = '\0';
    if (colon != NULL && sy__parse_ns(text, &stall->after_ns) == 0 &&
        sy__parse_ns(colon, &stall->length_ns) == 0 &&
        stall->after_ns <= SERVICE_MAX && stall->length_ns >= 1 &&
        stall->length_ns <= SERVICE_MAX)
        return 0;
    sy__explain(why, why_bytes, "sim: stall=%.64s: not two times; accepted: %s",
                value, STALL_HELP);
    return -EINVAL;
}

static int take_gather(void *to, const char *value, char *why, size_t why_bytes)
{
    uint64_t *gather_ns = to;

    if (sy__parse_ns(value, gather_ns) == 0 && *gather_ns <= SERVICE_MAX)
        return 0;
    sy__explain(why, why_bytes,
                "sim: gather=%.64s: not a time within the range; accepted: %s",
                value, GATHER_HELP);
    return -EINVAL;
}

static int take_service(void *to, const char *value, char *why,
                        size_t why_bytes)
{
    struct sim_service *service = to;
    const char *colon = strchr(value, ':');
    char rest[SY__OPTION_VALUE_BYTES];
    size_t name_bytes;

    if (colon != NULL) {
        name_bytes = (size_t)(colon - value) + 1;
        memcpy(rest, colon + 1, strlen(colon + 1) + 1);
        if (strncmp(value, "trace:", name_bytes) == 0) {
            service->shape = TRACE;
            return take_trace(service, rest, why, why_bytes);
        }
        if (strncmp(value, "lognormal:", name_bytes) == 0) {
            service->shape = LOGNORMAL;
            return take_lognormal(service, rest, why, why_bytes);
        }
        if (strncmp(value, "fixed:", name_bytes) == 0) {
            service->shape = FIXED;
            return parse_service_ns(rest, &service->typical_ns, why, why_bytes);
        }
        if (strncmp(value, "exponential:", name_bytes) == 0) {
            service->shape = EXPONENTIAL;
            return parse_service_ns(rest, &service->typical_ns, why, why_bytes);
        }
    }
    sy__explain(why, why_bytes, "sim: service=%.64s: unknown; accepted: %s",
                value, SERVICE_HELP);
    return -EINVAL;
}

/* A thread that has to share its CPU with the jobs is late: then polling is
   the better model. */
static unsigned default_mode(const struct sy_device_config *cfg)
{
    cpu_set_t cpus;

    if (!cfg->clock->is_real || cfg->poll_policy != NULL ||
        sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
        return MODE_POLL;
    return CPU_COUNT(&cpus) < 3 ? MODE_POLL : MODE_THREAD;
}

/* Lanes are equal: they divide servers and queue. */
static int divide(struct sim *sim, char *why, size_t why_bytes)
{
    if (sim->mode == MODE_DEFAULT)
        sim->mode = sim->lanes > 1 ? MODE_POLL : sim->default_mode;
    if (sim->mode == MODE_THREAD && sim->lanes > 1) {
        sy__explain(why, why_bytes,
                    "sim: lanes=%llu: mode=thread has one lane; use mode=poll",
                    (unsigned long long)sim->lanes);
        return -EINVAL;
    }
    if (sim->servers % sim->lanes != 0 || sim->queue % sim->lanes != 0) {
        sy__explain(why, why_bytes,
                    "sim: lanes=%llu: does not divide servers=%llu and "
                    "queue=%llu",
                    (unsigned long long)sim->lanes,
                    (unsigned long long)sim->servers,
                    (unsigned long long)sim->queue);
        return -EINVAL;
    }
    sim->lane_servers = sim->servers / sim->lanes;
    sim->lane_queue = sim->queue / sim->lanes;
    return 0;
}

static int parse_options(struct sim *sim, const char *text, uint64_t *seed,
                         char *why, size_t why_bytes)
{
    static const char *const modes[] = {"poll", "thread", NULL};
    static const char *const answers[] = {"yes", "no", NULL};
    const struct sy__option options[] = {
        {.key = "servers",
         .accepts = "1 .. 1024",
         .count = &sim->servers,
         .min = 1,
         .max = SERVERS_MAX},
        {.key = "service",
         .accepts = SERVICE_HELP,
         .take = take_service,
         .to = &sim->service},
        {.key = "stall",
         .accepts = STALL_HELP,
         .take = take_stall,
         .to = &sim->stall},
        {.key = "queue",
         .accepts = "1 .. 65536",
         .count = &sim->queue,
         .min = 1,
         .max = QUEUE_MAX},
        {.key = "batch",
         .accepts = "1 .. 256",
         .count = &sim->batch,
         .min = 1,
         .max = BATCH_MAX},
        {.key = "gather",
         .accepts = GATHER_HELP,
         .take = take_gather,
         .to = &sim->gather_ns},
        {.key = "mode",
         .accepts = "poll, thread",
         .word = &sim->mode,
         .words = modes},
        {.key = "lanes",
         .accepts = "1 .. 64",
         .count = &sim->lanes,
         .min = 1,
         .max = LANES_MAX},
        {.key = "seed",
         .accepts = "0 .. 18446744073709551615",
         .count = seed,
         .max = UINT64_MAX},
        {.key = "execute",
         .accepts = "yes, no",
         .word = &sim->execute_off,
         .words = answers},
    };
    int err;

    sim->servers = 1;
    sim->queue = 1024;
    sim->batch = 1;
    sim->lanes = 1;
    sim->mode = MODE_DEFAULT;
    atomic_store_explicit(&sim->stall_ns, SY_FOREVER, memory_order_relaxed);
    *seed = 1;
    sim->service.shape = FIXED;
    sim->service.typical_ns = 50 * SY_NS_PER_US;
    err =
        sy__options_parse("sim", text, options,
                          sizeof(options) / sizeof(options[0]), why, why_bytes);
    return err != 0 ? err : divide(sim, why, why_bytes);
}

/* ---- opening and closing ------------------------------------------------ */

static int start_thread(struct sim *sim, char *why, size_t why_bytes)
{
    pthread_condattr_t attr;
    sigset_t all, old;
    int err;

    if (!sim->clock->is_real) {
        sy__explain(why, why_bytes,
                    "sim: mode=thread: a thread cannot sleep on a virtual "
                    "clock; use mode=poll");
        return -ENOTSUP;
    }
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&sim->changed, &attr);
    pthread_condattr_destroy(&attr);

    sigfillset(&all); /* signals are for the program's own threads */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&sim->thread, NULL, sim_thread, sim);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err != 0) {
        pthread_cond_destroy(&sim->changed);
        sy__explain(why, why_bytes, "sim: mode=thread: no thread: %s",
                    strerror(err));
    }
    return -err;
}

static void free_lanes(struct sim *sim)
{
    for (uint64_t i = 0; sim->lane != NULL && i < sim->lanes; i++) {
        free(sim->lane[i].later);
        free(sim->lane[i].next);
        free(sim->lane[i].free_ns);
        pthread_mutex_destroy(&sim->lane[i].lock);
    }
    free(sim->lane);
}

static int make_lanes(struct sim *sim, uint64_t seed)
{
    size_t bytes = sim->lanes * sizeof(*sim->lane);
    int err = 0;

    sim->lane = aligned_alloc(SY_CACHE_LINE, bytes);
    if (sim->lane == NULL)
        return -ENOMEM;
    memset(sim->lane, 0, bytes);
    for (uint64_t i = 0; i < sim->lanes; i++) {
        struct sim_lane *lane = &sim->lane[i];

        lane->sim = sim;
        pthread_mutex_init(&lane->lock, NULL);
        random_seed(lane->random, seed + i);
        lane->free_ns = calloc(sim->lane_servers, sizeof(*lane->free_ns));
        lane->next = calloc(sim->batch, sizeof(*lane->next));
        lane->later = calloc(sim->lane_queue + 1, sizeof(*lane->later));
        show_due(lane);
        if (lane->free_ns == NULL || lane->next == NULL || lane->later == NULL)
            err = -ENOMEM;
    }
    return err;
}

static int sim_open(void *state, const struct sy_device_config *cfg,
                    uint32_t *caps, char *why, size_t why_bytes)
{
    struct sim *sim = state;
    uint64_t seed;
    int err;

    sim->device = cfg->device;
    sim->clock = cfg->clock;
    sim->default_mode = default_mode(cfg);
    err = parse_options(sim, cfg->options, &seed, why, why_bytes);
    if (err != 0)
        goto free_trace;
    err = make_lanes(sim, seed);
    if (err != 0) {
        sy__explain(why, why_bytes, "sim: no memory");
        goto free_lanes;
    }
    *caps = SY_DV_POLLED | SY_DV_SHARED_POLL;
    if (sim->mode == MODE_THREAD) {
        *caps = 0;
        err = start_thread(sim, why, why_bytes);
        if (err != 0)
            goto free_lanes;
    }
    return 0;

free_lanes:
    free_lanes(sim);
free_trace:
    free(sim->service.trace_ns);
    return err;
}

static void sim_close(void *state)
{
    struct sim *sim = state;

    if (sim->mode == MODE_THREAD) {
        pthread_mutex_lock(&sim->lane->lock);
        sim->stop = 1;
        pthread_mutex_unlock(&sim->lane->lock);
        pthread_cond_signal(&sim->changed);
        pthread_join(sim->thread, NULL);
        pthread_cond_destroy(&sim->changed);
    }
    for (uint64_t i = 0; i < sim->lanes; i++)
        while (sim->lane[i].next_count > 0)
            sy_device_announce(sim->device, take_first(&sim->lane[i]).op,
                               -ECANCELED, 0);
    free_lanes(sim);
    free(sim->service.trace_ns);
}

const struct sy_device_ops sy_device_sim = {
    .abi = SY_DEVICE_ABI,
    .name = "sim",
    .summary = "simulated accelerator: servers behind a queue, in modelled "
               "time",
    .options =
        "servers=1..1024,service=fixed:T|exponential:T|lognormal:T:S|"
        "trace:FILE,stall=AT:TIME,queue=1..65536,batch=1..256,gather=TIME,"
        "mode=poll|thread,lanes=1..64,seed=N,execute=yes|no,poll=POLICY",
    .state_bytes = sizeof(struct sim),
    .open = sim_open,
    .close = sim_close,
    .submit = sim_submit,
    .poll = sim_poll,
};
