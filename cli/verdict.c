/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "result_table.h"
#include "table.h"

/* Results of one mix on one device, in the order of the table. */
struct block {
    const struct result **rows;
    size_t count;
};

/* ---- order -------------------------------------------------------------- */

/* Best first, by jobs; reference rows in their own order. */
static int compare_rows(const void *left, const void *right)
{
    const struct result *a = *(const struct result *const *)left;
    const struct result *b = *(const struct result *const *)right;
    double by_speed;

    if (result_section(a) != result_section(b))
        return result_section(a) - result_section(b);
    if (result_section(a) == 2 && a->exp->row != b->exp->row)
        return a->exp->row < b->exp->row ? -1 : 1;
    if (a->exp->jobs != b->exp->jobs)
        return a->exp->jobs < b->exp->jobs ? -1 : 1;
    if (result_has_figures(a) != result_has_figures(b))
        return result_has_figures(a) ? -1 : 1;
    by_speed = result_has_figures(a) ? result_per_s(b) - result_per_s(a) : 0;
    if (by_speed != 0)
        return by_speed < 0 ? -1 : 1;
    return a < b ? -1 : 1; /* the order of the tables of parts */
}

/* ---- the best ----------------------------------------------------------- */

static const char *name_of(const struct result *r, char *buf, size_t bytes)
{
    return sy_experiment_name(r->exp, buf, bytes);
}

/* A switcher that cannot pause has one job in flight whatever was asked, so it
   is in the table, but not in the competition. */
static int is_candidate(const struct result *r, unsigned jobs)
{
    return r->exp->row == SY_ROW_COMBINATION && r->exp->jobs == jobs &&
           (r->exp->switcher->caps & SY_SW_CAN_PAUSE) != 0 &&
           result_has_figures(r);
}

typedef double (*figure_fn)(const struct result *r);

static int is_baseline(const struct result *r)
{
    return (r->exp->engine->caps & SY_EN_BASELINE) != 0;
}

/* Best is largest times sign. Returns NULL if there is no candidate. */
static const struct result *find_best(const struct block *block, unsigned jobs,
                                      figure_fn figure, double sign,
                                      int with_baselines)
{
    const struct result *best = NULL;
    size_t i;

    for (i = 0; i < block->count; i++) {
        const struct result *r = block->rows[i];

        if (!is_candidate(r, jobs) || (!with_baselines && is_baseline(r)))
            continue;
        if (best == NULL || sign * figure(r) > sign * figure(best))
            best = r;
    }
    return best;
}

#define NO_FIGURE 1e300

static double p99_us(const struct result *r)
{
    uint64_t ns;

    /* Without enough samples it must not come out best. */
    if (!sy_outcome_quantile(&r->sum, 0.99, &ns))
        return NO_FIGURE;
    return (double)ns / (double)SY_NS_PER_US;
}

/* Say so where it would have mattered to the reader of the table. */
static void print_left_out(const struct block *block, FILE *to)
{
    size_t i;

    for (i = 0; i < block->count; i++) {
        const struct sy_experiment *exp = block->rows[i]->exp;

        if (exp->row != SY_ROW_COMBINATION ||
            (exp->switcher->caps & SY_SW_CAN_PAUSE) != 0)
            continue;
        fprintf(
            to,
            "\nSwitcher %s cannot pause: its rows show the job layer alone, "
            "one job in flight at\na time, and do not take part below.\n",
            exp->switcher->name);
        return;
    }
}

struct contest {
    const char *title, *unit;
    figure_fn figure;
    double sign; /* 1: the largest wins; -1: the smallest */
    int decimals;
};

static void print_winner(const struct contest *contest, const struct result *r,
                         const char *note, FILE *to)
{
    char name[128], number[32];

    fprintf(to, "  %-12s %-24s %s %s%s\n", contest->title,
            name_of(r, name, sizeof(name)),
            format_number(number, sizeof(number), contest->figure(r),
                          contest->decimals),
            contest->unit, note);
}

