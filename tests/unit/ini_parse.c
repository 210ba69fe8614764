/* SPDX-License-Identifier: Apache-2.0 */
/* What sy_ini_parse() takes, in which order it says it, and what it refuses. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/ini.h>

struct transcript {
    char text[4096];
    size_t used;
    unsigned stop_at_line; /* 0: never */
};

static int take(void *user, const struct sy_ini_item *item)
{
    struct transcript *t = user;
    size_t room = sizeof(t->text) - t->used;
    int n;

    n = snprintf(t->text + t->used, room, "%u:%s|%s|%s|%s\n", item->line,
                 item->section, item->argument ? item->argument : "-",
                 item->key ? item->key : "-", item->value ? item->value : "-");
    cr_assert(n > 0 && (size_t)n < room, "transcript too small");
    t->used += (size_t)n;
    return item->line == t->stop_at_line ? 42 : 0;
}

static void expect_items(const char *text, const char *items)
{
    struct transcript t = {.used = 0};
    unsigned line = 99;
    const char *why = "unset";
    int result = sy_ini_parse(text, strlen(text), take, &t, &line, &why);

    cr_assert(result == 0, "result %d at line %u (%s) for <%s>", result, line,
              why ? why : "-", text);
    cr_assert(line == 0, "line %u instead of 0", line);
    cr_assert(why == NULL, "why is \"%s\" after a success", why);
    cr_assert(strcmp(t.text, items) == 0, "got\n%swanted\n%s", t.text, items);
}

static void expect_refusal(const char *text, size_t bytes, unsigned at,
                           const char *reason)
{
    struct transcript t = {.used = 0};
    unsigned line = 99;
    const char *why = NULL;
    int result = sy_ini_parse(text, bytes, take, &t, &line, &why);

    cr_assert(result == -EINVAL, "result %d instead of -EINVAL", result);
    cr_assert(line == at, "line %u instead of %u", line, at);
    cr_assert(why != NULL && strstr(why, reason) != NULL,
              "why is \"%s\", without \"%s\"", why ? why : "-", reason);
}

Test(ini_parse, sections_and_keys_come_in_order)
{
    expect_items("[a]\nk = v\nx=y\n[b \"arg\"]\nk = \n",
                 "1:a|-|-|-\n2:a|-|k|v\n3:a|-|x|y\n4:b|arg|-|-\n5:b|arg|k|\n");
}

Test(ini_parse, blanks_comments_and_empty_lines_are_dropped)
{
    expect_items("# c\n\n ; c\n\t[ a ]\t\n  k\t=  v w \t\n\n",
                 "4:a|-|-|-\n5:a|-|k|v w\n");
}

Test(ini_parse, values_keep_what_is_special_elsewhere)
{
    expect_items("[a]\nk = a=b # [c] ; \"d\"",
                 "1:a|-|-|-\n2:a|-|k|a=b # [c] ; \"d\"\n");
    expect_items("[a \"x]#=\"]\n", "1:a|x]#=|-|-\n");
    expect_items("[a \"\"]\n", "1:a||-|-\n");
}

Test(ini_parse, last_line_needs_no_end)
{
    expect_items("[a]\nk=v", "1:a|-|-|-\n2:a|-|k|v\n");
    expect_items("", "");
}

Test(ini_parse, text_ends_at_its_length)
{
    struct transcript t = {.used = 0};

    cr_assert(sy_ini_parse("[a]\nk=vv", 7, take, &t, NULL, NULL) == 0,
              "a text without zero byte");
    cr_assert(strcmp(t.text, "1:a|-|-|-\n2:a|-|k|v\n") == 0, "got\n%s", t.text);
    cr_assert(sy_ini_parse(NULL, 0, take, &t, NULL, NULL) == 0, "no text");
}

Test(ini_parse, callback_ends_the_parse)
{
    struct transcript t = {.used = 0, .stop_at_line = 2};
    unsigned line = 0;
    const char *why = "unset";
    const char *text = "[a]\nk=v\nx=y\n";
    int result = sy_ini_parse(text, strlen(text), take, &t, &line, &why);

    cr_assert(result == 42, "result %d instead of 42", result);
    cr_assert(line == 2, "line %u instead of 2", line);
    cr_assert(why == NULL, "why is \"%s\"", why);
}

Test(ini_parse, malformed_lines_are_refused_by_number)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *reason;
    } cases[] = {
        {"k=v\n", 1, "before the first"},
        {"[a]\n=v\n", 2, "key is empty"},
        {"[a]\n  = v\n", 2, "key is empty"},
        {"[a]\n\nword\n", 3, "expected"},
        {"[a\n", 1, "] is missing"},
        {"[a \"b]\n", 1, "quotation"},
        {"[a \"b\"\n", 1, "] is missing"},
        {"[a \"b\" c]\n", 1, "] is missing"},
        {"[a] b\n", 1, "behind ]"},
        {"[]\n", 1, "no name"},
        {"[ \"x\"]\n", 1, "no name"},
        {"[a]\r\nk=v\n", 1, "carriage return"},
        {"[a]\nk=\x01\n", 2, "control"},
    };
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_refusal(cases[i].text, strlen(cases[i].text), cases[i].line,
                       cases[i].reason);
    expect_refusal("[a]\nk=\0v\n", 9, 2, "control");
}

Test(ini_parse, line_length_has_a_limit)
{
    char text[SY_INI_LINE_MAX_BYTES + 8];
    struct transcript t = {.used = 0};

    memset(text, 'x', sizeof(text));
    memcpy(text, "[a]\nk=", 6);
    text[4 + SY_INI_LINE_MAX_BYTES] = '\n';
    cr_assert(sy_ini_parse(text, 5 + SY_INI_LINE_MAX_BYTES, take, &t, NULL,
                           NULL) == 0,
              "a line of exactly the limit");
    text[4 + SY_INI_LINE_MAX_BYTES] = 'x';
    expect_refusal(text, 5 + SY_INI_LINE_MAX_BYTES, 2, "longer");
}
