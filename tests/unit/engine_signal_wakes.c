/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines that say SY_EN_SIGNAL_SAFE are woken from signal handlers that
 * interrupt a thread while it wakes, allocates memory, or waits in the engine.
 * Each wake-up arrives, once.
 */
#include "unit.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <switchyard/clock.h>
#include <switchyard/engine.h>
#include <time.h>
#include <unistd.h>

#define SLOTS   8 /* per flow of control that wakes */
#define SIGNALS 400

static const struct sy_engine_ops *ops;
static void *state;
static struct sy_engine_slot slots[3 * SLOTS];
static atomic_uint on_the_way[3 * SLOTS]; /* 0 or 1 */
static atomic_uint woken[3 * SLOTS], collected[3 * SLOTS];
static atomic_bool over;
static pthread_t runtime_thread, waker_thread;

/* Wake one slot of the flow's own, if one is free. */
static void wake_one(unsigned flow)
{
    for (unsigned i = flow * SLOTS; i < (flow + 1) * SLOTS; i++) {
        /* pairs with the release in collect_some() */
        if (atomic_load_explicit(&on_the_way[i], memory_order_acquire) != 0)
            continue;
        atomic_store_explicit(&on_the_way[i], 1, memory_order_release);
        atomic_fetch_add_explicit(&woken[i], 1, memory_order_relaxed);
        ops->wake(state, &slots[i]);
        return;
    }
}

static void wake_in_handler(int number)
{
    (void)number;
    wake_one(pthread_equal(pthread_self(), runtime_thread) ? 1 : 2);
}

static void *wake_and_allocate(void *arg)
{
    /* The first wake of this thread may well come from a handler. */
    for (unsigned i = 0; !atomic_load(&over); i++) {
        void *p = malloc(64 + i % 1000);

        CHECK(p != NULL);
        free(p);
        if (i > 1000)
            wake_one(0);
    }
    return arg;
}

static void *interrupt(void *arg)
{
    const struct timespec nap = {.tv_nsec = 100 * 1000};

    for (unsigned i = 0; i < SIGNALS; i++) {
        CHECK_EQ(pthread_kill(i % 2 ? runtime_thread : waker_thread, SIGUSR1),
                 0);
        (void)nanosleep(&nap, NULL);
    }
    atomic_store(&over, true);
    return arg;
}

static int collect_some(uint64_t timeout_ns)
{
    struct sy_engine_slot *ready[5];
    int n = ops->wait(state, ready, 5, timeout_ns);

    CHECK(n >= 0);
    for (int i = 0; i < n; i++) {
        unsigned slot = ready[i]->index;

        CHECK_EQ(atomic_load(&on_the_way[slot]), 1);
        atomic_fetch_add(&collected[slot], 1);
        /* pairs with the acquire in wake_one() */
        atomic_store_explicit(&on_the_way[slot], 0, memory_order_release);
    }
    return n;
}

static void check(const char *variant, uint32_t flags)
{
    struct sy_engine_counts counts = {0, 0};
    struct sy_engine_config config = {
        .variant = variant, .counts = &counts, .flags = flags};
    struct sigaction action = {.sa_handler = wake_in_handler};
    pthread_t interrupter;
    unsigned by_handlers = 0;

    memset(slots, 0, sizeof(slots));
    state = aligned_alloc(64, (ops->state_bytes + 63) / 64 * 64);
    CHECK(state != NULL);
    memset(state, 0, ops->state_bytes);
    CHECK_EQ(ops->open(state, &config), 0);
    for (unsigned i = 0; i < 3 * SLOTS; i++) {
        slots[i].index = i;
        atomic_store(&woken[i], 0);
        atomic_store(&collected[i], 0);
        if (ops->attach != NULL)
            CHECK_EQ(ops->attach(state, &slots[i]), 0);
    }
    runtime_thread = pthread_self();
    atomic_store(&over, false);
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_EQ(pthread_create(&waker_thread, NULL, wake_and_allocate, NULL), 0);
    CHECK_EQ(pthread_create(&interrupter, NULL, interrupt, NULL), 0);
    while (!atomic_load(&over))
        (void)collect_some(SY_NS_PER_MS);
    CHECK_EQ(pthread_join(interrupter, NULL), 0);
    CHECK_EQ(pthread_join(waker_thread, NULL), 0);
    while (collect_some(20 * SY_NS_PER_MS) > 0)
        continue;
    for (unsigned i = 0; i < 3 * SLOTS; i++) {
        CHECK_EQ(atomic_load(&collected[i]), atomic_load(&woken[i]));
        by_handlers += i >= SLOTS ? atomic_load(&woken[i]) : 0;
        if (ops->detach != NULL)
            ops->detach(state, &slots[i]);
    }
    CHECK(by_handlers > 0);
    ops->close(state);
    free(state);
}

int main(void)
{
    static const char *const one[] = {NULL};

    alarm(100);
    for (unsigned i = 0; sy_engine_table()[i] != NULL; i++) {
        const char *const *variant;

        ops = sy_engine_table()[i];
        if ((ops->caps & SY_EN_SIGNAL_SAFE) == 0)
            continue;
        variant = ops->variants != NULL ? ops->variants : one;
        do {
            char why[256] = "";

            if (ops->probe(*variant, why, sizeof(why)) != 0) {
                printf("%s: skipped: %s\n", ops->name, why);
                continue;
            }
            check(*variant, SY_EN_SAME_THREAD);
            check(*variant, 0);
            printf("%s%s%s: ok\n", ops->name, *variant != NULL ? "+" : "",
                   *variant != NULL ? *variant : "");
        } while (*variant != NULL && *++variant != NULL);
    }
    return 0;
}
