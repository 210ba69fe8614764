/* SPDX-License-Identifier: Apache-2.0 */
#include "operation_mix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN ((size_t)64)

/* SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
   generators", 2014). */
uint64_t sy__random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static void *zeroed(size_t bytes)
{
    void *p = aligned_alloc(ALIGN, bytes == 0 ? ALIGN : rounded(bytes));

    if (p != NULL)
        memset(p, 0, bytes);
    return p;
}

static int open_part(struct sy__mix *mix, const struct sy_mix_item *item,
                     bool offloads, char *why, size_t why_bytes)
{
    struct sy__mix_part *part = &mix->parts[mix->count];
    struct sy_workload_config cfg = {.seed = mix->seed,
                                     .param_bytes = item->param_bytes};
    int err = item->ops->probe(why, why_bytes);

    if (err != 0)
        return err;
    part->ops = item->ops;
    part->free = NULL;
    part->is_precomputed = item->precomputed && offloads;
    part->weight_end = item->weight;
    if (mix->count > 0)
        part->weight_end += mix->parts[mix->count - 1].weight_end;
    part->shared = zeroed(item->ops->shared_bytes);
    if (part->shared == NULL) {
        snprintf(why, why_bytes, "no memory");
        return -ENOMEM;
    }
    err = item->ops->open(part->shared, &cfg);
    if (err != 0) {
        snprintf(why, why_bytes, "workload %s cannot be set up: %s",
                 item->ops->name, strerror(-err));
        free(part->shared);
        return err;
    }
    mix->count++;
    return 0;
}

int sy__mix_open(struct sy__mix *mix, const struct sy_experiment *exp,
                 bool offloads, char *why, size_t why_bytes)
{
    memset(mix, 0, sizeof(*mix));
    mix->seed = exp->seed;
    for (unsigned i = 0; i < exp->mix_count; i++) {
        int err = open_part(mix, &exp->mix[i], offloads, why, why_bytes);

        if (err != 0) {
            sy__mix_close(mix);
            return err;
        }
    }
    return 0;
}

static void free_op(struct sy__op *op)
{
    if (op->ops->release != NULL)
        op->ops->release(op->shared, op->slot);
    free(op);
}

void sy__mix_close(struct sy__mix *mix)
{
    for (unsigned i = 0; i < mix->count; i++) {
        struct sy__mix_part *part = &mix->parts[i];

        while (part->free != NULL) {
            struct sy__op *op = part->free;

            part->free = op->next;
            free_op(op);
        }
        part->ops->close(part->shared);
        free(part->shared);
    }
    mix->count = 0;
}

/* Make the result that a device will deliver, as often as this slot is used. */
static int precompute(struct sy__mix_part *part, struct sy__op *op)
{
    int err = op->ops->begin(op->shared, op->slot, part->made++);

    if (err == 0)
        err = op->ops->step(op->shared, op->slot, 0);
    op->is_precomputed = true;
    return err;
}

static int new_op(struct sy__mix_part *part, struct sy__op **out)
{
    size_t head = rounded(sizeof(struct sy__op));
    struct sy__op *op = zeroed(head + part->ops->slot_bytes);
    int err;

    *out = NULL;
    if (op == NULL)
        return -ENOMEM;
    op->ops = part->ops;
    op->shared = part->shared;
    op->slot = (char *)op + head;
    if (part->ops->prepare != NULL) {
        err = part->ops->prepare(part->shared, op->slot);
        if (err != 0) {
            free(op);
            return err;
        }
    }
    if (part->is_precomputed) {
        err = precompute(part, op);
        if (err != 0) {
            free_op(op);
            return err;
        }
    }
    *out = op;
    return 0;
}

static int set_up(struct sy__op *op)
{
    if (!op->is_precomputed)
        return op->ops->begin(op->shared, op->slot, op->number);
    if (!op->is_hidden)
        op->ops->spoil(op->slot);
    op->is_hidden = true;
    return 0;
}

/* The part that operation number n belongs to: a function of seed and n, so
   that every row meets the same operations. */
static unsigned pick(const struct sy__mix *mix, uint64_t number)
{
    uint64_t state = mix->seed ^ (number * UINT64_C(0xd1342543de82ef95));
    uint64_t at;
    unsigned i = 0;

    if (mix->count == 1)
        return 0;
    at = sy__random(&state) % mix->parts[mix->count - 1].weight_end;
    while (at >= mix->parts[i].weight_end)
        i++;
    return i;
}

int sy__mix_take(struct sy__mix *mix, uint64_t number, struct sy__op **out)
{
    unsigned item = pick(mix, number);
    struct sy__mix_part *part = &mix->parts[item];
    struct sy__op *op = part->free;
    int err;

    *out = NULL;
    if (op != NULL) {
        part->free = op->next;
    } else {
        err = new_op(part, &op);
        if (err != 0)
            return err;
    }
    op->number = number;
    op->item = item;
    op->step = 0;
    err = set_up(op);
    if (err != 0) {
        sy__mix_put(mix, op);
        return err;
    }
    *out = op;
    return 0;
}

void sy__mix_put(struct sy__mix *mix, struct sy__op *op)
{
    struct sy__mix_part *part = &mix->parts[op->item];

    op->next = part->free;
    part->free = op;
}

int sy__mix_reserve(struct sy__mix *mix, uint64_t count)
{
    uint64_t whole = mix->parts[mix->count - 1].weight_end, before = 0;

    for (unsigned i = 0; i < mix->count; i++) {
        struct sy__mix_part *part = &mix->parts[i];
        uint64_t share = part->weight_end - before;
        uint64_t want = count / whole * share + count % whole * share / whole;

        for (uint64_t n = 0; n < want; n++) {
            struct sy__op *op;
            int err = new_op(part, &op);

            if (err != 0)
                return err;
            op->item = i;
            sy__mix_put(mix, op);
        }
        before = part->weight_end;
    }
    return 0;
}

size_t sy__mix_slot_bytes(const struct sy__mix *mix)
{
    size_t most = 0;

    for (unsigned i = 0; i < mix->count; i++) {
        if (mix->parts[i].ops->slot_bytes > most)
            most = mix->parts[i].ops->slot_bytes;
    }
    return most;
}

int sy__op_step(void *arg)
{
    struct sy__op *op = arg;

    if (op->is_precomputed) {
        op->ops->spoil(op->slot); /* again: it is right now */
        op->is_hidden = false;
        return 0;
    }
    return op->ops->step(op->shared, op->slot, op->step);
}
