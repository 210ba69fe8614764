/* SPDX-License-Identifier: Apache-2.0 */
#include "dosed_parts.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../devices/timed_spin.h"

#define READINGS 1000

struct level {
    /* Read at every event, changed by none. */
    _Alignas(SY_CACHE_LINE) struct sy__spin_rate rate;
    uint64_t ticks[SY_DOSE_FACTORS];
    uint64_t reading_ticks; /* what reading the time takes at least */
    const struct sy_switcher_ops *switcher;
    const struct sy_engine_ops *engine;
    const struct sy_device_ops *device;

    /* Of whoever has control: a switch hands them over. */
    _Alignas(SY_CACHE_LINE) uint64_t left_ticks; /* when one side left */
    uint64_t jobs, switches, switch_ticks;

    /* Of the runtime's thread. */
    uint64_t collected, collect_ticks;

    /* Of all who wake, and of the device's threads. Counters: relaxed. */
    _Alignas(SY_CACHE_LINE) _Atomic uint64_t wakes;
    _Atomic uint64_t wake_ticks;
    _Alignas(SY_CACHE_LINE) _Atomic uint64_t operations;
    _Atomic uint64_t device_ticks;

    struct sy_dose dose;
    /* Their names are in no table: nobody shall take them for the originals. */
    char switcher_name[64], engine_name[64], device_name[64];
    struct sy_switcher_ops dosed_switcher;
    struct sy_engine_ops dosed_engine;
    struct sy_device_ops dosed_device;
};

/* Not reached by a pointer that hooks are given: see the header. */
static struct level levels[SY_DOSE_LEVELS_MAX];

static void count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

const char *sy_dose_factor_name(enum sy_dose_factor factor)
{
    static const char *const names[SY_DOSE_FACTORS] = {"switch", "wake",
                                                       "device"};

    return (unsigned)factor < SY_DOSE_FACTORS ? names[factor] : "?";
}

/* ---- switches ------------------------------------------------------------ */

static inline void leave(struct level *l)
{
    l->switches++;
    l->left_ticks = sy__spin(&l->rate, l->ticks[SY_DOSE_SWITCH]);
}

static inline void arrive(struct level *l)
{
    l->switch_ticks += sy__spin_now(&l->rate) - l->left_ticks;
}

/* On the stack of who starts the job, who waits there until it pauses. */
struct dosed_entry {
    struct level *level;
    sy_switcher_fn fn;
    void *arg;
};

SY_NO_TSAN static int dosed_job(void *arg)
{
    struct dosed_entry entry = *(const struct dosed_entry *)arg;
    int result;

    arrive(entry.level);
    result = entry.fn(entry.arg);
    leave(entry.level);
    return result;
}

SY_NO_TSAN static int dosed_start(struct level *l, void *from, void *to,
                                  void *stack_top, sy_switcher_fn fn, void *arg)
{
    struct dosed_entry entry = {l, fn, arg};
    int value;

    l->jobs++;
    leave(l);
    value = l->switcher->start(from, to, stack_top, dosed_job, &entry);
    arrive(l);
    return value;
}

SY_NO_TSAN static int dosed_swap(struct level *l, void *from, void *to,
                                 int value)
{
    leave(l);
    value = l->switcher->swap(from, to, value);
    arrive(l);
    return value;
}

/* ---- wake-ups ------------------------------------------------------------ */

/* In front of the engine's own state. */
struct dosed_state {
    _Alignas(SY_CACHE_LINE) struct level *level;
    _Atomic uint64_t woken_ticks; /* the first wake-up since wait last returned
                                     some; 0: none yet */
};

static void *own_state(void *state)
{
    return (struct dosed_state *)state + 1;
}

static const struct sy_engine_ops *engine_of(const void *state)
{
    return ((const struct dosed_state *)state)->level->engine;
}

static int dosed_open(struct level *l, void *state,
                      const struct sy_engine_config *cfg)
{
    struct dosed_state *dosed = state;

    dosed->level = l;
    return l->engine->open(own_state(state), cfg);
}

static void dosed_close(void *state)
{
    engine_of(state)->close(own_state(state));
}

static int dosed_attach(void *state, struct sy_engine_slot *slot)
{
    return engine_of(state)->attach(own_state(state), slot);
}

static void dosed_detach(void *state, struct sy_engine_slot *slot)
{
    engine_of(state)->detach(own_state(state), slot);
}

