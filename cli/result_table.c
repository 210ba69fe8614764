/* SPDX-License-Identifier: Apache-2.0 */
#include "result_table.h"

#include <errno.h>
#include <string.h>

#include "table.h"

/* Kept short: the widest table of the standard suite fits 120 columns. */
static const struct table_column columns[] = {
    {"switcher+engine", "", 0},
    {"jobs", "", 1},
    {"throughput", "ops/s", 1},
    {"p50", "us", 1},
    {"p99", "us", 1},
    {"p99.9", "us", 1},
    {"CPU", "us/job", 1},
    {"syscalls", "per job", 1},
    {"verified", "a sample", 1},
    {"rounds, ops/s", "lowest..highest", 1},
    {"status", "", 0}, /* nothing where all is well */
};

enum { COLUMN_VERIFIED = 8 };

#define COLUMNS_COUNT (sizeof(columns) / sizeof(columns[0]))

/* Three digits: an operation that does nothing takes less than a us. */
static void put_us(struct table *table, double us)
{
    table_number(table, us, us < 1 ? 3 : us < 10 ? 2 : 1);
}

static void put_quantile(struct table *table, const struct result *r, double q)
{
    uint64_t ns;

    if (sy_outcome_quantile(&r->sum, q, &ns))
        put_us(table, (double)ns / (double)SY_NS_PER_US);
    else
        table_cell(table, "-");
}

static void put_figures(struct table *table, const struct result *r)
{
    double syscalls;

    table_number(table, result_per_s(r), 0);
    put_quantile(table, r, 0.5);
    put_quantile(table, r, 0.99);
    put_quantile(table, r, 0.999);
    table_number(table, result_cpu_us(r), 2);
    if (result_syscalls(r, &syscalls))
        table_number(table, syscalls, 2);
    else
        table_cell(table, "-");
}

/* One where only one is possible, whatever was asked; a row that did not get
   that far shows what was asked. */
static unsigned jobs_in_flight(const struct result *r)
{
    return result_has_figures(r) ? r->sum.jobs : r->exp->jobs;
}

static int put_row(struct table *table, const struct result *r)
{
    char name[128], low[32], high[32];
    int i;

    if (table_row(table) != 0)
        return -ENOMEM;
    table_cell(table, "%s", sy_experiment_name(r->exp, name, sizeof(name)));
    table_number(table, (double)jobs_in_flight(r), 0);
    if (result_has_figures(r))
        put_figures(table, r);
    else
        for (i = 0; i < 6; i++)
            table_cell(table, "-");
    if (result_has_figures(r))
        table_number(table, (double)r->sum.verified, 0);
    else
        table_cell(table, "-");
    if (r->rounds > 1)
        table_cell(table, "%s..%s",
                   format_number(low, sizeof(low), r->per_s.low, 0),
                   format_number(high, sizeof(high), r->per_s.high, 0));
    else
        table_cell(table, "%s", "");
    if (r->status == RESULT_OK)
        table_cell(table, "%s", r->sum.partial ? "cut short" : "");
    else
        table_cell(table, "%s", result_status_word(r->status));
    return 0;
}

static void print_reasons(const struct result *const *rows, size_t count,
                          FILE *to)
{
    char name[128];
    size_t i;
    int first = 1;

    for (i = 0; i < count; i++) {
        const struct result *r = rows[i];

        if (r->status == RESULT_OK)
            continue;
        if (first)
            fputs("\nRows without figures:\n", to);
        first = 0;
        fprintf(to, "  %s, %u in flight: %s: %s\n",
                sy_experiment_name(r->exp, name, sizeof(name)), r->exp->jobs,
                result_status_word(r->status),
                r->reason[0] != '\0' ? r->reason : "no reason was given");
    }
    for (i = 0; i < count; i++) {
        if (rows[i]->status != RESULT_OK ||
            rows[i]->sum.syscalls != SY_OUTCOME_NONE ||
            rows[i]->sum.syscalls_why[0] == '\0')
            continue;
        fprintf(to,
                "\nSystem calls are not shown where they could not be "
                "counted: %s\n",
                rows[i]->sum.syscalls_why);
        break;
    }
}

/* The name of a row; where it has several numbers of jobs, with its own. */
static const char *name_in(const struct result *const *rows, size_t count,
                           const struct result *r, char *buf, size_t bytes)
{
    char other[128];
    size_t i, used;

    sy_experiment_name(r->exp, buf, bytes);
    used = strlen(buf);
    for (i = 0; i < count; i++) {
        if (rows[i] == r ||
            strcmp(sy_experiment_name(rows[i]->exp, other, sizeof(other)),
                   buf) != 0)
            continue;
        snprintf(buf + used, bytes - used, " with %u in flight",
                 jobs_in_flight(r));
        break;
    }
    return buf;
}

/* On a busy machine it is all of them. */
#define LATE_SHOWN 4

/* What the reader must know before comparing the rows. */
static void print_cautions(const struct result *const *rows, size_t count,
                           FILE *to)
{
    double late_us, p50_us;
    char name[160];
    size_t i;
    int late = 0;

    for (i = 0; i < count; i++) {
        if (!result_has_figures(rows[i]) ||
            !result_is_late(rows[i], &late_us, &p50_us))
            continue;
        if (late >= LATE_SHOWN) {
            late++;
            continue;
        }
        fprintf(to, "%s%s (%.1f of %.1f us)",
                late++ ? ", "
                       : "\nThe device itself was late, on average by more "
                         "than a tenth of p50, in: ",
                name_in(rows, count, rows[i], name, sizeof(name)), late_us,
                p50_us);
    }
    if (late > LATE_SHOWN)
        fprintf(to, " and %d more rows", late - LATE_SHOWN);
    if (late)
        fputs(".\n", to);
    if (count > 0 && rows[0]->exp->verify_every != 0)
        fputs("\nResults were verified at once (--verify all), which costs CPU "
              "time and makes others in\nflight wait: do not compare speed "
              "here.\n",
              to);
}

int result_table_print(const struct result *const *rows, size_t count, FILE *to)
{
    struct table_column shown[COLUMNS_COUNT];
    struct table *table;
    size_t i;

    memcpy(shown, columns, sizeof(shown));
    if (count > 0 && rows[0]->exp->verify_every == 1)
        shown[COLUMN_VERIFIED].unit = "all";
    table = table_new(shown, COLUMNS_COUNT);
    if (table == NULL)
        return -ENOMEM;
    for (i = 0; i < count; i++) {
        if (i != 0 && result_section(rows[i]) != result_section(rows[i - 1]) &&
            table_rule(table) != 0)
            goto free_table;
        if (put_row(table, rows[i]) != 0)
            goto free_table;
    }
    table_print(table, to);
    table_free(table);
    print_reasons(rows, count, to);
    print_cautions(rows, count, to);
    return 0;

free_table:
    table_free(table);
    return -ENOMEM;
}