static void print_best(const struct block *block, unsigned jobs, FILE *to)
{
    static const struct contest contests[] = {
        {"throughput", "ops/s", result_per_s, 1, 0},
        {"CPU per job", "us", result_cpu_us, -1, 2},
        {"p99", "us", p99_us, -1, 1},
    };
    size_t i;

    if (find_best(block, jobs, result_per_s, 1, 1) == NULL)
        return;
    fprintf(to, "\nBest for this workload, %u in flight:\n", jobs);
    for (i = 0; i < sizeof(contests) / sizeof(contests[0]); i++) {
        const struct contest *c = &contests[i];
        const struct result *best =
            find_best(block, jobs, c->figure, c->sign, 1);
        const struct result *usable =
            find_best(block, jobs, c->figure, c->sign, 0);

        if (c->figure(best) >= NO_FIGURE)
            continue;
        print_winner(c, best,
                     is_baseline(best)
                         ? "  (this engine is there to be compared with)"
                         : "",
                     to);
        if (usable != NULL && usable != best && c->figure(usable) < NO_FIGURE)
            print_winner(c, usable, "  (best of the other engines)", to);
    }
}

/* ---- what matters ------------------------------------------------------- */

/* A set of results that differ in one thing only: its two ends. */
struct spread {
    const struct result *slow, *fast;  /* by throughput */
    const struct result *cheap, *dear; /* by CPU per job */
    size_t count;
};

static void spread_add(struct spread *s, const struct result *r)
{
    if (s->count == 0) {
        *s = (struct spread){r, r, r, r, 1};
        return;
    }
    s->count++;
    if (result_per_s(r) < result_per_s(s->slow))
        s->slow = r;
    if (result_per_s(r) > result_per_s(s->fast))
        s->fast = r;
    if (result_cpu_us(r) < result_cpu_us(s->cheap))
        s->cheap = r;
    if (result_cpu_us(r) > result_cpu_us(s->dear))
        s->dear = r;
}

static double spread_factor(const struct spread *s)
{
    return s->count < 2 ? 0 : result_per_s(s->fast) / result_per_s(s->slow);
}

/* How one result is called within a spread. */
static const char *label(const struct result *r, int by_jobs, char *buf,
                         size_t bytes)
{
    if (!by_jobs)
        return name_of(r, buf, bytes);
    snprintf(buf, bytes, "%u", r->exp->jobs);
    return buf;
}

static void print_spread(const struct spread *s, const char *title, int by_jobs,
                         FILE *to)
{
    char a[128], b[128], x[32], y[32];

    fprintf(to, "  %s\n", title);
    fprintf(to, "    throughput   %s (%s) .. %s ops/s (%s): x %.2f\n",
            format_number(x, sizeof(x), result_per_s(s->slow), 0),
            label(s->slow, by_jobs, a, sizeof(a)),
            format_number(y, sizeof(y), result_per_s(s->fast), 0),
            label(s->fast, by_jobs, b, sizeof(b)), spread_factor(s));
    fprintf(to, "    CPU per job  %s (%s) .. %s us (%s): x %.2f\n",
            format_number(x, sizeof(x), result_cpu_us(s->cheap), 2),
            label(s->cheap, by_jobs, a, sizeof(a)),
            format_number(y, sizeof(y), result_cpu_us(s->dear), 2),
            label(s->dear, by_jobs, b, sizeof(b)),
            result_cpu_us(s->dear) / result_cpu_us(s->cheap));
}

static const struct result *find_row(const struct block *block, enum sy_row row)
{
    size_t i;

    for (i = 0; i < block->count; i++)
        if (block->rows[i]->exp->row == row &&
            result_has_figures(block->rows[i]))
            return block->rows[i];
    return NULL;
}

static double print_asynchronous(const struct block *block,
                                 const struct result *best, FILE *to)
{
    struct spread s = {.count = 0};
    const struct result *blocking = find_row(block, SY_ROW_BLOCKING);
    const struct result *software = find_row(block, SY_ROW_SOFTWARE);
    char name[128], title[256], x[32], y[32];

    if (blocking != NULL) {
        spread_add(&s, blocking);
        spread_add(&s, best);
        snprintf(title, sizeof(title),
                 "asynchronous or not (%s against submit and wait)",
                 name_of(best, name, sizeof(name)));
        print_spread(&s, title, 0, to);
    } else {
        fputs("  asynchronous or not: not known, the row 'blocking' has no "
              "figures\n",
              to);
    }
    if (software != NULL)
        fprintf(to, "    without offload: %s ops/s, %s us of CPU per job\n",
                format_number(x, sizeof(x), result_per_s(software), 0),
                format_number(y, sizeof(y), result_cpu_us(software), 2));
    return spread_factor(&s);
}

