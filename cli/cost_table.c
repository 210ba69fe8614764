/* SPDX-License-Identifier: Apache-2.0 */
#include "cost_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

static const struct {
    enum sy_cost_item item;
    const char *title, *unit;
    const char *words; /* in the reasons below the table */
    int decimals;
} columns[] = {
    {SY_COST_INSTRUCTIONS, "instructions", "user", "instructions", 1},
    {SY_COST_SYSCALLS, "syscalls", "callgrind", "syscalls (callgrind)", 2},
    {SY_COST_MALLOCS, "mallocs", "", "mallocs", 2},
    {SY_COST_KERNEL_SYSCALLS, "syscalls", "kernel", "syscalls (kernel)", 2},
    {SY_COST_SWITCHES_VOLUNTARY, "switches", "voluntary", "voluntary switches",
     3},
    {SY_COST_SWITCHES_INVOLUNTARY, "switches", "involunt.",
     "involuntary switches", 3},
    {SY_COST_FAULTS_MINOR, "faults", "minor", "minor faults", 3},
    {SY_COST_FAULTS_MAJOR, "faults", "major", "major faults", 3},
    {SY_COST_RESIDENT_BYTES, "resident", "B/paused job", "resident bytes", 0},
    {SY_COST_PMU_INSTRUCTIONS_USER, "instr. PMU", "user", "PMU counts (user)",
     1},
    {SY_COST_PMU_INSTRUCTIONS_KERNEL, "instr. PMU", "kernel",
     "PMU counts (kernel)", 1},
    {SY_COST_PMU_CYCLES_USER, "cycles PMU", "user", "PMU counts (user)", 1},
    {SY_COST_PMU_CYCLES_KERNEL, "cycles PMU", "kernel", "PMU counts (kernel)",
     1},
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* A column that shows nothing but zeros of a kind that is usually zero would
   cost width for nothing. */
static int is_worth_showing(size_t column, const struct sy_cost_count *c)
{
    if (c->count < 0)
        return 0;
    return columns[column].item != SY_COST_FAULTS_MAJOR || c->count > 0;
}

static int same_group(const struct sy_experiment *a,
                      const struct sy_experiment *b)
{
    return plan_same_task(a, b);
}

static void fill_row(struct table *table, const struct plan_entry *entry,
                     const struct sy_cost *cost)
{
    char name[SY_OUTCOME_NAME_BYTES * 2];
    size_t i;

    table_cell(table, "%s",
               sy_experiment_name(&entry->exp, name, sizeof(name)));
    table_cell(table, "%u", cost->jobs);
    for (i = 0; i < COLUMNS; i++) {
        const struct sy_cost_count *c = &cost->items[columns[i].item];

        if (is_worth_showing(i, c))
            table_number(table, (double)c->count / (double)c->per,
                         columns[i].decimals);
        else
            table_cell(table, "%s", "");
    }
}

/* ---- reasons ------------------------------------------------------------- */

/* One reason, and what it is the reason for. */
struct reason {
    const char *why;
    size_t column; /* the first that has it */
    unsigned columns_count, rows;
    char rows_text[256], columns_text[512];
};

struct reasons {
    struct reason all[64];
    size_t count;
};

static void append(char *text, size_t bytes, const char *more)
{
    size_t used = strlen(text);

    /* Whole words, already there or not. */
    if (strstr(text, more) != NULL)
        return;
    snprintf(text + used, bytes - used, "%s%s", used > 0 ? ", " : "", more);
}

static struct reason *find_reason(struct reasons *r, const char *why)
{
    size_t i;

    for (i = 0; i < r->count; i++)
        if (strcmp(r->all[i].why, why) == 0)
            return &r->all[i];
    if (r->count == sizeof(r->all) / sizeof(r->all[0]))
        return NULL;
    memset(&r->all[r->count], 0, sizeof(r->all[0]));
    r->all[r->count].why = why;
    return &r->all[r->count++];
}

static void add_reasons(struct reasons *r, const char *name,
                        const struct sy_cost *cost)
{
    size_t i;

    for (i = 0; i < COLUMNS; i++) {
        const struct sy_cost_count *c = &cost->items[columns[i].item];
        struct reason *reason;

        if (c->count >= 0)
            continue;
        reason = find_reason(r, c->why);
        if (reason == NULL)
            continue;
        append(reason->columns_text, sizeof(reason->columns_text),
               columns[i].words);
        append(reason->rows_text, sizeof(reason->rows_text), name);
        reason->rows++;
    }
}

static int is_of_all(const struct reason *reason, const char *const *names,
                     size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (strstr(reason->rows_text, names[i]) == NULL)
            return 0;
    return 1;
}

static void print_reasons(const struct reasons *r, const char *const *names,
                          size_t count, FILE *to)
{
    size_t i;

    for (i = 0; i < r->count; i++) {
        const struct reason *reason = &r->all[i];

        fprintf(to, "no %s", reason->columns_text);
        if (!is_of_all(reason, names, count))
            fprintf(to, " of %s", reason->rows_text);
        fprintf(to, ": %s\n", reason->why);
    }
}

/* ---- a task -------------------------------------------------------------- */

static struct table *new_table(void)
{
    static struct table_column heads[COLUMNS + 2];
    size_t i;

    heads[0] = (struct table_column){"row", "", 0};
    heads[1] = (struct table_column){"jobs", "", 1};
    for (i = 0; i < COLUMNS; i++)
        heads[i + 2] =
            (struct table_column){columns[i].title, columns[i].unit, 1};
    return table_new(heads, COLUMNS + 2);
}

static int print_task(const struct plan *plan, struct sy_cost *const *costs,
                      size_t first, FILE *to)
{
    const struct sy_experiment *task = &plan->entries[first].exp;
    struct table *table = new_table();
    char(*names)[SY_OUTCOME_NAME_BYTES * 2] =
        calloc(plan->count, sizeof(*names));
    const char **shown = calloc(plan->count, sizeof(*shown));
    struct reasons *reasons = calloc(1, sizeof(*reasons));
    size_t i, count = 0;
    char mix[256];
    int err = 0;

    if (table == NULL || names == NULL || shown == NULL || reasons == NULL)
        err = -ENOMEM;
    for (i = first; i < plan->count && err == 0; i++) {
        const struct plan_entry *entry = &plan->entries[i];

        if (costs[i] == NULL || !same_group(task, &entry->exp))
            continue;
        sy_experiment_name(&entry->exp, names[i], sizeof(names[i]));
        if (costs[i]->status != SY_OUTCOME_OK)
            continue;
        shown[count++] = names[i];
        err = table_row(table);
        if (err == 0)
            fill_row(table, entry, costs[i]);
        add_reasons(reasons, names[i], costs[i]);
    }
    if (err == 0) {
        fprintf(to, "%s on %s, per operation\n\n",
                sy_experiment_mix(task, mix, sizeof(mix)), task->device_spec);
        if (count > 0)
            table_print(table, to);
        print_reasons(reasons, shown, count, to);
        for (i = first; i < plan->count; i++)
            if (costs[i] != NULL && names[i][0] != '\0' &&
                costs[i]->status != SY_OUTCOME_OK)
                fprintf(to, "%s %s: %s\n", names[i],
                        costs[i]->status == SY_OUTCOME_SKIPPED ? "left out"
                                                               : "FAILED",
                        costs[i]->reason);
        fputc('\n', to);
    }
    free(reasons);
    free(shown);
    free(names);
    table_free(table);
    return err;
}

static int is_first_of_task(const struct plan *plan,
                            struct sy_cost *const *costs, size_t i)
{
    size_t j;

    if (costs[i] == NULL)
        return 0;
    for (j = 0; j < i; j++)
        if (costs[j] != NULL &&
            same_group(&plan->entries[j].exp, &plan->entries[i].exp))
            return 0;
    return 1;
}

int cost_table_print(const struct plan *plan, struct sy_cost *const *costs,
                     FILE *to)
{
    size_t i;
    int err = 0;

    for (i = 0; i < plan->count && err == 0; i++)
        if (is_first_of_task(plan, costs, i))
            err = print_task(plan, costs, i, to);
    return err;
}