static void dosed_wake(void *state, struct sy_engine_slot *slot)
{
    struct dosed_state *dosed = state;
    struct level *l = dosed->level;
    uint64_t began, none = 0;

    count(&l->wakes, 1); /* before anybody can see the wake-up */
    began = sy__spin(&l->rate, l->ticks[SY_DOSE_WAKE]);
    /* relaxed: a time for the books, nothing else hangs on it */
    if (atomic_load_explicit(&dosed->woken_ticks, memory_order_relaxed) == 0)
        (void)atomic_compare_exchange_strong_explicit(
            &dosed->woken_ticks, &none, began, memory_order_relaxed,
            memory_order_relaxed);
    l->engine->wake(own_state(state), slot);
    count(&l->wake_ticks, sy__spin_now(&l->rate) - began);
}

static int dosed_wait(void *state, struct sy_engine_slot **ready, unsigned max,
                      uint64_t timeout_ns)
{
    struct dosed_state *dosed = state;
    struct level *l = dosed->level;
    uint64_t began = sy__spin_now(&l->rate), ended, woken;
    int n = l->engine->wait(own_state(state), ready, max, timeout_ns);

    if (n <= 0)
        return n;
    ended = sy__spin_now(&l->rate);
    woken =
        atomic_exchange_explicit(&dosed->woken_ticks, 0, memory_order_relaxed);
    /* Counters of two CPUs may be a little apart. */
    if (woken > began && woken <= ended)
        began = woken;
    l->collected += (uint64_t)n;
    l->collect_ticks += ended - began;
    return n;
}

static int dosed_fd(void *state, int *fd)
{
    return engine_of(state)->fd(own_state(state), fd);
}

static int dosed_peek(void *state)
{
    return engine_of(state)->peek(own_state(state));
}

/* ---- device operations --------------------------------------------------- */

/* What stands in an operation while it is in the device. */
struct dosed_operation {
    struct dosed_operation *next; /* spare */
    struct dosed_device *device;
    struct sy_device_op *op;
    sy_device_execute_fn execute;
    void *arg;
};

/* In front of the device's own state. */
struct dosed_device {
    _Alignas(SY_CACHE_LINE) struct level *level;
    pthread_mutex_t lock;
    struct dosed_operation *spare; /* under lock */
};

static void *device_state(void *state)
{
    return (struct dosed_device *)state + 1;
}

static struct dosed_operation *take_spare(struct dosed_device *d)
{
    struct dosed_operation *spare;

    pthread_mutex_lock(&d->lock);
    spare = d->spare;
    if (spare != NULL)
        d->spare = spare->next;
    pthread_mutex_unlock(&d->lock);
    return spare != NULL ? spare : malloc(sizeof(*spare));
}

/* The operation gets its own back. */
static void undress(struct dosed_operation *dosed)
{
    struct dosed_device *d = dosed->device;

    dosed->op->execute = dosed->execute;
    dosed->op->arg = dosed->arg;
    pthread_mutex_lock(&d->lock);
    dosed->next = d->spare;
    d->spare = dosed;
    pthread_mutex_unlock(&d->lock);
}

static int dosed_execute(void *arg)
{
    struct dosed_operation *dosed = arg;
    struct level *l = dosed->device->level;
    sy_device_execute_fn execute = dosed->execute;
    void *own_arg = dosed->arg;
    uint64_t began;
    int status = 0;

    undress(dosed);
    count(&l->operations, 1);
    began = sy__spin(&l->rate, l->ticks[SY_DOSE_DEVICE]);
    if (execute != NULL)
        status = execute(own_arg);
    count(&l->device_ticks, sy__spin_now(&l->rate) - began);
    return status;
}

static void free_spares(struct dosed_device *d)
{
    while (d->spare != NULL) {
        struct dosed_operation *next = d->spare->next;

        free(d->spare);
        d->spare = next;
    }
    pthread_mutex_destroy(&d->lock);
}

static int dosed_device_open(struct level *l, void *state,
                             const struct sy_device_config *cfg, uint32_t *caps,
                             char *why, size_t why_bytes)
{
    struct dosed_device *d = state;
    int err;

    d->level = l;
    d->spare = NULL;
    pthread_mutex_init(&d->lock, NULL);
    err = l->device->open(device_state(state), cfg, caps, why, why_bytes);
    if (err != 0)
        free_spares(d);
    return err;
}

static void dosed_device_close(void *state)
{
    struct dosed_device *d = state;

    d->level->device->close(device_state(state));
    free_spares(d);
}

static int dosed_submit(void *state, struct sy_device_op *op)
{
    struct dosed_device *d = state;
    struct dosed_operation *dosed = take_spare(d);
    int err;

    if (dosed == NULL) /* as if it were full: it comes again */
        return -EAGAIN;
    *dosed = (struct dosed_operation){
        .device = d, .op = op, .execute = op->execute, .arg = op->arg};
    op->execute = dosed_execute;
    op->arg = dosed;
    err = d->level->device->submit(device_state(state), op);
    if (err != 0)
        undress(dosed);
    return err;
}

