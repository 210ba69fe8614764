/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the known word that is nearest to a mistyped one. */
#ifndef SWITCHYARD_CLI_SUGGEST_H
#define SWITCHYARD_CLI_SUGGEST_H

/* Feed it the word, then every candidate, then ask for best. */
struct suggestion {
    const char *word;
    const char *best; /* NULL: nothing is near enough */
    unsigned distance;
};

/* Begin. word is borrowed. */
void suggest_begin(struct suggestion *s, const char *word);

/* Consider one more candidate; borrowed. */
void suggest_offer(struct suggestion *s, const char *candidate);

/*
 * Say on standard error that word is unknown, with the nearest candidate if
 * there is one.
 *
 * @what  "option", "switcher", ...
 */
void suggest_say(const struct suggestion *s, const char *what);

#endif
