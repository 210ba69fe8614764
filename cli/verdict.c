/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "noise.h"
#include "result_table.h"
#include "table.h"
#include "what_matters.h"

/* ---- order -------------------------------------------------------------- */

/* In the order of their table. */
static int compare_peers(const struct sy_peer_ops *a,
                         const struct sy_peer_ops *b)
{
    const struct sy_peer_ops *const *peer = sy_peer_table();

    while (*peer != NULL && *peer != a && *peer != b)
        peer++;
    return *peer == a ? -1 : 1;
}

/* Best first, by jobs; reference rows in their own order. */
static int compare_rows(const void *left, const void *right)
{
    const struct result *a = *(const struct result *const *)left;
    const struct result *b = *(const struct result *const *)right;
    enum result_section section = result_section(a);
    double by_speed;

    if (section != result_section(b))
        return section < result_section(b) ? -1 : 1;
    if (section == SECTION_REFERENCE && a->exp->row != b->exp->row)
        return a->exp->row < b->exp->row ? -1 : 1;
    if (a->exp->peer != b->exp->peer)
        return compare_peers(a->exp->peer, b->exp->peer);
    if (a->exp->jobs != b->exp->jobs)
        return a->exp->jobs < b->exp->jobs ? -1 : 1;
    if (result_has_figures(a) != result_has_figures(b))
        return result_has_figures(a) ? -1 : 1;
    by_speed = result_has_figures(a) ? result_per_s(b) - result_per_s(a) : 0;
    if (by_speed != 0)
        return by_speed < 0 ? -1 : 1;
    return a < b ? -1 : 1; /* the order of the tables of parts */
}

/* ---- below the table ---------------------------------------------------- */

/* Name the switchers that have a section of their own. */
static void print_no_pause(const struct block *block, FILE *to)
{
    const struct sy_switcher_ops *last = NULL;
    size_t i, j;
    int named = 0;

    for (i = 0; i < block->count; i++) {
        const struct result *r = block->rows[i];

        if (result_section(r) != SECTION_NO_PAUSE || r->exp->switcher == last)
            continue;
        last = r->exp->switcher;
        for (j = 0; j < i; j++)
            if (block->rows[j]->exp->switcher == last)
                break;
        if (j < i)
            continue; /* named before */
        fprintf(to, "%s%s", named++ ? ", " : "\nBelow the line, because ",
                last->name);
    }
    if (named)
        fputs(" cannot pause: the job layer alone, with one job in\nflight at "
              "a time. These rows do not take part below.\n",
              to);
}

static void print_mix_note(const struct block *block, FILE *to)
{
    if (block->rows[0]->exp->mix_count > 1)
        fputs("\nThe latencies are those of all operations of the mix "
              "together, short and long.\n",
              to);
}

/* How much of a CPU the row got that never waits for anything. */
#define CPU_SHARE_MIN 0.9

static void print_disturbed(const struct block *block, const char *busy,
                            FILE *to)
{
    size_t i;

    if (busy[0] != '\0')
        fprintf(to, "\n%s\n", busy);
    for (i = 0; i < block->count; i++) {
        const struct result *r = block->rows[i];
        double share;

        if (r->exp->row != SY_ROW_SOFTWARE || !result_has_figures(r))
            continue;
        share = (double)(r->sum.cpu_ns + r->sum.verify_cpu_ns) /
                (double)r->sum.elapsed_ns;
        if (share < CPU_SHARE_MIN)
            fprintf(to,
                    "%sRow 'software', which never waits, got only %.0f %% of "
                    "a CPU: other programs were\nrunning.\n",
                    busy[0] != '\0' ? "" : "\n", share * 100);
    }
}

/* ---- the best ----------------------------------------------------------- */

#define NO_FIGURE 1e300

static double p99_us(const struct result *r)
{
    uint64_t ns;

    /* Without enough samples it must not come out best. */
    if (!sy_outcome_quantile(&r->sum, 0.99, &ns))
        return NO_FIGURE;
    return (double)ns / (double)SY_NS_PER_US;
}

struct contest {
    const char *title, *unit;
    figure_fn figure;
    size_t range; /* offset of the figure's range in struct result */
    double sign;  /* 1: the largest wins; -1: the smallest */
    int decimals;
};

static const struct range *range_of(const struct contest *contest,
                                    const struct result *r)
{
    return (const void *)((const char *)r + contest->range);
}

