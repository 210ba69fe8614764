/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between the variants of the eventfd engine: how the eventfds
 * are waited on. The rest is in eventfd.c.
 */
#ifndef SWITCHYARD_ENGINES_EVENTFD_WAY_H
#define SWITCHYARD_ENGINES_EVENTFD_WAY_H

#include <stdbool.h>
#include <switchyard/engine.h>

/* Private memory of a way: nearly all of it what one epoll_wait brings. */
#define EVENTFD_WAY_BYTES 4608

struct eventfd_slot {
    void *way_data; /* the way's own */
    int fd;
};
_Static_assert(sizeof(struct eventfd_slot) <= SY_ENGINE_SLOT_BYTES, "slot");

static inline struct eventfd_slot *sy__eventfd_of(struct sy_engine_slot *slot)
{
    return (void *)slot->priv.bytes;
}

/* The hooks of sy_engine_ops for eventfds. w: EVENTFD_WAY_BYTES, zeroed. */
struct eventfd_way {
    const char *name;
    int (*probe)(const char *variant, char *why, size_t why_bytes);
    int (*open)(void *w, const struct sy_engine_config *cfg);
    void (*close)(void *w);
    int (*add)(void *w, struct sy_engine_slot *slot);
    /* Only called in the process that opened the engine. */
    void (*remove)(void *w, struct sy_engine_slot *slot);
    int (*wait)(void *w, struct sy_engine_slot **ready, unsigned max,
                uint64_t timeout_ns);
    int (*fd)(void *w, int *fd);
    /* Optional. */
    unsigned (*describe)(const char *variant,
                         struct sy_engine_feature *features, unsigned max);
};

extern const struct eventfd_way sy__eventfd_epoll;
extern const struct eventfd_way sy__eventfd_uring;

#endif
