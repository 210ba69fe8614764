/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What switchyard_peers, switchyard_wakes and switchyard_dropin have in common:
 * a row measured once in each round, what must be seen of it, and the options
 * that say how.
 */
#ifndef SY_BENCH_BARS_H
#define SY_BENCH_BARS_H

#include <string>
#include <vector>

namespace measured
{
enum class bar_kind {
    RATIO,           /* ours / theirs */
    DIFFERENCE,      /* ours - theirs, ns */
    HALF_DIFFERENCE, /* the same for one of two calls */
    VALUE,           /* ours */
    CALLS            /* system calls for each of our operations */
};

struct bar {
    const char *metric;
    const char *ours;   /* names of rows */
    const char *theirs; /* nullptr for VALUE and CALLS */
    bar_kind kind;
    double limit;
    double stretch; /* as limit: there is none */
};

/* Of the rounds of one row, which has been measured. */
double least_of(const std::vector<double> &rounds);
double median_of(const std::vector<double> &rounds);

/* The figure that a bar is about. theirs is not looked at for VALUE and
   CALLS. */
double compare(bar_kind kind, double ours, double theirs);

/* "met", "met, stretch too", "missed"; "unclear" where the two disagree. */
const char *verdict(const bar &b, double at_least, double at_median);

/* A figure in words, with its unit if it has one: "1/9.8", "+0.40 ns". */
std::string figure_words(bar_kind kind, double value);

/* Say that an option of this program takes something else; exit with 2. */
[[noreturn]] void refuse_option(const char *option, const std::string &range);

/* Read the argument of --option, or refuse it. */
unsigned long long read_number(const char *option, const char *text,
                               unsigned long long least,
                               unsigned long long most);
double read_milliseconds(const char *option, const char *text);

/* Keep this process and those it starts on the CPU given by --cpu; if that is
   negative, on the last one allowed: the first one tends to have the
   interrupts. Returns its number. */
int stay_on_one_cpu(int cpu);
} // namespace measured

#endif
