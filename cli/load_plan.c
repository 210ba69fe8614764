/* SPDX-License-Identifier: Apache-2.0 */
#include "load_plan.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>

#include "options.h"

/* ---- rates --------------------------------------------------------------- */

static int refuse(char *why, size_t why_bytes, const char *text)
{
    snprintf(why, why_bytes,
             "'%.100s' is not accepted; rates are whole numbers of operations "
             "per second, 1 .. 100M, suffixes k (1,000) and M (1,000,000): "
             "20k,50k or 10k..90k/9",
             text);
    return -EINVAL;
}

/* "2.5k": digits, perhaps a point, perhaps a suffix; whole in the end. */
static int read_rate(const char *text, size_t bytes, uint64_t *hz)
{
    uint64_t value = 0, scale = 1, places = 1;
    int digits = 0, is_behind_point = 0;
    size_t i;

    for (i = 0;
         i < bytes && (text[i] == '.' || (text[i] >= '0' && text[i] <= '9'));
         i++) {
        if (text[i] == '.') {
            if (is_behind_point++)
                return -EINVAL;
            continue;
        }
        if (++digits > 12)
            return -EINVAL;
        value = value * 10 + (uint64_t)(text[i] - '0');
        if (is_behind_point)
            places *= 10;
    }
    if (i < bytes && text[i] == 'k') {
        scale = 1000;
        i++;
    } else if (i < bytes && text[i] == 'M') {
        scale = 1000000;
        i++;
    }
    if (digits == 0 || i != bytes || value * scale % places != 0)
        return -EINVAL;
    *hz = value * scale / places;
    return *hz >= 1 && *hz <= SY_RATE_MAX_HZ ? 0 : -EINVAL;
}

static int add_rate(struct load_rates *rates, uint64_t hz)
{
    size_t i;

    for (i = 0; i < rates->count; i++)
        if (rates->hz[i] == hz)
            return 0;
    if (rates->count == LOAD_RATES_MAX)
        return -EINVAL;
    for (i = rates->count++; i > 0 && rates->hz[i - 1] > hz; i--)
        rates->hz[i] = rates->hz[i - 1];
    rates->hz[i] = hz;
    return 0;
}

/* "A..B/N", or "A..B" for *is_range. */
static int read_sweep(const char *text, size_t bytes, struct load_rates *rates,
                      int *is_range)
{
    const char *dots = memmem(text, bytes, "..", 2);
    const char *slash = memchr(text, '/', bytes);
    size_t first = (size_t)(dots - text), second;
    uint64_t low, high, count, i;

    second = (size_t)((slash != NULL ? slash : text + bytes) - dots) - 2;
    if (slash != NULL && slash < dots)
        return -EINVAL;
    if (read_rate(text, first, &low) != 0 ||
        read_rate(dots + 2, second, &high) != 0 || low >= high)
        return -EINVAL;
    *is_range = slash == NULL;
    if (*is_range) {
        rates->low_hz = low;
        rates->high_hz = high;
        return 0;
    }
    if (read_rate(slash + 1, (size_t)(text + bytes - slash) - 1, &count) != 0 ||
        count < 2 || count > LOAD_RATES_MAX)
        return -EINVAL;
    for (i = 0; i < count; i++) {
        double at = (double)(high - low) * (double)i / (double)(count - 1);

        if (add_rate(rates, low + (uint64_t)(at + 0.5)) != 0)
            return -EINVAL;
    }
    return 0;
}

int load_rates_read(const char *text, struct load_rates *rates, char *why,
                    size_t why_bytes)
{
    const char *p = text;
    int is_range = 0, items = 0;

    memset(rates, 0, sizeof(*rates));
    for (;; p++) {
        size_t n = strcspn(p, ",");
        uint64_t hz;
        int err;

        if (memmem(p, n, "..", 2) != NULL) {
            err = read_sweep(p, n, rates, &is_range);
        } else {
            err = read_rate(p, n, &hz);
            if (err == 0)
                err = add_rate(rates, hz);
        }
        items++;
        if (err != 0 || (is_range && items > 1))
            return refuse(why, why_bytes, text);
        p += n;
        if (*p == '\0')
            return 0;
    }
}

const char *load_rate_text(char *buf, size_t bytes, uint64_t hz)
{
    if (hz % 1000000 == 0)
        snprintf(buf, bytes, "%" PRIu64 "M", hz / 1000000);
    else if (hz % 1000 == 0)
        snprintf(buf, bytes, "%" PRIu64 "k", hz / 1000);
    else
        snprintf(buf, bytes, "%" PRIu64, hz);
    return buf;
}

/* ---- what to search -------------------------------------------------------
 */

int load_goal_read(const char *text, struct load_goal *goal, char *why,
                   size_t why_bytes)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {
        {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};
    static const struct option duration = {
        .kind = OPTION_DURATION, .min = SY_NS_PER_US, .max = 60 * SY_NS_PER_S};
    const char *sign = strstr(text, "<=");
    char left[16] = "";
    const char *right;
    size_t i;

    for (i = 0; sign != NULL && text + i < sign && i + 1 < sizeof(left); i++)
        left[i] = text[i];
    left[strcspn(left, " ")] = '\0';
    right = sign != NULL ? sign + 2 + strspn(sign + 2, " ") : "";
    memset(goal, 0, sizeof(*goal));
    for (i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++) {
        char range[256];

        if (strcmp(left, quantiles[i].name) != 0)
            continue;
        goal->quantile = quantiles[i].name;
        goal->q = quantiles[i].q;
        goal->samples_min = (uint64_t)ceil(log(0.025) / log(quantiles[i].q));
        if (options_read(&duration, &goal->bound_ns, right, 0, range,
                         sizeof(range)) == 0)
            return 0;
        snprintf(why, why_bytes, "the bound of '%.100s': %s", text, range);
        return -EINVAL;
    }
    snprintf(why, why_bytes,
             "'%.100s' is not accepted; p50, p90, p99 or p99.9 of the "
             "response, '<=' and a time: 'p99<=200us'",
             text);
    return -EINVAL;
}

/* ---- arrivals -------------------------------------------------------------
 */

int load_arrivals_read(const char *text, struct sy_arrivals *arrivals,
                       struct sy_arrival_trace *trace, char *why,
                       size_t why_bytes)
{
    memset(arrivals, 0, sizeof(*arrivals));
    memset(trace, 0, sizeof(*trace));
    if (strncmp(text, "trace:", 6) == 0) {
        arrivals->kind = SY_ARRIVALS_TRACE;
        arrivals->trace = trace;
        return sy_arrival_trace_read(trace, text + 6, why, why_bytes);
    }
    if (strcmp(text, "constant") == 0)
        arrivals->kind = SY_ARRIVALS_CONSTANT;
    else if (strcmp(text, "poisson") == 0)
        arrivals->kind = SY_ARRIVALS_POISSON;
    else {
        snprintf(why, why_bytes,
                 "'%.100s' is not accepted; constant, poisson or trace:FILE",
                 text);
        return -EINVAL;
    }
    return 0;
}
