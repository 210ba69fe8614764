/* SPDX-License-Identifier: Apache-2.0 */
#include "part_facts.h"

#include <string.h>

struct word {
    uint32_t bit;
    const char *text;
};

static const struct word switcher_words[] = {
    {SY_SW_CAN_PAUSE, "can-pause"},     {SY_SW_SAME_THREAD, "same-thread"},
    {SY_SW_OWN_STACK, "own-stack"},     {SY_SW_KEEPS_SIGMASK, "keeps-sigmask"},
    {SY_SW_KEEPS_FPCTL, "keeps-fpctl"}, {0, NULL}};

static const struct word engine_words[] = {{SY_EN_SIGNAL_SAFE, "signal-safe"},
                                           {SY_EN_POLLABLE, "pollable"},
                                           {SY_EN_FD_PER_JOB, "fd-per-job"},
                                           {SY_EN_BUSY_WAIT, "busy-wait"},
                                           {SY_EN_BASELINE, "baseline"},
                                           {SY_EN_BY_MEMORY, "by-memory"},
                                           {0, NULL}};

static json_t *words_of(const struct word *words, uint32_t bits)
{
    json_t *array = json_array();

    for (; words->text != NULL; words++)
        if ((bits & words->bit) != 0)
            json_array_append_new(array, json_string(words->text));
    return array;
}

json_t *switcher_caps(const struct part_switcher *part)
{
    return words_of(switcher_words, part->ops->caps);
}

json_t *engine_caps(const struct part_engine *part)
{
    return words_of(engine_words, part->ops->caps);
}

/*
 * Those that move the stack pointer by themselves refuse to work where the CPU
 * keeps a second stack of return addresses: the probes that ask
 * switchers/shadow_stack.h. tests/cli/recommend_command.py holds the two
 * together. A probe tells only of here and now.
 */
static const char *const refuse_shadow_stacks[] = {"asm", "inline", "setjmp",
                                                   NULL};

static int refuses_shadow_stack(const struct part_switcher *part)
{
    for (const char *const *name = refuse_shadow_stacks; *name != NULL; name++)
        if (strcmp(part->part.name, *name) == 0)
            return 1;
    return 0;
}

json_t *switcher_needs(const struct part_switcher *part)
{
    json_t *absent = json_array();

    if (part->part.file != NULL) {
        json_decref(absent);
        return json_null();
    }
    if (refuses_shadow_stack(part))
        json_array_append_new(absent, json_string("shadow stack"));
    return json_pack("{s:n, s:[], s:o}", "kernel", "calls", "absent", absent);
}

/* As the name says, of the engine or of its variant. */
static int uses_uring(const struct part_engine *part)
{
    return strstr(part->part.name, "io_uring") != NULL;
}

json_t *engine_needs(const struct part_engine *part)
{
    if (part->part.file != NULL)
        return json_null();
    if (!uses_uring(part))
        return json_pack("{s:n, s:[], s:[]}", "kernel", "calls", "absent");
    /* engines/uring_library.c: entering takes a time-out since 5.11. */
    return json_pack("{s:s, s:[s], s:[]}", "kernel", "5.11", "calls",
                     "io_uring", "absent");
}
