/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance bodies: each promise of the public headers, written once and run
 * for every switcher and engine. A body is
 *
 *     CONFORMANCE(name_of_the_behaviour)
 *     {
 *         NEEDS(t, SY_SW_CAN_PAUSE);
 *         CHECK_EQ(sy_job_pause(), SY_NOT_PAUSED);
 *     }
 *
 * and a line in conformance_list.h, which says what it varies over. It runs in
 * a process of its own, where t->rt is open. The first check that fails ends
 * that process; checks work on any thread, in jobs and in children of a fork.
 *
 * Upper bounds on times are never checked: the machine may be busy.
 */
#ifndef SWITCHYARD_TESTS_CONFORMANCE_H
#define SWITCHYARD_TESTS_CONFORMANCE_H

#include "conformance_table.h"
#include <errno.h>
#include <stdint.h>
#include <switchyard/switchyard.h>
#include <sys/types.h>

/* 1 where ThreadSanitizer watches; the build says so. */
#ifndef SY_TESTS_UNDER_TSAN
#define SY_TESTS_UNDER_TSAN 0
#endif

struct sy_conformance {
    struct sy_runtime *rt; /* open; closed afterwards unless set to NULL */
    const struct sy_switcher_ops *sw;
    const struct sy_engine_ops *en;
    const char *variant;
    char engine_name[64]; /* with the variant */
    int skipped;
};

/* A body that is not in the list has no declaration, and does not compile. */
#define SY_BODY(name, varies)                                                  \
    void sy_conformance_body_##name(struct sy_conformance *t);
#include "conformance_list.h"
#undef SY_BODY

#define CONFORMANCE(name)                                                      \
    void sy_conformance_body_##name(struct sy_conformance *t)

#define CHECK(cond)                                                            \
    do {                                                                       \
        if (!(cond))                                                           \
            sy_conformance_fail(__FILE__, __LINE__, "%s is false", #cond);     \
    } while (0)

#define CHECK_EQ(a, b)                                                         \
    sy_conformance_equal(__FILE__, __LINE__, #a, #b, (long long)(a),           \
                         (long long)(b))

/* At least: a >= b. */
#define CHECK_GE(a, b)                                                         \
    sy_conformance_at_least(__FILE__, __LINE__, #a, #b, (long long)(a),        \
                            (long long)(b))

/* End the body here; what follows is the reason, as for printf. */
#define SKIP(t, ...)                                                           \
    do {                                                                       \
        sy_conformance_skip(t, __VA_ARGS__);                                   \
        return;                                                                \
    } while (0)

/* Skip unless the switcher (the engine) has these capability bits. */
#define NEEDS(t, cap)                                                          \
    do {                                                                       \
        if (((t)->sw->caps & (uint32_t)(cap)) != (uint32_t)(cap))              \
            SKIP(t, "switcher %s lacks %s", (t)->sw->name, #cap);              \
    } while (0)
#define NEEDS_ENGINE(t, cap)                                                   \
    do {                                                                       \
        if (((t)->en->caps & (uint32_t)(cap)) != (uint32_t)(cap))              \
            SKIP(t, "engine %s lacks %s", (t)->en->name, #cap);                \
    } while (0)

SY_NORETURN void sy_conformance_fail(const char *file, int line,
                                     const char *format, ...) SY_PRINTF(3, 4);
void sy_conformance_equal(const char *file, int line, const char *a_words,
                          const char *b_words, long long a, long long b);
void sy_conformance_at_least(const char *file, int line, const char *a_words,
                             const char *b_words, long long a, long long b);
void sy_conformance_skip(struct sy_conformance *t, const char *format, ...)
    SY_PRINTF(2, 3);

/* Return a config for t's switcher and engine, to be changed and opened. */
struct sy_runtime_config sy_conformance_config(const struct sy_conformance *t);

/* Open one more runtime with such a config, or fail. */
struct sy_runtime *sy_conformance_open(const struct sy_runtime_config *config);

/* Close t->rt, and open another with this config in its place. */
void sy_conformance_reopen(struct sy_conformance *t,
                           const struct sy_runtime_config *config);

/* Start fn(arg) in t->rt, arg not copied, or fail unless it pauses. */
struct sy_job *sy_conformance_paused(struct sy_runtime *rt, sy_job_fn fn,
                                     void *arg);

/* Run fn(t, arg) in a child of fork(), and fail unless it returns. */
void sy_conformance_fork(struct sy_conformance *t,
                         void (*fn)(struct sy_conformance *t, void *arg),
                         void *arg);

/* Run fn(arg) on another thread, and wait for its end. */
void sy_conformance_on_thread(void *(*fn)(void *arg), void *arg);

/* Return the counters of a runtime. */
struct sy_runtime_stats sy_conformance_stats(struct sy_runtime *rt);

/* A job function that pauses once: *(int *)arg counts its entries and exits. */
int sy_conformance_pause_once(void *arg);

/* A job function that returns at once what *(int *)arg holds; 0 for NULL. */
int sy_conformance_return(void *arg);

#endif
