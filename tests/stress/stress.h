/* SPDX-License-Identifier: Apache-2.0 */
/* What the stress programs share. */
#ifndef SWITCHYARD_TESTS_STRESS_H
#define SWITCHYARD_TESTS_STRESS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <switchyard/engine.h>
#include <switchyard/switchyard.h>
#include <unistd.h>

#define STRESS_CHECK(cond)                                                     \
    do {                                                                       \
        if (!(cond)) {                                                         \
            fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__,        \
                    #cond);                                                    \
            _exit(1);                                                          \
        }                                                                      \
    } while (0)

/* splitmix64: the next of a sequence that its start determines. */
static inline uint64_t stress_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Read a positive number from the command line, or end with status 2. */
static inline unsigned long stress_number(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value == 0) {
        fprintf(stderr, "\"%s\" is no positive number\n", text);
        exit(2);
    }
    return value;
}

#endif
