/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Poll policies: when a device that has to be polled is polled. A program
 * calls sy_device_poll() (device.h) at every turn of its loop; the device's
 * policy says whether that call looks at the device at all, and when the next
 * one is worth while.
 *
 * A policy is part of a device's description: "sim:servers=4,poll=timer:20us".
 * It applies to every polled device, to those from outside the library too.
 *
 * Threads  Each thread that polls has its own polled_ns; decide may be called
 *          on several threads at once and keeps no state.
 */
#ifndef SWITCHYARD_POLL_POLICY_H
#define SWITCHYARD_POLL_POLICY_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/compiler.h>

SY_BEGIN_DECLS

struct sy_device;

#define SY_POLL_POLICY_ABI 1
#define SY_POLL_VALUES     2

enum sy_poll_policy_flag {
    SY_PP_AFTER_SUBMIT = 1 << 0, /* ask after each submission outside a job
                                    too, not only in sy_device_poll() */
};

/* What a policy decides on. */
struct sy_poll_view {
    uint64_t now_ns;    /* the device's clock */
    uint64_t polled_ns; /* when this thread polled last, or first asked while
                           something was pending */
    uint64_t inside;    /* operations submitted and not announced, of all
                           threads */
    uint64_t active;    /* jobs that the caller has started and not ended, as
                           he says; 0: he has nothing else to do */
};

/* A number that a policy takes: "NAME:VALUE:VALUE", in this order. */
struct sy_poll_value {
    const char *name; /* NULL: no more */
    uint32_t is_ns;   /* a time with its unit; otherwise a count */
    uint32_t reserved;
    uint64_t initial, min, max;
};

struct sy_poll_policy_ops {
    uint32_t abi;        /* SY_POLL_POLICY_ABI */
    uint32_t flags;      /* enum sy_poll_policy_flag bits */
    const char *name;    /* stable: appears in result files */
    const char *summary; /* one line, for "switchyard list" */
    struct sy_poll_value values[SY_POLL_VALUES];

    /*
     * Optional. Poll now? Called before a poll, and after it with polled_ns ==
     * now_ns for the time of the next one. Not called while nothing is inside.
     * NULL: look at the device each time, and wait for as long as it says.
     *
     * @values    as described above
     * @again_ns  set when the answer is 0: when to ask again; SY_FOREVER is
     *            not allowed, or an operation might never be announced
     *
     * Returns 1 or 0.
     */
    int (*decide)(const uint64_t *values, const struct sy_poll_view *view,
                  uint64_t *again_ns);
};

/* Return the policies of this library, the default first, ending with NULL. */
SY_API const struct sy_poll_policy_ops *const *sy_poll_policy_table(void);

/*
 * Give a device a policy from outside this library. Before the first
 * operation is submitted.
 *
 * @values  SY_POLL_VALUES numbers, copied; NULL: the initial ones
 *
 * Returns 0, or
 *   -EPROTO   built for another ABI
 *   -EINVAL   a value is out of range
 *   -ENOTSUP  the device is not polled
 */
SY_API SY_MUST_CHECK int
sy_device_set_poll_policy(struct sy_device *device,
                          const struct sy_poll_policy_ops *ops,
                          const uint64_t *values);

/*
 * Say in words when a device is polled, with every value: "heuristic:48:200us",
 * or "" for a device that is not polled. For result files.
 *
 * Returns words.
 */
SY_API char *sy_device_poll_policy(const struct sy_device *device, char *words,
                                   size_t words_bytes);

SY_END_DECLS
#endif