static int same_parts(const struct sy_experiment *a,
                      const struct sy_experiment *b)
{
    return a->row == b->row && a->switcher == b->switcher &&
           a->engine == b->engine && a->variant == b->variant;
}

/* The combination that was measured at the most numbers of jobs. */
static double print_jobs(const struct block *block, FILE *to)
{
    struct spread most = {.count = 0};
    char name[128], title[256];
    size_t i, j;

    for (i = 0; i < block->count; i++) {
        struct spread s = {.count = 0};

        if (block->rows[i]->exp->row != SY_ROW_COMBINATION)
            continue;
        for (j = 0; j < block->count; j++)
            if (result_has_figures(block->rows[j]) &&
                same_parts(block->rows[i]->exp, block->rows[j]->exp))
                spread_add(&s, block->rows[j]);
        if (s.count > most.count)
            most = s;
    }
    if (most.count < 2) {
        fputs("  jobs in flight: not known, only one number was measured "
              "(--jobs 1,8,64 measures three)\n",
              to);
        return 0;
    }
    snprintf(title, sizeof(title), "jobs in flight (%s at %zu numbers of jobs)",
             name_of(most.fast, name, sizeof(name)), most.count);
    print_spread(&most, title, 1, to);
    return spread_factor(&most);
}

typedef int (*same_fn)(const struct sy_experiment *a,
                       const struct sy_experiment *b);

static int same_switcher(const struct sy_experiment *a,
                         const struct sy_experiment *b)
{
    return a->switcher == b->switcher;
}

static int same_engine(const struct sy_experiment *a,
                       const struct sy_experiment *b)
{
    return a->engine == b->engine && a->variant == b->variant;
}

/*
 * Collect the candidates that share one part with the best; where the best has
 * none, with the first candidate that has some.
 */
static struct spread spread_around(const struct block *block,
                                   const struct result *best, same_fn same)
{
    const unsigned jobs = best->exp->jobs;
    struct spread most = {.count = 0};
    size_t i, j;

    for (i = 0; i <= block->count && most.count < 2; i++) {
        const struct result *centre = i == 0 ? best : block->rows[i - 1];
        struct spread s = {.count = 0};

        if (!is_candidate(centre, jobs))
            continue;
        for (j = 0; j < block->count; j++)
            if (is_candidate(block->rows[j], jobs) &&
                same(block->rows[j]->exp, centre->exp))
                spread_add(&s, block->rows[j]);
        if (s.count > most.count)
            most = s;
    }
    return most;
}

static double print_engine(const struct block *block, const struct result *best,
                           FILE *to)
{
    struct spread s = spread_around(block, best, same_switcher);
    char title[256];

    if (s.count < 2) {
        fputs("  engine: not known, only one was measured\n", to);
        return 0;
    }
    snprintf(title, sizeof(title), "engine (%zu with switcher %s)", s.count,
             s.fast->exp->switcher->name);
    print_spread(&s, title, 0, to);
    return spread_factor(&s);
}

static double print_switcher(const struct block *block,
                             const struct result *best, FILE *to)
{
    struct spread s = spread_around(block, best, same_engine);
    char title[256];

    if (s.count < 2) {
        fputs("  switcher: not known, only one was measured\n", to);
        return 0;
    }
    snprintf(title, sizeof(title), "switcher (%zu with engine %s%s%s)", s.count,
             s.fast->exp->engine->name, s.fast->exp->variant != NULL ? "+" : "",
             s.fast->exp->variant != NULL ? s.fast->exp->variant : "");
    print_spread(&s, title, 0, to);
    return spread_factor(&s);
}

static void print_noise(const struct block *block, FILE *to)
{
    const struct result *worst = NULL;
    char name[128];
    double factor = 0;
    size_t i;

    for (i = 0; i < block->count; i++) {
        const struct result *r = block->rows[i];

        if (!result_has_figures(r) || r->rounds < 2 || r->lowest_per_s <= 0)
            continue;
        if (r->highest_per_s / r->lowest_per_s > factor) {
            factor = r->highest_per_s / r->lowest_per_s;
            worst = r;
        }
    }
    if (worst == NULL)
        fputs("  Measured once each: how much a repetition would differ is "
              "not known. The suite\n  'rigorous' repeats.\n",
              to);
    else
        fprintf(to,
                "  Noise: repetitions of one row differed by up to x %.2f "
                "(%s); smaller\n  factors than that say nothing.\n",
                factor, name_of(worst, name, sizeof(name)));
}