static int dosed_poll(void *state, uint64_t *next_ns)
{
    const struct dosed_device *d = state;

    return d->level->device->poll(device_state(state), next_ns);
}

/* ---- levels -------------------------------------------------------------- */

#define FOR_EACH_LEVEL(X)                                                      \
    X(0)                                                                       \
    X(1)                                                                       \
    X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

#define HOOKS(n)                                                               \
    SY_NO_TSAN static int start_##n(void *from, void *to, void *stack_top,     \
                                    sy_switcher_fn fn, void *arg)              \
    {                                                                          \
        return dosed_start(&levels[n], from, to, stack_top, fn, arg);          \
    }                                                                          \
    SY_NO_TSAN static int swap_##n(void *from, void *to, int value)            \
    {                                                                          \
        return dosed_swap(&levels[n], from, to, value);                        \
    }                                                                          \
    static int open_##n(void *state, const struct sy_engine_config *cfg)       \
    {                                                                          \
        return dosed_open(&levels[n], state, cfg);                             \
    }                                                                          \
    static int device_open_##n(void *state,                                    \
                               const struct sy_device_config *cfg,             \
                               uint32_t *caps, char *why, size_t why_bytes)    \
    {                                                                          \
        return dosed_device_open(&levels[n], state, cfg, caps, why,            \
                                 why_bytes);                                   \
    }

FOR_EACH_LEVEL(HOOKS)

static const struct {
    int (*start)(void *from, void *to, void *stack_top, sy_switcher_fn fn,
                 void *arg);
    int (*swap)(void *from, void *to, int value);
    int (*open)(void *state, const struct sy_engine_config *cfg);
    int (*device_open)(void *state, const struct sy_device_config *cfg,
                       uint32_t *caps, char *why, size_t why_bytes);
} hooks[SY_DOSE_LEVELS_MAX] = {
#define ROW(n) {start_##n, swap_##n, open_##n, device_open_##n},
    FOR_EACH_LEVEL(ROW)
#undef ROW
};

static const char *name_it(char *name, size_t bytes, const char *original)
{
    snprintf(name, bytes, "%.40s-dosed", original);
    return name;
}

static void dose_switcher(struct level *l, unsigned n)
{
    l->dosed_switcher = *l->switcher;
    l->dosed_switcher.name =
        name_it(l->switcher_name, sizeof(l->switcher_name), l->switcher->name);
    l->dosed_switcher.bind_form = 0; /* nobody has the hooks compiled in */
    l->dosed_switcher.start = hooks[n].start;
    if (l->switcher->swap != NULL)
        l->dosed_switcher.swap = hooks[n].swap;
}

static void dose_engine(struct level *l, unsigned n)
{
    struct sy_engine_ops *ops = &l->dosed_engine;

    *ops = *l->engine;
    ops->name =
        name_it(l->engine_name, sizeof(l->engine_name), l->engine->name);
    ops->caps &= ~(uint32_t)SY_EN_BY_MEMORY;
    ops->state_bytes += sizeof(struct dosed_state);
    ops->open = hooks[n].open;
    ops->close = dosed_close;
    ops->attach = ops->attach != NULL ? dosed_attach : NULL;
    ops->detach = ops->detach != NULL ? dosed_detach : NULL;
    ops->wake = dosed_wake;
    ops->wait = dosed_wait;
    ops->fd = ops->fd != NULL ? dosed_fd : NULL;
    ops->peek = ops->peek != NULL ? dosed_peek : NULL;
}

static void dose_device(struct level *l, unsigned n)
{
    struct sy_device_ops *ops = &l->dosed_device;

    *ops = *l->device;
    ops->name =
        name_it(l->device_name, sizeof(l->device_name), l->device->name);
    ops->state_bytes += sizeof(struct dosed_device);
    ops->open = hooks[n].device_open;
    ops->close = dosed_device_close;
    ops->submit = dosed_submit;
    ops->poll = ops->poll != NULL ? dosed_poll : NULL;
}

/* The device that a description names, or NULL. */
static const struct sy_device_ops *find_device(const struct sy_experiment *exp)
{
    const struct sy_device_ops *const *table = sy_device_table();
    size_t bytes = strcspn(exp->device_spec, ":");

    if (exp->device_ops != NULL)
        return exp->device_ops;
    for (size_t i = 0; table[i] != NULL; i++)
        if (strncmp(table[i]->name, exp->device_spec, bytes) == 0 &&
            table[i]->name[bytes] == '\0')
            return table[i];
    return NULL;
}

