/* SPDX-License-Identifier: Apache-2.0 */
#include "bars.h"
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sched.h>

double measured::least_of(const std::vector<double> &rounds)
{
    return *std::min_element(rounds.begin(), rounds.end());
}

double measured::median_of(const std::vector<double> &rounds)
{
    std::vector<double> sorted = rounds;
    size_t half = sorted.size() / 2;

    std::sort(sorted.begin(), sorted.end());
    return sorted.size() % 2 == 1 ? sorted[half]
                                  : (sorted[half - 1] + sorted[half]) / 2;
}

double measured::compare(bar_kind kind, double ours, double theirs)
{
    switch (kind) {
    case bar_kind::RATIO:
        return ours / theirs;
    case bar_kind::DIFFERENCE:
        return ours - theirs;
    case bar_kind::HALF_DIFFERENCE:
        return (ours - theirs) / 2;
    case bar_kind::VALUE:
    case bar_kind::CALLS:
        break;
    }
    return ours;
}

const char *measured::verdict(const bar &b, double at_least, double at_median)
{
    bool least_met = at_least <= b.limit, median_met = at_median <= b.limit;

    if (least_met != median_met)
        return "unclear";
    if (!least_met)
        return "missed";
    return b.stretch < b.limit && at_least <= b.stretch &&
                   at_median <= b.stretch
               ? "met, stretch too"
               : "met";
}

std::string measured::figure_words(bar_kind kind, double value)
{
    char text[32];

    if (std::isnan(value))
        return "-";
    switch (kind) {
    case bar_kind::RATIO:
        if (value < 0.5)
            std::snprintf(text, sizeof(text), "1/%.2f", 1 / value);
        else
            std::snprintf(text, sizeof(text), "%.2f", value);
        break;
    case bar_kind::DIFFERENCE:
    case bar_kind::HALF_DIFFERENCE:
        std::snprintf(text, sizeof(text), "%+.2f ns", value);
        break;
    case bar_kind::VALUE:
    case bar_kind::CALLS:
        std::snprintf(text, sizeof(text), "%.3g", value);
        break;
    }
    return text;
}

void measured::refuse_option(const char *option, const std::string &range)
{
    std::fprintf(stderr, "%s: --%s takes %s\n", program_invocation_short_name,
                 option, range.c_str());
    std::exit(2);
}

unsigned long long measured::read_number(const char *option, const char *text,
                                         unsigned long long least,
                                         unsigned long long most)
{
    unsigned long long value;
    char *end;

    errno = 0;
    value = std::strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || *text < '0' || *text > '9' ||
        value < least || value > most)
        refuse_option(option, "a number from " + std::to_string(least) +
                                  " to " + std::to_string(most));
    return value;
}

double measured::read_milliseconds(const char *option, const char *text)
{
    char *end;
    double value = std::strtod(text, &end);

    if (*end != '\0' || !(value >= 0.1 && value <= 1000))
        refuse_option(option, "milliseconds from 0.1 to 1000");
    return value;
}

int measured::stay_on_one_cpu(int cpu)
{
    cpu_set_t set;

    if (cpu < 0 && sched_getaffinity(0, sizeof(set), &set) == 0) {
        for (int i = 0; i < CPU_SETSIZE; i++) {
            if (CPU_ISSET(i, &set))
                cpu = i;
        }
    }
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        refuse_option("cpu", "the number of a CPU that this process may use");
    return cpu;
}