static void print_ranking(double factor[4], FILE *to)
{
    static const char *const words[4] = {
        "asynchronous or not", "jobs in flight", "engine", "switcher"};
    int printed = 0, round;

    for (round = 0; round < 4; round++) {
        int i, top = -1;

        for (i = 0; i < 4; i++)
            if (factor[i] > 0 && (top == -1 || factor[i] > factor[top]))
                top = i;
        if (top == -1)
            break;
        fprintf(to, "%s%s (x %.2f)",
                printed++ ? ", " : "  By effect on throughput: ", words[top],
                factor[top]);
        factor[top] = 0;
    }
    if (printed)
        fputc('\n', to);
}

static void print_what_matters(const struct block *block, unsigned jobs,
                               FILE *to)
{
    const struct result *best = find_best(block, jobs, result_per_s, 1, 0);
    double factor[4];

    /* Around what one would use; around a baseline only if that is all. */
    if (best == NULL)
        best = find_best(block, jobs, result_per_s, 1, 1);
    if (best == NULL)
        return;
    fprintf(to, "\nWhat matters (%u in flight unless it says otherwise):\n",
            jobs);
    factor[0] = print_asynchronous(block, best, to);
    factor[1] = print_jobs(block, to);
    factor[2] = print_engine(block, best, to);
    factor[3] = print_switcher(block, best, to);
    print_ranking(factor, to);
    print_noise(block, to);
}

/* ---- blocks ------------------------------------------------------------- */

/* Visit the numbers of jobs of the main rows, each once; returns the one with
   the most rows. */
static unsigned print_all_best(const struct block *block, FILE *to)
{
    unsigned main_jobs = 0;
    size_t main_count = 0, i, j;

    for (i = 0; i < block->count; i++) {
        unsigned jobs = block->rows[i]->exp->jobs;
        size_t count = 0;

        if (result_section(block->rows[i]) != 0)
            break;
        if (i != 0 && block->rows[i - 1]->exp->jobs == jobs)
            continue;
        print_best(block, jobs, to);
        for (j = 0; j < block->count; j++)
            count += (size_t)is_candidate(block->rows[j], jobs);
        if (count >= main_count) {
            main_count = count;
            main_jobs = jobs;
        }
    }
    return main_jobs;
}

static void print_heading(const struct sy_experiment *exp, FILE *to)
{
    char mix[512], duration[32];

    fprintf(to, "%s on %s, %s per experiment\n\n",
            sy_experiment_mix(exp, mix, sizeof(mix)), exp->device_spec,
            format_duration(duration, sizeof(duration), exp->duration_ns));
}

static int print_block(const struct block *block, FILE *to)
{
    unsigned jobs;

    print_heading(block->rows[0]->exp, to);
    if (result_table_print(block->rows, block->count, to) != 0)
        return -ENOMEM;
    print_left_out(block, to);
    jobs = print_all_best(block, to);
    print_what_matters(block, jobs, to);
    return 0;
}

int verdict_print(const struct results *results, FILE *to)
{
    struct block block = {NULL, 0};
    unsigned char *printed = calloc(results->count + 1, 1);
    size_t i, j;
    int err = -ENOMEM;

    block.rows = calloc(results->count + 1, sizeof(*block.rows));
    if (printed == NULL || block.rows == NULL)
        goto free_all;
    for (i = 0; i < results->count; i++) {
        if (printed[i])
            continue;
        block.count = 0;
        for (j = i; j < results->count; j++) {
            if (printed[j] ||
                !plan_same_task(results->all[i].exp, results->all[j].exp))
                continue;
            printed[j] = 1;
            block.rows[block.count++] = &results->all[j];
        }
        qsort(block.rows, block.count, sizeof(*block.rows), compare_rows);
        if (i != 0)
            fputc('\n', to);
        if (print_block(&block, to) != 0)
            goto free_all;
    }
    err = 0;

free_all:
    free(block.rows);
    free(printed);
    return err;
}