/* Between two readings there is one of them. */
static uint64_t ticks_of_reading(const struct sy__spin_rate *rate)
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < READINGS; i++) {
        uint64_t before = sy__spin_now(rate), after = sy__spin_now(rate);

        if (after - before < least)
            least = after - before;
    }
    return least;
}

static int refuse(char *why, size_t why_bytes, const char *words)
{
    snprintf(why, why_bytes, "%s", words);
    return -EINVAL;
}

int sy_dose_level(unsigned number, const struct sy_dose *dose,
                  struct sy_experiment *exp, char *why, size_t why_bytes)
{
    static struct sy__spin_rate rate; /* one for all, so that doses compare */
    const struct sy_device_ops *device;
    struct level *l;
    int i;

    if (number >= SY_DOSE_LEVELS_MAX || levels[number].switcher != NULL)
        return refuse(why, why_bytes, "no such level, or it is taken");
    if (exp->row != SY_ROW_COMBINATION)
        return refuse(why, why_bytes,
                      "only combinations of switcher and engine take doses");
    for (i = 0; i < SY_DOSE_FACTORS; i++)
        if (dose->ns[i] > SY_DOSE_NS_MAX)
            return refuse(why, why_bytes, "a dose of more than 10 ms");
    device = find_device(exp);
    if (device == NULL)
        return refuse(why, why_bytes, "the device is not known");
    if (rate.ticks_per_ns <= 0)
        sy__spin_calibrate(&rate);
    l = &levels[number];
    l->rate = rate;
    l->reading_ticks = ticks_of_reading(&rate);
    l->dose = *dose;
    l->switcher = exp->switcher;
    l->engine = exp->engine;
    l->device = device;
    for (i = 0; i < SY_DOSE_FACTORS; i++)
        l->ticks[i] = sy__spin_ticks(&rate, dose->ns[i]);
    dose_switcher(l, number);
    dose_engine(l, number);
    dose_device(l, number);
    exp->switcher = &l->dosed_switcher;
    exp->engine = &l->dosed_engine;
    exp->device_ops = &l->dosed_device;
    return 0;
}

void sy_dose_get(unsigned number, struct sy_dose *dose)
{
    *dose = levels[number].dose;
}

static uint64_t in_ns(const struct level *l, uint64_t ticks)
{
    return (uint64_t)sy__spin_ns(&l->rate, ticks);
}

static uint64_t get(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void sy_dose_read(unsigned number, struct sy_dose_counts *counts)
{
    struct level *l = &levels[number];
    uint64_t wakes = get(&l->wakes), operations = get(&l->operations);

    *counts = (struct sy_dose_counts){
        .jobs = l->jobs,
        .applied = {[SY_DOSE_SWITCH] = l->switches,
                    [SY_DOSE_WAKE] = wakes,
                    [SY_DOSE_DEVICE] = operations},
        .collected = l->collected,
        .switch_ns = in_ns(l, l->switch_ticks),
        .wake_ns = in_ns(l, get(&l->wake_ticks)),
        .collect_ns = in_ns(l, l->collect_ticks),
        .device_ns = in_ns(l, get(&l->device_ticks)),
    };
}

/* The difference, less the readings of so many events. */
static uint64_t cost(const struct level *l, uint64_t now_ns, uint64_t before_ns,
                     uint64_t events)
{
    uint64_t readings = in_ns(l, events * l->reading_ticks);
    uint64_t all = now_ns - before_ns;

    return all > readings ? all - readings : 0;
}

void sy_dose_since(unsigned number, const struct sy_dose_counts *before,
                   struct sy_dose_counts *counts)
{
    const struct level *l = &levels[number];
    struct sy_dose_counts now;

    sy_dose_read(number, &now);
    counts->jobs = now.jobs - before->jobs;
    for (int i = 0; i < SY_DOSE_FACTORS; i++)
        counts->applied[i] = now.applied[i] - before->applied[i];
    counts->collected = now.collected - before->collected;
    counts->switch_ns = cost(l, now.switch_ns, before->switch_ns,
                             counts->applied[SY_DOSE_SWITCH]);
    counts->wake_ns =
        cost(l, now.wake_ns, before->wake_ns, counts->applied[SY_DOSE_WAKE]);
    counts->collect_ns = cost(l, now.collect_ns, before->collect_ns, 0);
    counts->device_ns = cost(l, now.device_ns, before->device_ns,
                             counts->applied[SY_DOSE_DEVICE]);
}

void sy_dose_measure(unsigned number, uint64_t ps[SY_DOSE_FACTORS])
{
    const struct level *l = &levels[number];

    for (int i = 0; i < SY_DOSE_FACTORS; i++)
        ps[i] =
            l->ticks[i] != 0 ? sy__spin_measure_ps(&l->rate, l->ticks[i]) : 0;
}
