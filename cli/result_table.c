/* SPDX-License-Identifier: Apache-2.0 */
#include "result_table.h"

#include <errno.h>
#include <string.h>

#include "table.h"

static const struct table_column columns[] = {
    {"switcher+engine", "", 0},
    {"jobs", "in flight", 1},
    {"throughput", "ops/s", 1},
    {"p50", "us", 1},
    {"p99", "us", 1},
    {"p99.9", "us", 1},
    {"CPU per job", "us", 1},
    {"system calls", "per job", 1},
    {"verified", "operations", 1},
    {"rounds", "lowest..highest", 1},
    {"status", "", 0},
};

#define COLUMNS_COUNT (sizeof(columns) / sizeof(columns[0]))

static void put_quantile(struct table *table, const struct result *r, double q)
{
    uint64_t ns;

    if (sy_outcome_quantile(&r->sum, q, &ns))
        table_number(table, (double)ns / (double)SY_NS_PER_US, 1);
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

static int put_row(struct table *table, const struct result *r)
{
    char name[128], low[32], high[32];
    int i;

    if (table_row(table) != 0)
        return -ENOMEM;
    table_cell(table, "%s", sy_experiment_name(r->exp, name, sizeof(name)));
    table_number(table, (double)r->exp->jobs, 0);
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
                   format_number(low, sizeof(low), r->lowest_per_s, 0),
                   format_number(high, sizeof(high), r->highest_per_s, 0));
    else
        table_cell(table, "%s", "");
    table_cell(table, "%s%s", result_status_word(r->status),
               r->status == RESULT_OK && r->sum.partial ? ", cut short" : "");
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

int result_table_print(const struct result *const *rows, size_t count, FILE *to)
{
    struct table *table = table_new(columns, COLUMNS_COUNT);
    size_t i;

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
    return 0;

free_table:
    table_free(table);
    return -ENOMEM;
}
