/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file form of suites: lines of "key = value" below headings
 * in square brackets.
 *
 *     # a comment (also with ;)
 *     [section]
 *     key = value                 spaces around both are dropped
 *     [section "argument"]
 *
 * A line is at most SY_INI_LINE_MAX_BYTES long. Bytes below 32 other than tab
 * are refused, and so are a key before the first heading and an empty key.
 */
#ifndef SWITCHYARD_INI_H
#define SWITCHYARD_INI_H

#include <stddef.h>
#include <switchyard/compiler.h>

SY_BEGIN_DECLS

#define SY_INI_LINE_MAX_BYTES 1024

/* Where and what. Strings are valid during the call only. */
struct sy_ini_item {
    unsigned line;        /* from 1 */
    const char *section;  /* "section" */
    const char *argument; /* "argument", or NULL */
    const char *key;      /* NULL: this item is the heading itself */
    const char *value;    /* NULL with key == NULL */
};

/* Takes one item. Returns 0 to go on; anything else ends the parse. */
typedef int (*sy_ini_fn)(void *user, const struct sy_ini_item *item);

/*
 * Parse a text.
 *
 * @text, @bytes  need not end with a zero byte
 * @fn, @user     called for each heading and each key, in order
 * @line          set to the line at which it stopped, 0 when it did not; may
 *                be NULL
 * @why           on -EINVAL: what is wrong there, a constant string; else
 *                NULL; may be NULL
 *
 * Returns 0, -EINVAL (malformed), or what fn returned.
 */
SY_API SY_MUST_CHECK int sy_ini_parse(const char *text, size_t bytes,
                                      sy_ini_fn fn, void *user, unsigned *line,
                                      const char **why);

SY_END_DECLS
#endif
