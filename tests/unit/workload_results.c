/* SPDX-License-Identifier: Apache-2.0 */
/* Every workload's results verify, one flipped bit does not, and operations in
   two slots do not disturb each other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/workload.h>

#define OPERATIONS 50

struct slots {
    const struct sy_workload_ops *ops;
    void *shared;
    void *slot[2];
    int bad;
};

static void expect(struct slots *t, const char *what, uint64_t n, int got,
                   int expected)
{
    if (got == expected)
        return;
    printf("%s: %s, operation %llu: %d, expected %d\n", t->ops->name, what,
           (unsigned long long)n, got, expected);
    t->bad = 1;
}

static void compute(struct slots *t, int slot, uint64_t n)
{
    expect(t, "begin", n, t->ops->begin(t->shared, t->slot[slot], n), 0);
    for (uint32_t i = 0; i < t->ops->steps; i++)
        expect(t, "step", n, t->ops->step(t->shared, t->slot[slot], i), 0);
}

static int verify(struct slots *t, int slot)
{
    return t->ops->verify(t->shared, t->slot[slot]);
}

static void one_after_the_other(struct slots *t)
{
    for (uint64_t n = 0; n < OPERATIONS; n++) {
        compute(t, 0, n * n);
        expect(t, "verify", n * n, verify(t, 0), 1);
    }
    t->ops->spoil(t->slot[0]);
    expect(t, "verify of a spoilt result", 0, verify(t, 0), 0);
    t->ops->spoil(t->slot[0]);
    expect(t, "verify after spoiling twice", 0, verify(t, 0), 1);
}

static void interleaved(struct slots *t)
{
    uint64_t n[2] = {UINT64_MAX, 1ull << 32};

    for (int s = 0; s < 2; s++)
        expect(t, "begin", n[s], t->ops->begin(t->shared, t->slot[s], n[s]), 0);
    for (uint32_t i = 0; i < t->ops->steps; i++)
        for (int s = 0; s < 2; s++)
            expect(t, "step", n[s], t->ops->step(t->shared, t->slot[s], i), 0);
    t->ops->spoil(t->slot[0]);
    expect(t, "verify of the spoilt one", n[0], verify(t, 0), 0);
    expect(t, "verify of the other one", n[1], verify(t, 1), 1);
}

/* An operation that stopped half-way must not spoil the next, and one that was
   only begun is not complete. */
static void begun_again(struct slots *t)
{
    expect(t, "begin", 7, t->ops->begin(t->shared, t->slot[0], 7), 0);
    expect(t, "verify of what was only begun", 7, verify(t, 0), 0);
    expect(t, "step 0", 7, t->ops->step(t->shared, t->slot[0], 0), 0);
    compute(t, 0, 8);
    expect(t, "verify", 8, verify(t, 0), 1);
}

static int check(const char *name)
{
    struct sy_workload_config cfg = {.seed = 42};
    struct slots t = {0};
    char why[256];

    t.ops = sy_workload_find(name, &cfg.param_bytes, why, sizeof(why));
    if (t.ops == NULL) {
        printf("%s: not found: %s\n", name, why);
        return 1;
    }
    if (t.ops->abi != SY_WORKLOAD_ABI || t.ops->steps < 1 ||
        t.ops->steps > SY_WORKLOAD_STEPS_MAX ||
        t.ops->offloaded >> t.ops->steps != 0 || t.ops->offloaded == 0) {
        printf("%s: abi %u, steps %u, offloaded %x\n", name,
               (unsigned)t.ops->abi, (unsigned)t.ops->steps,
               (unsigned)t.ops->offloaded);
        return 1;
    }
    if (t.ops->probe(why, sizeof(why)) != 0) {
        printf("%s: skipped: %s\n", name, why);
        return 0;
    }
    t.shared = calloc(1, t.ops->shared_bytes);
    for (int s = 0; s < 2; s++)
        t.slot[s] = calloc(1, t.ops->slot_bytes);
    if (t.shared == NULL || t.slot[0] == NULL || t.slot[1] == NULL)
        return 1;
    expect(&t, "open", 0, t.ops->open(t.shared, &cfg), 0);
    for (int s = 0; s < 2 && t.ops->prepare != NULL; s++)
        expect(&t, "prepare", 0, t.ops->prepare(t.shared, t.slot[s]), 0);
    if (!t.bad) {
        one_after_the_other(&t);
        interleaved(&t);
        begun_again(&t);
    }
    for (int s = 0; s < 2; s++) {
        if (t.ops->release != NULL)
            t.ops->release(t.shared, t.slot[s]);
        free(t.slot[s]);
    }
    t.ops->close(t.shared);
    free(t.shared);
    return t.bad;
}

/* expected: a part of why; NULL: it must be found with param bytes. */
static int look_up(const char *name, const char *expected, size_t param)
{
    char why[512];
    size_t got = 99;
    const struct sy_workload_ops *ops =
        sy_workload_find(name, &got, why, sizeof(why));

    if (expected == NULL
            ? ops != NULL && got == param && why[0] == '\0'
            : ops == NULL && got == 0 && strstr(why, expected) != NULL)
        return 0;
    printf("look-up of \"%s\": %s, %zu, \"%s\"; expected \"%s\", %zu\n", name,
           ops == NULL ? "not found" : ops->name, got, why,
           expected == NULL ? "" : expected, param);
    return 1;
}

int main(void)
{
    static const char *const more[] = {"spin@100",
                                       "sha256@8",
                                       "sha256@1M",
                                       "sha256@1009",
                                       "aes-128-gcm@8",
                                       "aes-128-gcm@1M",
                                       "aes-128-gcm@1000",
                                       "chacha20-poly1305@8",
                                       "chacha20-poly1305@1M"};
    const struct sy_workload_ops *const *table = sy_workload_table();
    int bad = 0;

    for (; *table != NULL; table++)
        bad += check((*table)->name);
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        bad += check(more[i]);

    bad += look_up("sha256", NULL, 16384);
    bad += look_up("sha256@2K", NULL, 2048);
    bad += look_up("null", NULL, 0);
    bad += look_up("", "there are: null, spin", 0);
    bad += look_up("sha25", "no workload \"sha25\"", 0);
    bad += look_up("sha256@", "8 .. 1048576", 0);
    bad += look_up("sha256@7", "8 .. 1048576", 0);
    bad += look_up("sha256@1025K", "8 .. 1048576", 0);
    bad += look_up("sha256@-1", "8 .. 1048576", 0);
    bad += look_up("sha256@16k", "8 .. 1048576", 0);
    bad += look_up("sha256@16K ", "8 .. 1048576", 0);
    bad += look_up("sha256@99999999999999999999999", "8 .. 1048576", 0);
    bad += look_up("sha256@18446744073709551615M", "8 .. 1048576", 0);
    bad += look_up("null@1", "takes no @N", 0);
    bad += look_up("tls13-handshake@1K", "takes no @N", 0);
    return bad != 0;
}
