/* SPDX-License-Identifier: Apache-2.0 */
/* The option "poll=" of every polled device. */
#ifndef POLL_POLICY_OPTIONS_H
#define POLL_POLICY_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/poll_policy.h>

struct sy__poll_choice {
    const struct sy_poll_policy_ops *ops;
    uint64_t values[SY_POLL_VALUES];
    int is_given; /* not the default */
};

/*
 * Take "poll=NAME:VALUE:VALUE" out of the options of a device.
 *
 * @text    what stands behind "device:"; changed to what is left for the
 *          device
 * @choice  set to the default policy where there is no such option
 *
 * Returns 0, or -EINVAL with the reason in why.
 */
int sy__poll_choice_take(const char *device, char *text,
                         struct sy__poll_choice *choice, char *why,
                         size_t why_bytes);

/* Set choice to a policy with these values. As sy_device_set_poll_policy(). */
int sy__poll_choice_set(struct sy__poll_choice *choice,
                        const struct sy_poll_policy_ops *ops,
                        const uint64_t *values);

/* Write "heuristic:48:200us". */
void sy__poll_choice_words(const struct sy__poll_choice *choice, char *words,
                           size_t words_bytes);

#endif
