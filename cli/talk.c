/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

/* Is the cursor behind a line that say_over() wrote? Standard error has one
   cursor per process, so this is the process's. */
static int line_is_open;

/* Borrowed from main()'s arguments, of which there is one set too. */
static const char *program_name = "switchyard";

void set_program(const char *name)
{
    program_name = name;
}

const char *program(void)
{
    return program_name;
}

void say(const char *format, ...)
{
    va_list args;

    say_over_end();
    fputs("switchyard: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void say_over(const char *format, ...)
{
    va_list args;

    fputs("\r\033[K", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
    line_is_open = 1;
}

void say_over_end(void)
{
    if (!line_is_open)
        return;
    fputs("\r\033[K", stderr);
    line_is_open = 0;
}

int stream_takes_colour(FILE *stream)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    if (no_colour != NULL && no_colour[0] != '\0')
        return 0;
    if (term == NULL || strcmp(term, "dumb") == 0)
        return 0;
    return isatty(fileno(stream)) == 1;
}
