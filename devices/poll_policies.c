/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The poll policies, and the option "poll=". Where the defaults come from:
 * devices/README.md, "When a device is polled".
 */
#include "poll_policy_options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/clock.h>

#include "device_options.h"

#define EVERY_MAX (10 * SY_NS_PER_S)

static int timer_decide(const uint64_t *values, const struct sy_poll_view *view,
                        uint64_t *again_ns)
{
    *again_ns = sy_ns_after(view->polled_ns, values[0]);
    return *again_ns <= view->now_ns;
}

static int inline_decide(const uint64_t *values,
                         const struct sy_poll_view *view, uint64_t *again_ns)
{
    (void)values, (void)view;
    *again_ns = 0;
    return 1;
}

/* Few operations, while jobs still have work to do, are not worth a look: but
   for the fail-over, without which they could wait for ever. */
static int heuristic_decide(const uint64_t *values,
                            const struct sy_poll_view *view, uint64_t *again_ns)
{
    *again_ns = sy_ns_after(view->polled_ns, values[1]);
    return view->inside >= values[0] || view->inside >= view->active ||
           *again_ns <= view->now_ns;
}

static const struct sy_poll_policy_ops sy_poll_policy_event = {
    .abi = SY_POLL_POLICY_ABI,
    .name = "event",
    .summary = "when the device has said that something will be complete",
};

static const struct sy_poll_policy_ops sy_poll_policy_timer = {
    .abi = SY_POLL_POLICY_ABI,
    .name = "timer",
    .summary = "every so often while something is inside",
    .values = {{.name = "every",
                .is_ns = 1,
                .initial = 10 * SY_NS_PER_US,
                .max = EVERY_MAX}},
    .decide = timer_decide,
};

static const struct sy_poll_policy_ops sy_poll_policy_inline = {
    .abi = SY_POLL_POLICY_ABI,
    .flags = SY_PP_AFTER_SUBMIT,
    .name = "inline",
    .summary = "after each submission and at each turn of the loop; never "
               "sleeps",
    .decide = inline_decide,
};

static const struct sy_poll_policy_ops sy_poll_policy_heuristic = {
    .abi = SY_POLL_POLICY_ABI,
    .name = "heuristic",
    .summary = "when enough is inside, or every job waits; at the latest "
               "after the fail-over time",
    .values = {{.name = "threshold", .initial = 24, .min = 1, .max = 65536},
               {.name = "failover",
                .is_ns = 1,
                .initial = 50 * SY_NS_PER_US,
                .min = 1,
                .max = EVERY_MAX}},
    .decide = heuristic_decide,
};

static const struct sy_poll_policy_ops *const table[] = {
#define SY_POLL_POLICY(id) &sy_poll_policy_##id,
#include "poll_policy_list.h"
#undef SY_POLL_POLICY
    NULL,
};

const struct sy_poll_policy_ops *const *sy_poll_policy_table(void)
{
    return table;
}

/* ---- the option --------------------------------------------------------- */

int sy__poll_choice_set(struct sy__poll_choice *choice,
                        const struct sy_poll_policy_ops *ops,
                        const uint64_t *values)
{
    struct sy__poll_choice set = {.ops = ops, .is_given = 1};

    if (ops->abi != SY_POLL_POLICY_ABI || ops->name == NULL)
        return -EPROTO;
    for (int i = 0; i < SY_POLL_VALUES && ops->values[i].name != NULL; i++) {
        set.values[i] = values != NULL ? values[i] : ops->values[i].initial;
        if (set.values[i] < ops->values[i].min ||
            set.values[i] > ops->values[i].max)
            return -EINVAL;
    }
    *choice = set;
    return 0;
}

static const char *ns_words(uint64_t ns, char *words, size_t words_bytes)
{
    if (ns != 0 && ns % SY_NS_PER_MS == 0)
        snprintf(words, words_bytes, "%llums", ns / SY_NS_PER_MS);
    else if (ns != 0 && ns % SY_NS_PER_US == 0)
        snprintf(words, words_bytes, "%lluus", ns / SY_NS_PER_US);
    else
        snprintf(words, words_bytes, "%" PRIu64 "ns", ns);
    return words;
}

static const char *value_words(const struct sy_poll_value *value,
                               uint64_t number, char *words, size_t words_bytes)
{
    if (value->is_ns)
        return ns_words(number, words, words_bytes);
    snprintf(words, words_bytes, "%" PRIu64, number);
    return words;
}

