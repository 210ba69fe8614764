/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Criterion test per conformance case, for the generated file. Criterion's
 * own Test() makes its names out of identifiers, and "pipe+select" is none; so
 * this fills in the same structures with names of our own: the suite is
 * "conformance.<switcher>.<engine>", the test is the body.
 */
#ifndef SWITCHYARD_TESTS_CONFORMANCE_CASE_H
#define SWITCHYARD_TESTS_CONFORMANCE_CASE_H

#include <criterion/criterion.h>

/* Find the case by its names, and run it in a child of this process. */
void conformance_criterion_run(const char *switcher, const char *engine,
                               const char *body);

#define CONFORMANCE_CASE(id, switcher, engine, body)                           \
    static void CR_IDENTIFIER_(conformance, id, impl)(void)                    \
    {                                                                          \
        conformance_criterion_run(switcher, engine, body);                     \
    }                                                                          \
    CR_TEST_TRAMPOLINE_(conformance, id)                                       \
    static struct criterion_test_extra_data CR_IDENTIFIER_(conformance, id,    \
                                                           extra) = {          \
        .compiler_ = CR_COMPILER_,                                             \
        .lang_ = CR_LANG,                                                      \
        .kind_ = CR_TEST_NORMAL,                                               \
        .identifier_ = "conformance." switcher "." engine "/" body,            \
        .file_ = __FILE__,                                                     \
        .line_ = __LINE__};                                                    \
    static struct criterion_test CR_IDENTIFIER_(conformance, id, meta) = {     \
        body, "conformance." switcher "." engine,                              \
        CR_IDENTIFIER_(conformance, id, jmp),                                  \
        &CR_IDENTIFIER_(conformance, id, extra)};                              \
    CR_ATTRIBUTE(used)                                                         \
    CR_SECTION_("cr_tst")                                                      \
    struct criterion_test *CR_IDENTIFIER_(conformance, id, ptr) =              \
        &CR_IDENTIFIER_(conformance, id, meta) CR_SECTION_SUFFIX_;

#endif
