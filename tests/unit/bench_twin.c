/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copies of the measured code, which this program holds as the switchyard
 * command does (cmake/twin.cmake): they lie elsewhere, down to the instructions
 * of the switchers, each uses its own parts, and they do the same work.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../bench/load/batches.h"
#include "../../bench/load/own_parts.h"

extern const struct sy_batches_calls sy_batches_calls_first;
extern const struct sy_batches_calls sy_batches_calls_second;

static int failures;

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);   \
            failures++;                                                        \
        }                                                                      \
    } while (0)

static struct sy_experiment make(const struct sy_switcher_ops *switcher,
                                 const struct sy_engine_ops *engine,
                                 const struct sy_workload_ops *workload)
{
    struct sy_experiment exp;

    memset(&exp, 0, sizeof(exp));
    exp.row = SY_ROW_COMBINATION;
    exp.switcher = switcher;
    exp.engine = engine;
    exp.variant = engine->variants != NULL ? engine->variants[0] : NULL;
    exp.mix[0].ops = workload;
    exp.mix[0].weight = 1;
    exp.mix_count = 1;
    exp.device_spec = "sim:mode=poll,service=fixed:1us";
    exp.jobs = 4;
    exp.seed = 1;
    return exp;
}

static void has_other_parts(const struct sy_experiment *a,
                            const struct sy_experiment *b)
{
    CHECK(a->switcher != b->switcher && a->engine != b->engine);
    CHECK(a->mix[0].ops != b->mix[0].ops);
    CHECK(strcmp(a->switcher->name, b->switcher->name) == 0);
    CHECK(strcmp(a->engine->name, b->engine->name) == 0);
    CHECK(strcmp(a->mix[0].ops->name, b->mix[0].ops->name) == 0);
    CHECK((uintptr_t)a->switcher->probe != (uintptr_t)b->switcher->probe);
    if ((a->switcher->caps & SY_SW_CAN_PAUSE) != 0)
        CHECK((uintptr_t)a->switcher->swap != (uintptr_t)b->switcher->swap);
    CHECK((uintptr_t)a->mix[0].ops->step != (uintptr_t)b->mix[0].ops->step);
}

/* Run an experiment in two copies, in turn. */
static void same_work(const struct sy_batches_calls *here,
                      const struct sy_batches_calls *there,
                      const struct sy_experiment *exp)
{
    static struct sy_outcome out; /* large */
    struct sy_batches *a, *b;
    struct sy_batch first, second;

    if (here->open(&a, exp, 0, -1, &out) != 0 || a == NULL) {
        printf("%s: left out: %s\n", exp->switcher->name, out.reason);
        CHECK(out.status == SY_OUTCOME_SKIPPED);
        return;
    }
    CHECK(there->open(&b, exp, 0, -1, &out) == 0 && b != NULL);
    if (b == NULL) {
        printf("%s: %s\n", exp->switcher->name, out.reason);
        here->close(&a, &out);
        return;
    }
    CHECK((here->experiment(a)->switcher == exp->switcher) ==
          (here == &sy_batches_calls));
    has_other_parts(here->experiment(a), there->experiment(b));
    for (int i = 0; i < 3; i++) {
        CHECK(here->run(a, 100, &first) == 0);
        CHECK(there->run(b, 100, &second) == 0);
        CHECK(first.operations == 100 && second.operations == 100);
        CHECK(first.verified > 0 && second.verified == first.verified);
    }
    there->close(&b, &out);
    CHECK(out.status == SY_OUTCOME_OK);
    here->close(&a, &out);
    CHECK(out.status == SY_OUTCOME_OK);
}

static void everywhere(const struct sy_experiment *exp)
{
    same_work(&sy_batches_calls, &sy_batches_calls_first, exp);
    same_work(&sy_batches_calls_first, &sy_batches_calls_second, exp);
}

/* What no table knows is used as it is. */
static void loaded_parts_stay(struct sy_experiment exp)
{
    struct sy_switcher_ops switcher = *exp.switcher;
    struct sy_device_ops device = *sy_device_table()[0];

    switcher.name = "from_a_file";
    device.name = "from_a_file";
    exp.switcher = &switcher;
    exp.device_ops = &device;
    CHECK(sy_own_parts(&exp) == 2);
    CHECK(exp.switcher == &switcher && exp.device_ops == &device);
}

int main(void)
{
    const struct sy_switcher_ops *const *s = sy_switcher_table();
    const struct sy_engine_ops *const *e = sy_engine_table();
    const struct sy_workload_ops *workload = sy_workload_table()[0];
    struct sy_experiment exp = make(s[0], e[0], workload);

    CHECK((uintptr_t)sy_batches_calls.run !=
          (uintptr_t)sy_batches_calls_first.run);
    CHECK((uintptr_t)sy_batches_calls_first.run !=
          (uintptr_t)sy_batches_calls_second.run);
    CHECK(sy_own_parts(&exp) == 0 && exp.switcher == s[0]);
    loaded_parts_stay(exp);
    for (; *s != NULL; s++) {
        exp = make(*s, e[0], workload);
        everywhere(&exp);
    }
    for (; *e != NULL; e++) {
        exp = make(sy_switcher_table()[0], *e, workload);
        everywhere(&exp);
    }
    return failures == 0 ? 0 : 1;
}
