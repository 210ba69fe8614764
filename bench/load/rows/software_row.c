/* SPDX-License-Identifier: Apache-2.0 */
/* The row "software": what an operation costs when nothing is offloaded. */
#include "../load_cycle.h"

static int perform(struct sy__op *op)
{
    int err = 0;

    for (op->step = 0; op->step < op->ops->steps && err == 0; op->step++)
        err = sy__op_step(op);
    return err;
}

static void run(struct sy__load *load)
{
    struct sy__op *op;

    while ((op = sy__load_take(load)) != NULL)
        sy__load_finish(load, op, perform(op));
}

const struct sy__row_ops sy__row_software = {
    .name = "software",
    .summary = "every step inline, no device, one operation at a time",
    .one_at_a_time = 1,
    .run = run,
};
