/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: exactly so many operations, several experiments in turn in one
 * process, for every row; what cannot be set up says why; a wrong result ends
 * the experiment.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/engine.h>
#include <switchyard/switcher.h>

#include "../../bench/load/batches.h"
#include "../../bench/load/peer.h"

static int failures;

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            printf("line %d: not so: %s\n", __LINE__, #what);                  \
            failures++;                                                        \
        }                                                                      \
    } while (0)

/* ---- a workload that counts what is done --------------------------------- */

static struct {
    uint64_t begun, wrong_at;
} counts = {0, UINT64_MAX};

static int count_probe(char *why, size_t why_bytes)
{
    (void)why;
    (void)why_bytes;
    return 0;
}

static int count_open(void *shared, const struct sy_workload_config *cfg)
{
    (void)shared;
    (void)cfg;
    return 0;
}

static void count_close(void *shared)
{
    (void)shared;
}

static int count_begin(const void *shared, void *slot, uint64_t n)
{
    (void)shared;
    *(uint64_t *)slot = n;
    counts.begun++;
    return 0;
}

static int count_step(const void *shared, void *slot, uint32_t i)
{
    (void)shared;
    (void)i;
    if (*(uint64_t *)slot >= counts.wrong_at)
        *(uint64_t *)slot = UINT64_MAX;
    return 0;
}

static int count_verify(const void *shared, void *slot)
{
    (void)shared;
    return *(uint64_t *)slot != UINT64_MAX;
}

static void count_spoil(void *slot)
{
    *(uint64_t *)slot = UINT64_MAX;
}

static const struct sy_workload_ops count_ops = {
    .abi = SY_WORKLOAD_ABI,
    .steps = 1,
    .offloaded = 1,
    .name = "count",
    .summary = "counts its operations",
    .slot_bytes = sizeof(uint64_t),
    .probe = count_probe,
    .open = count_open,
    .close = count_close,
    .begin = count_begin,
    .step = count_step,
    .verify = count_verify,
    .spoil = count_spoil,
};

static const struct sy_switcher_ops *find_switcher(const char *name)
{
    const struct sy_switcher_ops *const *s = sy_switcher_table();

    while (*s != NULL && strcmp((*s)->name, name) != 0)
        s++;
    return *s;
}

static const struct sy_engine_ops *find_engine(const char *name)
{
    const struct sy_engine_ops *const *e = sy_engine_table();

    while (*e != NULL && strcmp((*e)->name, name) != 0)
        e++;
    return *e;
}

static struct sy_experiment basic(enum sy_row row)
{
    struct sy_experiment exp;

    memset(&exp, 0, sizeof(exp));
    exp.row = row;
    exp.switcher = find_switcher("ucontext");
    exp.engine = find_engine("queue");
    exp.mix[0].ops = &count_ops;
    exp.mix[0].weight = 1;
    exp.mix_count = 1;
    exp.device_spec = "workers:1";
    exp.jobs = 4;
    exp.seed = 1;
    return exp;
}

static int cannot_be_done(const struct sy_outcome *out)
{
    if (out->status == SY_OUTCOME_SKIPPED)
        printf("left out: %s\n", out->reason);
    return out->status == SY_OUTCOME_SKIPPED;
}

/* ---- the cases ----------------------------------------------------------- */

static void exact_numbers(struct sy_experiment exp, struct sy_outcome *out)
{
    struct sy_batches *b;
    struct sy_batch batch;
    uint64_t before, lead;

    CHECK(sy_batches_open(&b, &exp, 64, 0, out) == 0);
    if (b == NULL) {
        CHECK(cannot_be_done(out));
        return;
    }
    lead = out->jobs;
    for (uint64_t n = 1; n <= 200; n = 3 * n + 1) {
        before = counts.begun;
        CHECK(sy_batches_run(b, n, &batch) == 0);
        CHECK(batch.operations == n);
        CHECK(counts.begun - before == n + lead);
        CHECK(batch.elapsed_ns > 0 && batch.thread_cpu_ns <= batch.cpu_ns);
        CHECK(batch.verified >= 1);
    }
    sy_batches_close(&b, out);
    CHECK(b == NULL);
    CHECK(out->status == SY_OUTCOME_OK);
}

