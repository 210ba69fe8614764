/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_settings.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPU_FOLDER "devices/system/cpu"
#define PATH_BYTES 512

static FILE *open_below(const char *root, const char *path)
{
    char name[PATH_BYTES];

    if (snprintf(name, sizeof(name), "%s/%s", root, path) >= (int)sizeof(name))
        return NULL;
    return fopen(name, "re");
}

int sy_kernel_line(const char *root, const char *path, char *buf, size_t bytes)
{
    FILE *f;
    int err = 0;

    buf[0] = '\0';
    errno = ENAMETOOLONG;
    f = open_below(root, path);
    if (f == NULL)
        return -errno;
    errno = 0;
    if (fgets(buf, (int)bytes, f) == NULL) {
        /* An empty file is an answer: no CPU is isolated. */
        err = ferror(f) ? -(errno != 0 ? errno : EIO) : 0;
        buf[0] = '\0';
    }
    buf[strcspn(buf, "\n")] = '\0';
    fclose(f);
    return err;
}

int sy_kernel_number(const char *root, const char *path, long long *value)
{
    char line[64], *end;
    long long number;
    int err = sy_kernel_line(root, path, line, sizeof(line));

    if (err != 0)
        return err;
    errno = 0;
    number = strtoll(line, &end, 10);
    if (errno != 0 || end == line || (*end != '\0' && *end != ' '))
        return -EINVAL;
    *value = number;
    return 0;
}

int sy_kernel_value(const char *root, const char *path, const char *key,
                    char *buf, size_t bytes)
{
    const size_t key_bytes = strlen(key);
    char *line = NULL;
    size_t room = 0;
    int err = -ENOENT;
    FILE *f;

    buf[0] = '\0';
    errno = ENAMETOOLONG;
    f = open_below(root, path);
    if (f == NULL)
        return -errno;
    while (err != 0 && getline(&line, &room, f) > 0) {
        const char *at = line + key_bytes;

        if (strncmp(line, key, key_bytes) != 0)
            continue;
        at += strspn(at, " \t");
        if (*at++ != ':')
            continue;
        at += strspn(at, " \t");
        snprintf(buf, bytes, "%.*s", (int)strcspn(at, "\n"), at);
        err = 0;
    }
    free(line);
    fclose(f);
    return err;
}

/* ---- words from folders -------------------------------------------------- */

/* Append a word unless it is there already. */
static void add_word(char *words, size_t bytes, const char *word)
{
    const size_t n = strlen(word), used = strlen(words);

    for (const char *p = words; (p = strstr(p, word)) != NULL; p += n)
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return;
    if (n > 0)
        snprintf(words + used, bytes - used, "%s%s", used > 0 ? " " : "", word);
}

/* A folder's entries in order: that of the file system changes. Returns how
   many, or -1. */
static int list_sorted(const char *root, const char *path,
                       struct dirent ***entries)
{
    char name[PATH_BYTES];

    if (snprintf(name, sizeof(name), "%s/%s", root, path) >= (int)sizeof(name))
        return -1;
    return scandir(name, entries, NULL, alphasort);
}

static void free_list(struct dirent **entries, int count)
{
    for (int i = 0; i < count; i++)
        free(entries[i]);
    if (count >= 0)
        free(entries);
}

static void read_governor(struct sy_kernel_settings *s, const char *sys)
{
    struct dirent **entries = NULL;
    int count = list_sorted(sys, CPU_FOLDER "/cpufreq", &entries);

    for (int i = 0; i < count; i++) {
        char path[PATH_BYTES], word[32];

        if (strncmp(entries[i]->d_name, "policy", 6) != 0)
            continue;
        snprintf(path, sizeof(path),
                 CPU_FOLDER "/cpufreq/%.64s/scaling_governor",
                 entries[i]->d_name);
        if (sy_kernel_line(sys, path, word, sizeof(word)) == 0)
            add_word(s->governor, sizeof(s->governor), word);
    }
    free_list(entries, count);
}

static void read_turbo(struct sy_kernel_settings *s, const char *sys)
{
    long long value;

    if (sy_kernel_number(sys, CPU_FOLDER "/intel_pstate/no_turbo", &value) == 0)
        strcpy(s->turbo, value != 0 ? "off" : "on");
    else if (sy_kernel_number(sys, CPU_FOLDER "/cpufreq/boost", &value) == 0)
        strcpy(s->turbo, value != 0 ? "on" : "off");
}

static void read_mitigations(struct sy_kernel_settings *s, const char *sys)
{
    struct dirent **entries = NULL;
    int count = list_sorted(sys, CPU_FOLDER "/vulnerabilities", &entries);
    size_t used = 0;

    for (int i = 0; i < count; i++) {
        char path[PATH_BYTES], line[512];

        if (entries[i]->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), CPU_FOLDER "/vulnerabilities/%.64s",
                 entries[i]->d_name);
        if (sy_kernel_line(sys, path, line, sizeof(line)) != 0 ||
            strncmp(line, "Not affected", 12) == 0 ||
            used + sizeof(line) + 80 > sizeof(s->mitigations))
            continue;
        used += (size_t)snprintf(
            s->mitigations + used, sizeof(s->mitigations) - used, "%s%.64s: %s",
            used > 0 ? "\n" : "", entries[i]->d_name, line);
    }
    if (count > 0 && used == 0)
        strcpy(s->mitigations, "none");
    free_list(entries, count);
}

void sy_kernel_settings_read(struct sy_kernel_settings *s, const char *sys)
{
    long long value;

    memset(s, 0, sizeof(*s));
    read_governor(s, sys);
    read_turbo(s, sys);
    if (sy_kernel_number(sys, CPU_FOLDER "/smt/active", &value) == 0)
        strcpy(s->smt, value != 0 ? "on" : "off");
    if (sy_kernel_line(sys, CPU_FOLDER "/isolated", s->isolated,
                       sizeof(s->isolated)) == 0 &&
        s->isolated[0] == '\0')
        strcpy(s->isolated, "none");
    (void)sy_kernel_line(
        sys, "devices/system/clocksource/clocksource0/current_clocksource",
        s->clock_source, sizeof(s->clock_source));
    read_mitigations(s, sys);
}
