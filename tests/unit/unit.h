/* SPDX-License-Identifier: Apache-2.0 */
/* Checks for unit tests. A failure prints both values and ends the program. */
#ifndef SWITCHYARD_TESTS_UNIT_H
#define SWITCHYARD_TESTS_UNIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_SKIP 77

#define CHECK(cond)                                                            \
    do {                                                                       \
        if (!(cond)) {                                                         \
            fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__,        \
                    #cond);                                                    \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

#define CHECK_EQ(a, b)                                                         \
    unit_equal(__FILE__, __LINE__, #a, #b, (long long)(a), (long long)(b))

#define CHECK_STR(a, b) unit_equal_str(__FILE__, __LINE__, #a, a, b)

static inline void unit_equal(const char *file, int line, const char *a_words,
                              const char *b_words, long long a, long long b)
{
    if (a != b) {
        fprintf(stderr, "%s:%d: %s is %lld, not %s (%lld)\n", file, line,
                a_words, a, b_words, b);
        exit(1);
    }
}

static inline void unit_equal_str(const char *file, int line,
                                  const char *a_words, const char *a,
                                  const char *b)
{
    if (a == NULL || strcmp(a, b) != 0) {
        fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", file, line,
                a_words, a != NULL ? a : "(null)", b);
        exit(1);
    }
}

#endif