static void every_row(struct sy_outcome *out)
{
    const struct sy_peer_ops *const *peer = sy_peer_table();

    exact_numbers(basic(SY_ROW_COMBINATION), out);
    exact_numbers(basic(SY_ROW_SOFTWARE), out);
    exact_numbers(basic(SY_ROW_BLOCKING), out);
    exact_numbers(basic(SY_ROW_CALLBACK), out);
    for (; *peer != NULL; peer++) {
        struct sy_experiment exp = basic(SY_ROW_PEER);

        exp.peer = *peer;
        exact_numbers(exp, out);
    }
}

static void in_turn(struct sy_outcome *out)
{
    struct sy_experiment a = basic(SY_ROW_COMBINATION);
    struct sy_experiment c = basic(SY_ROW_CALLBACK);
    struct sy_batches *first, *second, *third;
    struct sy_batch batch;

    a.device_spec = "sim:mode=poll,service=fixed:1us";
    CHECK(sy_batches_open(&first, &a, 0, -1, out) == 0 && first != NULL);
    CHECK(sy_batches_open(&second, &a, 4096, 0, out) == 0 && second != NULL);
    CHECK(sy_batches_open(&third, &c, 65536, 9999, out) == 0 && third != NULL);
    for (int i = 0; i < 5 && failures == 0; i++) {
        CHECK(sy_batches_run(first, 50, &batch) == 0);
        CHECK(sy_batches_run(third, 50, &batch) == 0);
        CHECK(sy_batches_run(second, 50, &batch) == 0);
    }
    sy_batches_close(&second, out);
    CHECK(sy_batches_run(first, 50, &batch) == 0);
    sy_batches_close(&first, NULL);
    sy_batches_close(&third, NULL);
    sy_batches_close(&third, NULL);
}

static void cannot_be_set_up(struct sy_outcome *out)
{
    struct sy_experiment exp = basic(SY_ROW_COMBINATION);
    struct sy_batches *b;

    exp.device_spec = "nonesuch";
    CHECK(sy_batches_open(&b, &exp, 0, -1, out) == -EINVAL && b == NULL);
    CHECK(strstr(out->reason, "nonesuch") != NULL);
    exp = basic(SY_ROW_COMBINATION);
    exp.virtual_clock = true;
    CHECK(sy_batches_open(&b, &exp, 0, -1, out) == -EINVAL && b == NULL);
    exp = basic(SY_ROW_COMBINATION);
    CHECK(sy_batches_open(&b, &exp, 65537, -1, out) == -EINVAL && b == NULL);
}

static void wrong_result(struct sy_outcome *out)
{
    struct sy_experiment exp = basic(SY_ROW_COMBINATION);
    struct sy_batches *b;
    struct sy_batch batch;

    counts.wrong_at = 40;
    CHECK(sy_batches_open(&b, &exp, 0, -1, out) == 0 && b != NULL);
    CHECK(sy_batches_run(b, 100, &batch) == -ECANCELED);
    CHECK(sy_batches_run(b, 100, &batch) == -ECANCELED);
    sy_batches_close(&b, out);
    CHECK(out->status == SY_OUTCOME_FAILED);
    CHECK(strstr(out->reason, "wrong result") != NULL);
    counts.wrong_at = UINT64_MAX;
}

int main(void)
{
    struct sy_outcome *out = calloc(1, sizeof(*out));

    if (out == NULL)
        return 1;
    every_row(out);
    in_turn(out);
    cannot_be_set_up(out);
    wrong_result(out);
    free(out);
    return failures == 0 ? 0 : 1;
}
