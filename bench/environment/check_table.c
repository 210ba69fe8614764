/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

const struct sy_check sy_checks[] = {
#define SY_CHECK(id, words)                                                    \
    {.name = #id, .title = words, .judge = sy__check_##id},
#include "check_list.h"
#undef SY_CHECK
    {.name = NULL},
};

const char *sy_check_state_name(enum sy_check_state state)
{
    switch (state) {
    case SY_CHECK_GREEN:
        return "green";
    case SY_CHECK_AMBER:
        return "amber";
    case SY_CHECK_RED:
        return "red";
    case SY_CHECK_UNKNOWN:
        break;
    }
    return "unknown";
}

void sy_check_judge(const struct sy_check *check,
                    const struct sy_checkup *checkup,
                    struct sy_finding *finding)
{
    memset(finding, 0, sizeof(*finding));
    finding->state = SY_CHECK_UNKNOWN;
    sy__advise(finding, "", "");
    check->judge(checkup, finding);
}

void sy__find(struct sy_finding *finding, enum sy_check_state state,
              const char *format, ...)
{
    va_list args;

    finding->state = state;
    va_start(args, format);
    vsnprintf(finding->found, sizeof(finding->found), format, args);
    va_end(args);
}

void sy__advise(struct sy_finding *finding, const char *effect,
                const char *remedy)
{
    finding->effect = effect;
    finding->remedy = remedy;
}

void sy__not_known(struct sy_finding *finding, const char *what, int err)
{
    sy__find(finding, SY_CHECK_UNKNOWN, "%s: %s", what,
             strerror(err < 0 ? -err : err));
}