void sy__poll_choice_words(const struct sy__poll_choice *choice, char *words,
                           size_t words_bytes)
{
    const struct sy_poll_policy_ops *ops = choice->ops;
    char number[32];
    size_t used;

    sy__explain(words, words_bytes, "%s", ops->name);
    for (int i = 0; i < SY_POLL_VALUES && ops->values[i].name != NULL; i++) {
        used = words_bytes == 0 ? 0 : strlen(words);
        sy__explain(words + used, words_bytes - used, ":%s",
                    value_words(&ops->values[i], choice->values[i], number,
                                sizeof(number)));
    }
}

static int explain_policy(const char *device, const char *text, char *why,
                          size_t why_bytes)
{
    char known[256] = "";
    size_t used = 0;

    for (size_t i = 0; table[i] != NULL && used < sizeof(known); i++) {
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
                                 i == 0 ? "" : ", ", table[i]->name);
        for (int v = 0; v < SY_POLL_VALUES && used < sizeof(known) &&
                        table[i]->values[v].name != NULL;
             v++)
            used += (size_t)snprintf(known + used, sizeof(known) - used,
                                     "[:%s]", table[i]->values[v].name);
    }
    sy__explain(why, why_bytes, "%s: poll=%.64s: unknown; accepted: %s", device,
                text, known);
    return -EINVAL;
}

static int parse_value(const char *device, const char *text,
                       const struct sy_poll_value *value, uint64_t *number,
                       char *why, size_t why_bytes)
{
    char least[32], most[32];
    int err = value->is_ns ? sy__parse_ns(text, number)
                           : sy__parse_count(text, number);

    if (err == 0 && *number >= value->min && *number <= value->max)
        return 0;
    sy__explain(why, why_bytes,
                "%s: poll: %s \"%.64s\" is %s; accepted: %s .. %s", device,
                value->name, text,
                err == -EINVAL
                    ? (value->is_ns ? "not a time with a unit (ns, us, ms, s)"
                                    : "not a number")
                    : "out of range",
                value_words(value, value->min, least, sizeof(least)),
                value_words(value, value->max, most, sizeof(most)));
    return -EINVAL;
}

/* text: "NAME:VALUE:VALUE", taken apart in place. */
static int parse_choice(const char *device, char *text,
                        struct sy__poll_choice *choice, char *why,
                        size_t why_bytes)
{
    const struct sy_poll_policy_ops *const *at = table;
    char *value = strchr(text, ':');

    if (value != NULL)
        *value++ = '\0';
    while (*at != NULL && strcmp((*at)->name, text) != 0)
        at++;
    if (*at == NULL)
        return explain_policy(device, text, why, why_bytes);
    (void)sy__poll_choice_set(choice, *at, NULL); /* one of our own */
    for (int i = 0; value != NULL; i++) {
        char *rest = strchr(value, ':');
        int err;

        if (rest != NULL)
            *rest++ = '\0';
        if (i == SY_POLL_VALUES || (*at)->values[i].name == NULL) {
            sy__explain(why, why_bytes,
                        "%s: poll=%s takes no more values, \"%.64s\"", device,
                        text, value);
            return -EINVAL;
        }
        err = parse_value(device, value, &(*at)->values[i], &choice->values[i],
                          why, why_bytes);
        if (err != 0)
            return err;
        value = rest;
    }
    return 0;
}

int sy__poll_choice_take(const char *device, char *text,
                         struct sy__poll_choice *choice, char *why,
                         size_t why_bytes)
{
    char *found =
        strncmp(text, "poll=", 5) == 0 ? text : strstr(text, ",poll=");
    char *option, *rest;
    int err;

    (void)sy__poll_choice_set(choice, table[0], NULL);
    choice->is_given = 0;
    if (found == NULL)
        return 0;
    option = found + (*found == ',') + strlen("poll=");
    rest = strchr(option, ',');
    if (rest != NULL)
        *rest++ = '\0';
    if ((rest != NULL && (*rest == '\0' || *rest == ',')) ||
        (*found == ',' && found == text)) {
        sy__explain(why, why_bytes, "%s: empty option beside poll=%.64s",
                    device, option);
        return -EINVAL;
    }
    if (rest != NULL &&
        (strncmp(rest, "poll=", 5) == 0 || strstr(rest, ",poll=") != NULL)) {
        sy__explain(why, why_bytes, "%s: poll: given twice", device);
        return -EINVAL;
    }
    err = parse_choice(device, option, choice, why, why_bytes);
    if (err != 0)
        return err;
    /* What is left: what stood before it, and what stood behind it. */
    if (rest == NULL)
        *found = '\0';
    else if (*found == ',')
        memmove(found + 1, rest, strlen(rest) + 1);
    else
        memmove(found, rest, strlen(rest) + 1);
    return 0;
}
