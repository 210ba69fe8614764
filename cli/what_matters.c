/* SPDX-License-Identifier: Apache-2.0 */
#include "what_matters.h"

#include <stdio.h>
#include <string.h>

#include "table.h"

/* More throughput than the rest of it is hardly worth more jobs. */
#define KNEE_SHARE 0.95

static const char *name_of(const struct result *r, char *buf, size_t bytes)
{
    return sy_experiment_name(r->exp, buf, bytes);
}

/* ---- candidates --------------------------------------------------------- */

int is_candidate(const struct result *r, unsigned jobs)
{
    return r->exp->row == SY_ROW_COMBINATION &&
           (jobs == 0 || r->exp->jobs == jobs) &&
           result_section(r) != SECTION_NO_PAUSE && result_has_figures(r);
}

int is_baseline(const struct result *r)
{
    return (r->exp->engine->caps & SY_EN_BASELINE) != 0;
}

const struct result *find_best(const struct block *block, unsigned jobs,
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

/* ---- spreads ------------------------------------------------------------ */

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

/* What one choice did to throughput. */
struct effect {
    const char *of;
    double factor; /* 0: not known */
    int is_noise;
};

static struct effect effect_of(const struct block *block,
                               const struct spread *s, const char *of)
{
    struct effect e = {.of = of};

    if (s->count < 2)
        return e;
    e.factor = spread_factor(s);
    e.is_noise = noise_covers(&block->noise, s->slow, s->fast);
    return e;
}

/* ---- asynchronous or not ------------------------------------------------ */

static const struct result *find_row(const struct block *block, enum sy_row row)
{
    size_t i;

    for (i = 0; i < block->count; i++)
        if (block->rows[i]->exp->row == row &&
            result_has_figures(block->rows[i]))
            return block->rows[i];
    return NULL;
}

/* Worth saying aloud: nothing else in the table says "do not offload". */
static void print_offloading(const struct block *block, FILE *to)
{
    const struct result *software = find_row(block, SY_ROW_SOFTWARE);
    const struct result *best = find_best(block, 0, result_per_s, 1, 1);
    char name[128], x[32], y[32];
    double factor;

    if (software == NULL || best == NULL)
        return;
    fprintf(to,
            "  computing in the loop (software): %s ops/s, %s us of CPU per "
            "job\n    ",
            format_number(x, sizeof(x), result_per_s(software), 0),
            format_number(y, sizeof(y), result_cpu_us(software), 2));
    name_of(best, name, sizeof(name));
    factor = result_per_s(best) / result_per_s(software);
    if (factor < 1 ? noise_covers(&block->noise, best, software)
                   : noise_covers(&block->noise, software, best))
        fprintf(to,
                "%s is as fast as that within the noise: whether offloading "
                "pays on this\n    device is not told.\n",
                name);
    else if (factor < 1)
        fprintf(to,
                "Computing in the loop beats every pair here, by x %.2f and "
                "more: on this device\n    offloading does not pay.\n",
                1 / factor);
    else
        fprintf(to, "Offloading pays here: %s is x %.2f faster than that.\n",
                name, factor);
}

static struct effect print_asynchronous(const struct block *block,
                                        const struct result *best, FILE *to)
{
    static const char of[] = "asynchronous or not";
    struct spread s = {.count = 0};
    const struct result *blocking = find_row(block, SY_ROW_BLOCKING);
    char fast[128], slow[128], title[384];
    struct effect effect;

    if (blocking == NULL) {
        fprintf(to,
                "  %s: not known, the row 'blocking' (submit and wait) has no "
                "figures\n",
                of);
        return effect_of(block, &s, of);
    }
    spread_add(&s, blocking);
    spread_add(&s, best);
    effect = effect_of(block, &s, of);
    snprintf(title, sizeof(title), "%s: %s is x %.2f faster than %s%s", of,
             name_of(s.fast, fast, sizeof(fast)), effect.factor,
             name_of(s.slow, slow, sizeof(slow)),
             effect.is_noise ? ", which is within the noise" : "");
    print_spread(&s, title, 0, to);
    return effect;
}

/* ---- jobs in flight ----------------------------------------------------- */

static int same_parts(const struct sy_experiment *a,
                      const struct sy_experiment *b)
{
    return a->row == b->row && a->switcher == b->switcher &&
           a->engine == b->engine && a->variant == b->variant;
}

/* The result of a combination with the fewest jobs that does so much; NULL: it
   does with none. */
static const struct result *fewest_jobs(const struct block *block,
                                        const struct sy_experiment *of,
                                        double per_s)
{
    const struct result *found = NULL;
    size_t i;

    for (i = 0; i < block->count; i++) {
        const struct result *r = block->rows[i];

        if (result_has_figures(r) && same_parts(r->exp, of) &&
            result_per_s(r) >= per_s &&
            (found == NULL || r->exp->jobs < found->exp->jobs))
            found = r;
    }
    return found;
}

/* From how many jobs on it is worth while, and beyond how many it is not. */
static void print_knee(const struct block *block, const struct result *fastest,
                       FILE *to)
{
    const struct result *even;
    char per_s[32];
    size_t i;

    fprintf(to, "    the fewest with %.0f %% of the highest throughput: %u\n",
            100 * KNEE_SHARE,
            fewest_jobs(block, fastest->exp, KNEE_SHARE * result_per_s(fastest))
                ->exp->jobs);
    for (i = 0; i < block->count; i++) {
        const struct result *r = block->rows[i];

        if (r->exp->row != SY_ROW_SOFTWARE || !result_has_figures(r))
            continue;
        even = fewest_jobs(block, fastest->exp, result_per_s(r));
        format_number(per_s, sizeof(per_s), result_per_s(r), 0);
        if (even != NULL)
            fprintf(to,
                    "    the fewest with as much as software alone (%s "
                    "ops/s): %u\n",
                    per_s, even->exp->jobs);
        else
            fprintf(to,
                    "    with none of them as much as software alone (%s "
                    "ops/s)\n",
                    per_s);
    }
}

/* The combination that was measured at the most numbers of jobs. */
static struct effect print_jobs(const struct block *block, FILE *to)
{
    static const char of[] = "jobs in flight";
    struct spread most = {.count = 0};
    char name[128], title[256];
    size_t i, j;

    for (i = 0; i < block->count; i++) {
        struct spread s = {.count = 0};

        if (!is_candidate(block->rows[i], 0))
            continue;
        for (j = 0; j < block->count; j++)
            if (result_has_figures(block->rows[j]) &&
                same_parts(block->rows[i]->exp, block->rows[j]->exp))
                spread_add(&s, block->rows[j]);
        if (s.count > most.count)
            most = s;
    }
    if (most.count < 2) {
        fprintf(to,
                "  %s: not known, only one number was measured (--jobs 1,8,64 "
                "measures\n    three)\n",
                of);
        return effect_of(block, &(struct spread){.count = 0}, of);
    }
    snprintf(title, sizeof(title),
             "%s (shown on %s, the pair with the most numbers of jobs: %zu)",
             of, name_of(most.fast, name, sizeof(name)), most.count);
    print_spread(&most, title, 1, to);
    print_knee(block, most.fast, to);
    return effect_of(block, &most, of);
}

/* ---- engine and switcher ------------------------------------------------ */

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

static struct effect print_engine(const struct block *block,
                                  const struct result *best, FILE *to)
{
    struct spread s = spread_around(block, best, same_switcher);
    char title[256];

    if (s.count < 2) {
        fputs("  engine: not known, only one was measured\n", to);
    } else {
        snprintf(title, sizeof(title), "engine (%zu with switcher %s)", s.count,
                 s.fast->exp->switcher->name);
        print_spread(&s, title, 0, to);
    }
    return effect_of(block, &s, "engine");
}

static struct effect print_switcher(const struct block *block,
                                    const struct result *best, FILE *to)
{
    struct spread s = spread_around(block, best, same_engine);
    char title[256];

    if (s.count < 2) {
        fputs("  switcher: not known, only one was measured\n", to);
    } else {
        const char *variant = s.fast->exp->variant;

        snprintf(title, sizeof(title), "switcher (%zu with engine %s%s%s)",
                 s.count, s.fast->exp->engine->name, variant != NULL ? "+" : "",
                 variant != NULL ? variant : "");
        print_spread(&s, title, 0, to);
    }
    return effect_of(block, &s, "switcher");
}

/* ---- together ----------------------------------------------------------- */

#define EFFECTS 4

/* Print the effects, largest first; or that there is nothing to rank. */
static void print_ranking(struct effect effects[EFFECTS],
                          const struct noise *noise, FILE *to)
{
    int known = 0, real = 0, printed = 0, i;

    for (i = 0; i < EFFECTS; i++) {
        known += effects[i].factor > 0;
        real += effects[i].factor > 0 && !effects[i].is_noise;
    }
    if (known != 0 && real == 0) {
        fprintf(to,
                "  No factor moved the result by more than the noise (x %.2f): "
                "this run does not\n  tell which pair to use. Run it on a "
                "quiet machine, or with more --seed.\n",
                noise->nine_in_ten);
        return;
    }
    for (; known > 0; known--) {
        struct effect *top = &effects[0];

        for (i = 1; i < EFFECTS; i++)
            if (effects[i].factor > top->factor)
                top = &effects[i];
        fprintf(to, "%s%s (x %.2f%s)",
                printed++ ? ", " : "  By effect on throughput: ", top->of,
                top->factor, top->is_noise ? ": within the noise" : "");
        top->factor = 0;
    }
    if (printed)
        fputc('\n', to);
}

static int is_worth_comparing(const struct block *block)
{
    size_t i, figures = 0;

    for (i = 0; i < block->count; i++)
        figures += result_has_figures(block->rows[i]) != 0;
    return figures > 1;
}

void what_matters_print(const struct block *block, unsigned jobs, FILE *to)
{
    const struct result *best = find_best(block, jobs, result_per_s, 1, 0);
    struct effect effects[EFFECTS];

    /* Around what one would use; around a baseline only if that is all. */
    if (best == NULL)
        best = find_best(block, jobs, result_per_s, 1, 1);
    if (best == NULL || !is_worth_comparing(block))
        return;
    fprintf(to, "\nWhat matters (%u in flight unless it says otherwise):\n",
            jobs);
    effects[0] = print_asynchronous(block, best, to);
    print_offloading(block, to);
    effects[1] = print_jobs(block, to);
    effects[2] = print_engine(block, best, to);
    effects[3] = print_switcher(block, best, to);
    print_ranking(effects, &block->noise, to);
}
