/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runtimes under event loops that know nothing of them but one descriptor.
 *
 * Each program here is foreign.c and a file with loops in it. A loop watches
 * f->fd until foreign_turn() says that all is over; nothing else tells it
 * what happens. foreign.c runs every loop for every engine and variant that
 * has a descriptor, with jobs that other threads wake.
 */
#ifndef SWITCHYARD_TESTS_FOREIGN_H
#define SWITCHYARD_TESTS_FOREIGN_H

#include <stdio.h>
#include <stdlib.h>
#include <switchyard/engine.h>
#include <switchyard/switchyard.h>

/* NDEBUG or not; on any thread. */
#define FOREIGN_CHECK(cond)                                                    \
    do {                                                                       \
        if (!(cond)) {                                                         \
            fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__,        \
                    #cond);                                                    \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

struct foreign {
    int fd; /* as from sy_runtime_fd() */
    struct sy_runtime *rt;
    const char *engine;  /* with its variant */
    int jobs_left;       /* that have not finished */
    unsigned long turns; /* calls of foreign_turn() */
};

struct foreign_loop {
    const char *name;
    void (*run)(struct foreign *f); /* returns when foreign_turn() says 0 */
};

/* The loops of this program, ending with a name of NULL. */
extern const struct foreign_loop foreign_loops[];

/* What a loop calls once before it first waits, and then whenever the
   descriptor is readable. Returns whether there is more to wait for. */
int foreign_turn(struct foreign *f);

/* Call fn(name) for every engine and variant that works here and has a
   descriptor; print the others. Programs without loops use it too. */
void foreign_each_engine(void (*fn)(const char *engine));

/* Open a runtime with that engine, and get its descriptor. */
void foreign_open(struct foreign *f, const char *engine);
void foreign_close(struct foreign *f);

#endif
