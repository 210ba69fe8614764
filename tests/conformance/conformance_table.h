/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance bodies as data: what the drivers here and "switchyard conform"
 * choose from and run.
 */
#ifndef SWITCHYARD_TESTS_CONFORMANCE_TABLE_H
#define SWITCHYARD_TESTS_CONFORMANCE_TABLE_H

#include <stddef.h>
#include <switchyard/engine.h>
#include <switchyard/switcher.h>

struct sy_conformance;

/* What a body must be repeated for. */
enum sy_conformance_varies {
    SY_VARIES_NEITHER = 0,
    SY_VARIES_SWITCHER = 1,
    SY_VARIES_ENGINE = 2,
    SY_VARIES_BOTH = 3,
};

struct sy_conformance_body {
    const char *name; /* of the behaviour */
    enum sy_conformance_varies varies;
    void (*run)(struct sy_conformance *t);
};

/* What sy_conformance_run() returns. */
#define SY_CONFORMANCE_PASS 0
#define SY_CONFORMANCE_FAIL 1
#define SY_CONFORMANCE_SKIP 77

/* Return the bodies. @n set to how many there are. */
const struct sy_conformance_body *sy_conformance_table(size_t *n);

/* Return "switcher", "engine", "both" or "neither". */
const char *sy_conformance_varies_word(enum sy_conformance_varies varies);

/*
 * Run one body in a child process, so that a crash or an endless loop is a
 * failure like any other. The caller must have no other threads.
 *
 * @variant  one of en->variants; NULL: the first, or the only way
 * @why      on failure and skip: the reason, in words; "" otherwise
 *
 * Returns one of the values above. SY_CONFORMANCE_TIMEOUT_S in the
 * environment changes the time limit of a body, in seconds; 120 without.
 */
int sy_conformance_run(const struct sy_conformance_body *body,
                       const struct sy_switcher_ops *sw,
                       const struct sy_engine_ops *en, const char *variant,
                       char *why, size_t why_bytes);

/*
 * As sy_conformance_run(), in this process, for debuggers. A failure prints
 * its reason and ends the process with status 1.
 */
int sy_conformance_run_here(const struct sy_conformance_body *body,
                            const struct sy_switcher_ops *sw,
                            const struct sy_engine_ops *en, const char *variant,
                            char *why, size_t why_bytes);

/* One body on one switcher and one engine. */
struct sy_conformance_case {
    const struct sy_conformance_body *body;
    const struct sy_switcher_ops *sw;
    const struct sy_engine_ops *en;
    const char *variant;  /* NULL if the engine has none */
    const char *switcher; /* sw->name */
    char engine_name[64]; /* "pipe+select" */
};

/* Takes one case. Returns 0 to go on; anything else ends the walk. */
typedef int (*sy_conformance_case_fn)(void *user,
                                      const struct sy_conformance_case *c);

/*
 * Walk over every case that the bodies declare for the switchers and engines
 * of this library. A body that does not vary over switchers gets the first one
 * that can pause here; one that does not vary over engines gets "queue", or
 * the best engine that there is.
 *
 * Returns 0 or what fn returned.
 */
int sy_conformance_each(sy_conformance_case_fn fn, void *user);

/* Return how many cases the walk has, counted from the declarations alone. */
size_t sy_conformance_declared(void);

#endif
