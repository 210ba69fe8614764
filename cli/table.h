/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned tables of text, and numbers written for people. */
#ifndef SWITCHYARD_CLI_TABLE_H
#define SWITCHYARD_CLI_TABLE_H

#include <stdint.h>
#include <stdio.h>
#include <switchyard/compiler.h>

#define TABLE_COLUMNS_MAX 16
#define TABLE_CELL_BYTES  96

struct table_column {
    const char *title;
    const char *unit; /* below the title; "" for none */
    int is_number;    /* right-aligned */
};

struct table;

/*
 * Begin a table.
 *
 * @columns  borrowed; count of them, at most TABLE_COLUMNS_MAX
 *
 * Returns it, or NULL if there is no memory.
 */
struct table *table_new(const struct table_column *columns, size_t count);

/* Begin a row; returns 0 or -ENOMEM. */
int table_row(struct table *table);

/* Begin a row that is a line of dashes; returns 0 or -ENOMEM. */
int table_rule(struct table *table);

/* Set the next cell of the row; longer text is cut. */
void table_cell(struct table *table, const char *format, ...) SY_PRINTF(2, 3);

/* Set the next cell to a number with that many decimals and thousands
   separators. */
void table_number(struct table *table, double value, int decimals);

/* Print the table. Columns in which every cell is empty are left out. */
void table_print(const struct table *table, FILE *to);

/* NULL is allowed. */
void table_free(struct table *table);

/* Write a number with thousands separators. Returns buf. */
const char *format_number(char *buf, size_t bytes, double value, int decimals);

#endif