static void print_winner(const struct contest *contest, const struct result *r,
                         const char *note, FILE *to)
{
    char name[128], number[32];

    fprintf(to, "  %-12s %-24s %s %s%s", contest->title,
            sy_experiment_name(r->exp, name, sizeof(name)),
            format_number(number, sizeof(number), contest->figure(r),
                          contest->decimals),
            contest->unit, note);
    if (is_baseline(r))
        fprintf(to, "  (%s is a baseline, there to be compared with)",
                r->exp->engine->name);
    fputc('\n', to);
}

#define TIES_SHOWN 4

/* Those that a repetition might have put first. */
static void print_ties(const struct block *block, const struct contest *contest,
                       const struct result *best, FILE *to)
{
    char name[128];
    size_t i, count = 0;

    if (best->rounds < 2)
        return;
    for (i = 0; i < block->count; i++) {
        const struct result *r = block->rows[i];

        if (r == best || !is_candidate(r, best->exp->jobs) || r->rounds < 2 ||
            !ranges_overlap(range_of(contest, best), range_of(contest, r)))
            continue;
        if (count++ < TIES_SHOWN)
            fprintf(to, "%s%s",
                    count == 1 ? "               not told apart from it: "
                               : ", ",
                    sy_experiment_name(r->exp, name, sizeof(name)));
    }
    if (count > TIES_SHOWN)
        fprintf(to, " and %zu more", count - TIES_SHOWN);
    if (count != 0)
        fputs("\n               (the rounds overlap)\n", to);
}

static void print_best(const struct block *block, unsigned jobs, FILE *to)
{
    static const struct contest contests[] = {
        {"throughput", "ops/s", result_per_s, offsetof(struct result, per_s), 1,
         0},
        {"CPU per job", "us", result_cpu_us, offsetof(struct result, cpu_us),
         -1, 2},
        {"p99", "us", p99_us, offsetof(struct result, p99_us), -1, 1},
    };
    size_t i;

    fprintf(to, "\nBest for this workload, %u in flight:\n", jobs);
    for (i = 0; i < sizeof(contests) / sizeof(contests[0]); i++) {
        const struct contest *c = &contests[i];
        const struct result *best =
            find_best(block, jobs, c->figure, c->sign, 1);
        const struct result *usable =
            find_best(block, jobs, c->figure, c->sign, 0);

        if (c->figure(best) >= NO_FIGURE)
            continue;
        print_winner(c, best, "", to);
        print_ties(block, c, best, to);
        if (usable != NULL && usable != best && c->figure(usable) < NO_FIGURE)
            print_winner(c, usable, "  (best of the other engines)", to);
    }
}

/* Visit the numbers of jobs of the main rows, each once; returns the one with
   the most rows, 0 if there are no candidates. */
static unsigned print_all_best(const struct block *block, FILE *to)
{
    unsigned main_jobs = 0;
    size_t main_count = 0, i, j;

    for (i = 0; i < block->count; i++) {
        unsigned jobs = block->rows[i]->exp->jobs;
        size_t count = 0;

        if (result_section(block->rows[i]) != SECTION_MAIN)
            break;
        if (i != 0 && block->rows[i - 1]->exp->jobs == jobs)
            continue;
        for (j = 0; j < block->count; j++)
            count += (size_t)is_candidate(block->rows[j], jobs);
        if (count > 1) /* else there is nothing to be better than */
            print_best(block, jobs, to);
        if (count != 0 && count >= main_count) {
            main_count = count;
            main_jobs = jobs;
        }
    }
    return main_jobs;
}

/* ---- blocks ------------------------------------------------------------- */

static void print_heading(const struct sy_experiment *exp, FILE *to)
{
    char mix[512], duration[32];

    fprintf(to, "%s on %s, %s per experiment\n\n",
            sy_experiment_mix(exp, mix, sizeof(mix)), exp->device_spec,
            format_duration(duration, sizeof(duration), exp->duration_ns));
}

static int print_block(struct block *block, const char *busy, FILE *to)
{
    unsigned jobs;

    print_heading(block->rows[0]->exp, to);
    if (result_table_print(block->rows, block->count, to) != 0 ||
        noise_find(&block->noise, block->rows, block->count) != 0)
        return -ENOMEM;
    print_no_pause(block, to);
    print_mix_note(block, to);
    print_disturbed(block, busy, to);
    if (block->noise.rows != 0 || block->count > 1)
        noise_print(&block->noise, to);
    jobs = print_all_best(block, to);
    if (jobs != 0)
        what_matters_print(block, jobs, to);
    return 0;
}

int verdict_print(const struct results *results, const char *busy, FILE *to)
{
    struct block block = {.rows = NULL};
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
        if (print_block(&block, busy, to) != 0)
            goto free_all;
    }
    err = 0;

free_all:
    free(block.rows);
    free(printed);
    return err;
}
