/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of a device, "key=value,key=value": one table per device, one
 * strict parser for all of them. A value that is not exactly what the table
 * asks for is refused with the option's name and what it accepts.
 *
 * Numbers are decimal digits and nothing else: no sign, no space, no exponent.
 * K and M multiply counts by 1024 and 1024 * 1024.
 */
#ifndef DEVICE_OPTIONS_H
#define DEVICE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/compiler.h>

/* Longest value, with its final zero byte: room for a file name. */
#define SY__OPTION_VALUE_BYTES 4096

/* Takes a value that is neither a count nor a word. Returns 0 or -errno with
   the reason in why. */
typedef int (*sy__option_take_fn)(void *to, const char *value, char *why,
                                  size_t why_bytes);

/* One option. The first of a table is the device's main key. */
struct sy__option {
    const char *key;
    const char *accepts; /* in words: "1 .. 1024" */
    uint64_t *count;     /* set to a number within min .. max, */
    uint64_t min, max;
    unsigned *word;           /* or set to the index of a word, */
    const char *const *words; /* ending with NULL, */
    sy__option_take_fn take;  /* or handed over, */
    void *to;                 /* with this */
};

/*
 * Parse the options of a device into the variables that the table names;
 * those not mentioned keep what they hold.
 *
 * @device  its name, for messages
 * @text    "" for none
 *
 * Returns 0, or -EINVAL (or what a take function returned) with why set.
 */
int sy__options_parse(const char *device, const char *text,
                      const struct sy__option *options, size_t count, char *why,
                      size_t why_bytes);

/* Parse digits with an optional K or M. Returns 0, -EINVAL or -ERANGE. */
int sy__parse_count(const char *text, uint64_t *count);

/* Parse a time with its unit, "50us", "1.5ms"; whole nanoseconds only.
   Returns 0, -EINVAL or -ERANGE (more than 64 bits of ns). */
int sy__parse_ns(const char *text, uint64_t *ns);

/* Parse digits with an optional fraction of up to 9 digits, "0.3". Returns 0
   or -EINVAL, or -ERANGE from 10^9 on. */
int sy__parse_decimal(const char *text, double *value);

/* snprintf() that allows no room at all. */
void sy__explain(char *why, size_t why_bytes, const char *format, ...)
    SY_PRINTF(3, 4);

#endif
