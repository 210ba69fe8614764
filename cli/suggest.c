/* SPDX-License-Identifier: Apache-2.0 */
#include "suggest.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "command.h"

#define WORD_MAX 64

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static int same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/*
 * Insertions, deletions, replacements and swaps of neighbours that turn a into
 * b. Longer words are never near each other: nobody mistypes a name that long.
 */
static unsigned edit_distance(const char *a, const char *b)
{
    unsigned row[3][WORD_MAX + 1]; /* the last three rows, in rotation */
    size_t n = strlen(a), m = strlen(b), i, j;

    if (n > WORD_MAX || m > WORD_MAX)
        return UINT_MAX;
    for (j = 0; j <= m; j++)
        row[0][j] = (unsigned)j;
    for (i = 1; i <= n; i++) {
        unsigned *now = row[i % 3];
        const unsigned *before = row[(i - 1) % 3];
        const unsigned *before_that = row[(i + 1) % 3];

        now[0] = (unsigned)i;
        for (j = 1; j <= m; j++) {
            now[j] = before[j - 1] + !same(a[i - 1], b[j - 1]);
            now[j] = least(now[j], before[j] + 1);
            now[j] = least(now[j], now[j - 1] + 1);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
                same(a[i - 2], b[j - 1]))
                now[j] = least(now[j], before_that[j - 2] + 1);
        }
    }
    return row[n % 3][m];
}

void suggest_begin(struct suggestion *s, const char *word)
{
    s->word = word;
    s->best = NULL;
    /* A third of the word may be wrong; beyond that a guess is noise. */
    s->distance = (unsigned)(strlen(word) / 3) + 2;
}

void suggest_offer(struct suggestion *s, const char *candidate)
{
    unsigned distance = edit_distance(s->word, candidate);

    /* What was typed as the beginning of a word is meant as that word. */
    if (strlen(s->word) >= 2 &&
        strncmp(s->word, candidate, strlen(s->word)) == 0)
        distance = least(distance, 1);
    if (distance < s->distance && distance < strlen(candidate)) {
        s->distance = distance;
        s->best = candidate;
    }
}

void suggest_say(const struct suggestion *s, const char *what)
{
    if (s->best != NULL)
        say("unknown %s '%s'; did you mean '%s'?", what, s->word, s->best);
    else
        say("unknown %s '%s'", what, s->word);
}
