/* SPDX-License-Identifier: Apache-2.0 */
/* What sy_switcher_probe() refuses of a switcher from outside, and why. */
#include "unit.h"
#include <errno.h>
#include <switchyard/switcher.h>

static char why[256];

static int works(char *reason, size_t bytes)
{
    (void)bytes;
    reason[0] = '\0';
    return 0;
}

static int start(void *from, void *to, void *stack_top, sy_switcher_fn fn,
                 void *arg)
{
    (void)from, (void)to, (void)stack_top, (void)fn, (void)arg;
    return 0;
}

static int swap(void *from, void *to, int value)
{
    (void)from, (void)to;
    return value;
}

static int prepare(void *ctx, const struct sy_stack *stack)
{
    (void)ctx, (void)stack;
    return 0;
}

static const struct sy_switcher_ops good = {
    .abi = SY_SWITCHER_ABI,
    .caps = SY_SW_CAN_PAUSE | SY_SW_SAME_THREAD | SY_SW_OWN_STACK,
    .name = "good",
    .summary = "keeps the contract",
    .saved_sp = 16,
    .ctx_bytes = 24,
    .probe = works,
    .start = start,
    .swap = swap,
};

static void refused(const struct sy_switcher_ops *ops, const char *words)
{
    CHECK_EQ(sy_switcher_probe(ops, why, sizeof(why)), -EPROTO);
    if (strstr(why, words) == NULL) {
        fprintf(stderr, "\"%s\" is not in \"%s\"\n", words, why);
        exit(1);
    }
}

/* good, but for one member. */
#define REFUSED(words, member, value)                                          \
    do {                                                                       \
        struct sy_switcher_ops bad = good;                                     \
                                                                               \
        bad.member = (value);                                                  \
        refused(&bad, words);                                                  \
    } while (0)

int main(void)
{
    CHECK_EQ(sy_switcher_probe(&good, why, sizeof(why)), 0);
    CHECK_STR(why, "");
    REFUSED("ABI", abi, SY_SWITCHER_ABI + 1);
    REFUSED("no name", name, NULL);
    REFUSED("no summary", summary, NULL);
    REFUSED("required hook", probe, NULL);
    REFUSED("required hook", start, NULL);
    REFUSED("no swap hook", swap, NULL);
    REFUSED("only one of", prepare, prepare);
    REFUSED("ctx_bytes is 0", ctx_bytes, 0);
    REFUSED("ctx_bytes is 2049", ctx_bytes, SY_SWITCHER_CTX_MAX_BYTES + 1);
    REFUSED("saved_sp", saved_sp, 17);
    REFUSED("saved_sp", saved_sp, 24);
    REFUSED("saved_sp", ctx_bytes, SY_CACHE_LINE + 8);
    return 0;
}
