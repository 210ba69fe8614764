/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct row {
    int is_rule;
    char cell[TABLE_COLUMNS_MAX][TABLE_CELL_BYTES];
};

struct table {
    const struct table_column *columns;
    size_t columns_count;
    struct row *rows;
    size_t rows_count, rows_room;
    size_t next; /* cell of the last row */
};

struct table *table_new(const struct table_column *columns, size_t count)
{
    struct table *table = calloc(1, sizeof(*table));

    assert(count <= TABLE_COLUMNS_MAX);
    if (table == NULL)
        return NULL;
    table->columns = columns;
    table->columns_count = count;
    return table;
}

void table_free(struct table *table)
{
    if (table == NULL)
        return;
    free(table->rows);
    free(table);
}

int table_row(struct table *table)
{
    if (table->rows_count == table->rows_room) {
        size_t room = table->rows_room * 2 + 16;
        struct row *rows = realloc(table->rows, room * sizeof(*rows));

        if (rows == NULL)
            return -ENOMEM;
        table->rows = rows;
        table->rows_room = room;
    }
    memset(&table->rows[table->rows_count++], 0, sizeof(struct row));
    table->next = 0;
    return 0;
}

int table_rule(struct table *table)
{
    if (table_row(table) != 0)
        return -ENOMEM;
    table->rows[table->rows_count - 1].is_rule = 1;
    return 0;
}

static char *next_cell(struct table *table)
{
    assert(table->next < table->columns_count);
    return table->rows[table->rows_count - 1].cell[table->next++];
}

void table_cell(struct table *table, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(next_cell(table), TABLE_CELL_BYTES, format, args);
    va_end(args);
}

const char *format_number(char *buf, size_t bytes, double value, int decimals)
{
    char digits[64];
    size_t whole, n, i, used = 0;

    n = (size_t)snprintf(digits, sizeof(digits), "%.*f", decimals, value);
    if (n >= sizeof(digits))
        n = sizeof(digits) - 1;
    whole = strcspn(digits, ".");
    for (i = 0; i < n && used + 2 < bytes; i++) {
        if (i != 0 && i < whole && (whole - i) % 3 == 0 && digits[i - 1] != '-')
            buf[used++] = ',';
        buf[used++] = digits[i];
    }
    buf[used] = '\0';
    return buf;
}

void table_number(struct table *table, double value, int decimals)
{
    format_number(next_cell(table), TABLE_CELL_BYTES, value, decimals);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* 0: every cell is empty, leave the column out. */
static size_t column_width(const struct table *table, size_t c)
{
    size_t i, width = 0;

    for (i = 0; i < table->rows_count; i++)
        width = larger(width, strlen(table->rows[i].cell[c]));
    if (width == 0)
        return 0;
    width = larger(width, strlen(table->columns[c].title));
    return larger(width, strlen(table->columns[c].unit));
}

static void print_cells(const struct table *table, const size_t *width,
                        const char *const *cells, FILE *to)
{
    size_t c, pending = 0; /* blanks that only matter if something follows */

    for (c = 0; c < table->columns_count; c++) {
        size_t bytes = strlen(cells[c]), pad;

        if (width[c] == 0)
            continue;
        pad = width[c] - bytes;
        if (table->columns[c].is_number)
            pending += pad;
        if (bytes != 0) {
            fprintf(to, "%*s%s", (int)pending, "", cells[c]);
            pending = 0;
        }
        pending += 2 + (table->columns[c].is_number ? 0 : pad);
    }
    fputc('\n', to);
}

static void print_rule(const struct table *table, const size_t *width, FILE *to)
{
    size_t c, total = 0;

    for (c = 0; c < table->columns_count; c++)
        total += width[c] != 0 ? width[c] + 2 : 0;
    for (; total > 2; total--)
        fputc('-', to);
    fputc('\n', to);
}

void table_print(const struct table *table, FILE *to)
{
    size_t width[TABLE_COLUMNS_MAX] = {0}, c, i;
    const char *cells[TABLE_COLUMNS_MAX] = {NULL};
    int has_units = 0;

    for (c = 0; c < table->columns_count; c++) {
        width[c] = column_width(table, c);
        cells[c] = table->columns[c].title;
        has_units |= table->columns[c].unit[0] != '\0';
    }
    print_cells(table, width, cells, to);
    if (has_units) {
        for (c = 0; c < table->columns_count; c++)
            cells[c] = table->columns[c].unit;
        print_cells(table, width, cells, to);
    }
    print_rule(table, width, to);
    for (i = 0; i < table->rows_count; i++) {
        if (table->rows[i].is_rule) {
            print_rule(table, width, to);
            continue;
        }
        for (c = 0; c < table->columns_count; c++)
            cells[c] = table->rows[i].cell[c];
        print_cells(table, width, cells, to);
    }
}
