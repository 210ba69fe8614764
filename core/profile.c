/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles, read without allocating: it happens before main(), perhaps in a
 * set-uid program.
 */
#include "core.h"
#include "sanitizers.h"
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/ini.h>
#include <switchyard/profile.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum section {
    NOWHERE,
    PROFILE,
    MACHINE,
    MEASURED,
    CHOICE,
    FALLBACK,
    LOCK,
    END
};

static const char *const section_names[] = {
    [PROFILE] = "profile", [MACHINE] = "machine",   [MEASURED] = "measured",
    [CHOICE] = "choice",   [FALLBACK] = "fallback", [LOCK] = "lock",
    [END] = "end",
};

/* What [measured] may hold besides, for the reader alone. */
static const char *const remarks[] = {
    "date", "command",  "run",        "workload", "jobs", "objective",
    "slo",  "protocol", "confidence", "note",     NULL,
};

struct reader {
    struct sy_profile *profile; /* what matches */
    struct sy_profile entry;    /* the machine that is being read */
    const char *cpu;
    char *why;
    enum section section;
    enum section furthest; /* of the machine's sections */
    unsigned line;
    int matches; /* this machine, and none before */
    int has_format, has_policy;
    unsigned remarks_seen; /* of this [measured], a bit each */
};

static SY_PRINTF(2, 3) int wrong(struct reader *r, const char *format, ...)
{
    int n = snprintf(r->why, SY_PROFILE_WHY_BYTES, "line %u: ", r->line);
    va_list args;

    va_start(args, format);
    vsnprintf(r->why + n, SY_PROFILE_WHY_BYTES - (size_t)n, format, args);
    va_end(args);
    return -EINVAL;
}

static int take_text(struct reader *r, char *to, size_t room,
                     const struct sy_ini_item *item)
{
    if (to[0] != '\0')
        return wrong(r, "%s is given twice", item->key);
    if (item->value[0] == '\0')
        return wrong(r, "%s is empty", item->key);
    if (strlen(item->value) >= room)
        return wrong(r, "%s is longer than %zu bytes", item->key, room - 1);
    memcpy(to, item->value, strlen(item->value) + 1);
    return 0;
}

static int is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+' ||
           c == '.';
}

static int take_name(struct reader *r, char *to, const struct sy_ini_item *item)
{
    int err = take_text(r, to, SY_PROFILE_NAME_BYTES, item);

    for (const char *p = item->value; err == 0 && *p != '\0'; p++) {
        if (!is_name_byte(*p))
            err = wrong(r, "%s takes one name of letters, digits, _ - + .",
                        item->key);
    }
    return err;
}

/* A decimal number, 1 .. max. */
static int take_number(struct reader *r, uint64_t *out, const char *what,
                       const char *text, uint64_t max)
{
    uint64_t n = 0;
    const char *p = text;

    for (; *p >= '0' && *p <= '9' && n <= max; p++)
        n = n * 10 + (uint64_t)(*p - '0');
    if (p == text || *p != '\0' || n == 0 || n > max)
        return wrong(r, "%s takes a number from 1 to %llu", what,
                     (unsigned long long)max);
    *out = n;
    return 0;
}

/* Names with commas between them. */
static int take_list(struct reader *r, char (*to)[SY_PROFILE_NAME_BYTES],
                     const struct sy_ini_item *item)
{
    const char *p = item->value;

    if (to[0][0] != '\0')
        return wrong(r, "%s is given twice", item->key);
    for (size_t i = 0;; i++) {
        size_t n = 0;

        p += strspn(p, " \t");
        while (is_name_byte(p[n]))
            n++;
        if (i == SY_PROFILE_FALLBACKS_MAX)
            return wrong(r, "%s lists more than %d names", item->key,
                         SY_PROFILE_FALLBACKS_MAX);
        if (n == 0 || n >= SY_PROFILE_NAME_BYTES)
            return wrong(r,
                         "%s takes names of 1 to %d bytes, with commas "
                         "between them",
                         item->key, SY_PROFILE_NAME_BYTES - 1);
        memcpy(to[i], p, n);
        to[i][n] = '\0';
        p += n + strspn(p + n, " \t");
        if (*p == '\0')
            return 0;
        if (*p++ != ',')
            return wrong(r,
                         "%s takes names of letters, digits, _ - + ., with "
                         "commas between them",
                         item->key);
    }
}

/* ---- sections ---------------------------------------------------------- */

static struct sy_profile_choice *last_choice(struct reader *r)
{
    return &r->entry.choices[r->entry.choice_count - 1];
}

/* Is the section that ends here complete? */
static int end_section(struct reader *r)
{
    if (r->section == PROFILE && !r->has_format)
        return wrong(r, "[profile] has no format; accepted: format = %d",
                     SY_PROFILE_FORMAT);
    if (r->section == CHOICE) {
        const struct sy_profile_choice *c = last_choice(r);

        if (c->switcher[0] == '\0' && c->engine[0] == '\0' && c->spin_ns == 0)
            return wrong(r, "the [choice] before this line is empty; accepted: "
                            "switcher, engine, spin-ns");
    }
    return 0;
}

static int end_machine(struct reader *r)
{
    struct sy_profile *to = r->profile;
    uint32_t machines = to->machines, is_strict = to->is_strict;

    if (machines == 0)
        return 0;
    if (r->entry.choice_count == 0)
        return wrong(r, "the [machine] before this line has no [choice]");
    if (r->matches) {
        *to = r->entry;
        to->machines = to->machine = machines;
        to->is_strict = is_strict;
        to->is_stale = to->library[0] != '\0' &&
                       strcmp(to->library, sy_profile_build()) != 0;
    }
    return 0;
}

static int begin_machine(struct reader *r, const char *argument)
{
    int err = end_machine(r);

    if (err != 0)
        return err;
    if (argument == NULL || strncmp(argument, "cpu=", 4) != 0 ||
        argument[4] == '\0')
        return wrong(r, "a machine is named as [machine \"cpu=PATTERN\"]");
    r->profile->machines++;
    r->entry = (struct sy_profile){0};
    r->matches =
        r->profile->machine == 0 && fnmatch(argument + 4, r->cpu, 0) == 0;
    r->furthest = MACHINE;
    r->remarks_seen = 0;
    return 0;
}

static int begin_choice(struct reader *r, const char *argument)
{
    struct sy_profile *e = &r->entry;
    uint64_t jobs = 0;
    int err;

    if (argument != NULL) {
        if (strncmp(argument, "jobs>=", 6) != 0)
            return wrong(r, "a condition is written as [choice \"jobs>=N\"]");
        err = take_number(r, &jobs, "jobs>=", argument + 6, UINT32_MAX);
        if (err != 0)
            return err;
    }
    if (e->choice_count == SY_PROFILE_CHOICES_MAX)
        return wrong(r, "more than %d choices for one machine",
                     SY_PROFILE_CHOICES_MAX);
    for (uint32_t i = 0; i < e->choice_count; i++) {
        if (e->choices[i].jobs_min == (uint32_t)jobs)
            return wrong(r, "this choice is there twice");
    }
    e->choices[e->choice_count++].jobs_min = (uint32_t)jobs;
    return 0;
}

static enum section find_section(const char *name)
{
    for (enum section s = PROFILE; s <= END; s++) {
        if (strcmp(section_names[s], name) == 0)
            return s;
    }
    return NOWHERE;
}

static int take_heading(struct reader *r, const struct sy_ini_item *item)
{
    enum section section = find_section(item->section);
    int err = end_section(r);

    if (err != 0)
        return err;
    if (section == NOWHERE)
        return wrong(r,
                     "unknown section [%.40s]; accepted: profile, machine, "
                     "measured, choice, fallback, lock, end",
                     item->section);
    if (r->section == NOWHERE && section != PROFILE)
        return wrong(r, "a profile begins with [profile]");
    if (r->section == END)
        return wrong(r, "a section behind [end]");
    if (r->section != NOWHERE && section == PROFILE)
        return wrong(r, "[profile] is there twice");
    if (section > MACHINE && r->profile->machines == 0)
        return wrong(r, "[%s] before the first [machine]", item->section);
    if (item->argument != NULL && section != MACHINE && section != CHOICE)
        return wrong(r, "[%s] takes no argument", item->section);
    r->section = section;
    if (section == MACHINE)
        return begin_machine(r, item->argument);
    if (section == END)
        return end_machine(r);
    if (section == PROFILE)
        return 0;
    if (section < r->furthest || (section == r->furthest && section != CHOICE))
        return wrong(r,
                     "[%s] is there twice, or too late; the order is "
                     "measured, choice, fallback, lock",
                     item->section);
    r->furthest = section;
    return section == CHOICE ? begin_choice(r, item->argument) : 0;
}

/* ---- keys -------------------------------------------------------------- */

static int unknown(struct reader *r, const struct sy_ini_item *item,
                   const char *accepted)
{
    return wrong(r, "unknown key %.40s in [%s]; accepted: %s", item->key,
                 item->section, accepted);
}

static int unknown_fact(struct reader *r, const struct sy_ini_item *item)
{
    char accepted[160];
    size_t used =
        (size_t)snprintf(accepted, sizeof(accepted), "library, kernel");

    for (size_t i = 0; remarks[i] != NULL && used < sizeof(accepted); i++)
        used += (size_t)snprintf(accepted + used, sizeof(accepted) - used,
                                 ", %s", remarks[i]);
    return unknown(r, item, accepted);
}

static int take_profile_key(struct reader *r, const struct sy_ini_item *item)
{
    if (strcmp(item->key, "format") == 0) {
        if (r->has_format++)
            return wrong(r, "format is given twice");
        if (strcmp(item->value, "1") != 0)
            return wrong(r, "format %.20s is of another version; accepted: %d",
                         item->value, SY_PROFILE_FORMAT);
        return 0;
    }
    if (strcmp(item->key, "policy") != 0)
        return unknown(r, item, "format, policy");
    if (r->has_policy++)
        return wrong(r, "policy is given twice");
    r->profile->is_strict = strcmp(item->value, "strict") == 0;
    if (!r->profile->is_strict && strcmp(item->value, "use") != 0)
        return wrong(r, "policy takes use or strict");
    return 0;
}

static int take_measured(struct reader *r, const struct sy_ini_item *item)
{
    if (strcmp(item->key, "library") == 0)
        return take_text(r, r->entry.library, SY_PROFILE_FACT_BYTES, item);
    if (strcmp(item->key, "kernel") == 0)
        return take_text(r, r->entry.kernel, SY_PROFILE_FACT_BYTES, item);
    for (unsigned i = 0; remarks[i] != NULL; i++) {
        if (strcmp(item->key, remarks[i]) != 0)
            continue;
        if ((r->remarks_seen & 1u << i) != 0)
            return wrong(r, "%s is given twice", item->key);
        r->remarks_seen |= 1u << i;
        return 0;
    }
    return unknown_fact(r, item);
}

static int take_choice(struct reader *r, const struct sy_ini_item *item)
{
    struct sy_profile_choice *c = last_choice(r);

    if (strcmp(item->key, "switcher") == 0)
        return take_name(r, c->switcher, item);
    if (strcmp(item->key, "engine") == 0)
        return take_name(r, c->engine, item);
    if (strcmp(item->key, "spin-ns") != 0)
        return unknown(r, item, "switcher, engine, spin-ns");
    if (c->spin_ns != 0)
        return wrong(r, "spin-ns is given twice");
    if (strcmp(item->value, "never") == 0) {
        c->spin_ns = SY_NO_SPIN;
        return 0;
    }
    return take_number(r, &c->spin_ns, "spin-ns", item->value, SY_SPIN_NS_MAX);
}

static int take_key(struct reader *r, const struct sy_ini_item *item)
{
    int is_switcher = strcmp(item->key, "switcher") == 0;

    if (r->section == PROFILE)
        return take_profile_key(r, item);
    if (r->section == MEASURED)
        return take_measured(r, item);
    if (r->section == CHOICE)
        return take_choice(r, item);
    if (r->section == MACHINE || r->section == END)
        return wrong(r, "[%s] has no keys", item->section);
    if (!is_switcher && strcmp(item->key, "engine") != 0)
        return unknown(r, item, "switcher, engine");
    if (r->section == LOCK)
        return take_name(
            r, is_switcher ? r->entry.locked_switcher : r->entry.locked_engine,
            item);
    return take_list(r,
                     is_switcher ? r->entry.fallback_switchers
                                 : r->entry.fallback_engines,
                     item);
}

static int take_item(void *user, const struct sy_ini_item *item)
{
    struct reader *r = user;

    r->line = item->line;
    return item->key == NULL ? take_heading(r, item) : take_key(r, item);
}

int sy_profile_parse(struct sy_profile *out, const char *text, size_t bytes,
                     const char *cpu, char why[SY_PROFILE_WHY_BYTES])
{
    struct reader r = {.profile = out,
                       .cpu = cpu != NULL ? cpu : sy_profile_cpu(),
                       .why = why};
    const char *form;
    int err;

    *out = (struct sy_profile){0};
    why[0] = '\0';
    err = sy_ini_parse(text, bytes, take_item, &r, &r.line, &form);
    if (err != 0 && form != NULL)
        err = wrong(&r, "%s", form);
    if (err == 0 && r.section != END) {
        snprintf(why, SY_PROFILE_WHY_BYTES, "%s",
                 r.section == NOWHERE
                     ? "it is empty; a profile begins with [profile]"
                     : "it has no [end]: was it cut off?");
        err = -EINVAL;
    }
    if (err != 0)
        *out = (struct sy_profile){0};
    return err;
}

/* ---- files ------------------------------------------------------------- */

static int refuse_file(char *why, int err, const char *words)
{
    snprintf(why, SY_PROFILE_WHY_BYTES, "%s", words);
    return err;
}

/* How many bytes were read, or -errno. */
static ssize_t read_all(int fd, char *to, size_t room)
{
    size_t used = 0;

    while (used < room) {
        ssize_t n = read(fd, to + used, room - used);

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return -errno;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

static int read_open_file(struct sy_profile *out, int fd, const char *cpu,
                          char *why)
{
    const size_t room = SY_PROFILE_BYTES_MAX + 1;
    struct stat st;
    ssize_t n;
    char *text;
    int err;

    if (fstat(fd, &st) == -1)
        return refuse_file(why, -errno, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return refuse_file(why, -EINVAL, "it is no regular file");
    /* Not malloc: this may run before the program's own is set up. Not a
       mapping of the file: that dies when somebody cuts it short. */
    text = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    if (text == MAP_FAILED)
        return refuse_file(why, -ENOMEM, "no memory to read it into");
    n = read_all(fd, text, room);
    if (n < 0)
        err = refuse_file(why, (int)n, strerror((int)-n));
    else if ((size_t)n == room)
        err = refuse_file(why, -EFBIG, "it is larger than 65536 bytes");
    else
        err = sy_profile_parse(out, text, (size_t)n, cpu, why);
    munmap(text, room);
    return err;
}

_Static_assert(SY_PROFILE_BYTES_MAX == 65536, "read_open_file() says it");

int sy_profile_read(struct sy_profile *out, const char *path, const char *cpu,
                    char why[SY_PROFILE_WHY_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err;

    *out = (struct sy_profile){0};
    why[0] = '\0';
    if (fd == -1) {
        err = -errno;
        return refuse_file(why, err, strerror(-err));
    }
    err = read_open_file(out, fd, cpu, why);
    close(fd);
    return err;
}

/* ---- reading it -------------------------------------------------------- */

static void put_over(struct sy_profile_choice *under,
                     const struct sy_profile_choice *over)
{
    if (over->switcher[0] != '\0')
        memcpy(under->switcher, over->switcher, sizeof(under->switcher));
    if (over->engine[0] != '\0')
        memcpy(under->engine, over->engine, sizeof(under->engine));
    if (over->spin_ns != 0)
        under->spin_ns = over->spin_ns;
    under->jobs_min = over->jobs_min;
}

void sy_profile_choose(const struct sy_profile *profile, uint32_t jobs,
                       struct sy_profile_choice *out)
{
    const struct sy_profile_choice *best = NULL;

    *out = (struct sy_profile_choice){0};
    for (uint32_t i = 0; i < profile->choice_count; i++) {
        const struct sy_profile_choice *c = &profile->choices[i];

        if (c->jobs_min == 0)
            *out = *c;
        else if (c->jobs_min <= jobs &&
                 (best == NULL || c->jobs_min > best->jobs_min))
            best = c;
    }
    if (best != NULL)
        put_over(out, best);
}

/* ---- this machine and this build --------------------------------------- */

static char cpu_name[SY_PROFILE_FACT_BYTES] = "unknown";

/* Does "key : value" begin here? Then return the value and its length. */
static const char *value_of(const char *line, size_t bytes, const char *key,
                            size_t *value_bytes)
{
    size_t n = strlen(key);
    const char *p = line + n, *end = line + bytes;

    if (bytes <= n || strncmp(line, key, n) != 0)
        return NULL;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    if (p == end || *p++ != ':')
        return NULL;
    while (p < end && *p == ' ')
        p++;
    *value_bytes = (size_t)(end - p);
    return p;
}

/* What x86, Arm and RISC-V call what tells their CPUs apart. What changes from
   boot to boot, a frequency or an address, is not among it. */
static void add_line(char *name, size_t *used, const char *line, size_t bytes)
{
    static const char *const keys[] = {
        "vendor_id", "cpu family",      "model",
        "stepping",  "CPU implementer", "CPU variant",
        "CPU part",  "CPU revision",    "isa",
        "mvendorid", "marchid",         "mimpid"};
    size_t n;

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        const char *value = value_of(line, bytes, keys[i], &n);

        if (value == NULL || *used + n + 2 > sizeof(cpu_name))
            continue;
        if (*used != 0)
            name[(*used)++] = ' ';
        memcpy(name + *used, value, n);
        *used += n;
        name[*used] = '\0';
    }
}

void sy__profile_read_cpu(void)
{
    char text[4096], name[sizeof(cpu_name)];
    size_t used = 0;
    ssize_t n;
    const char *p = text, *end;
    int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);

    if (fd == -1)
        return;
    n = read_all(fd, text, sizeof(text));
    close(fd);
    end = text + (n > 0 ? n : 0);
    while (p < end) { /* the first CPU's entry ends with an empty line */
        const char *newline = memchr(p, '\n', (size_t)(end - p));

        if (newline == NULL || newline == p)
            break;
        add_line(name, &used, p, (size_t)(newline - p));
        p = newline + 1;
    }
    if (used != 0)
        memcpy(cpu_name, name, used + 1);
}

const char *sy_profile_cpu(void)
{
    return cpu_name;
}

#if defined(__clang__)
#define WORD(x)   #x
#define NUMBER(x) WORD(x)
#define COMPILER                                                               \
    "clang " NUMBER(__clang_major__) "." NUMBER(__clang_minor__) "." NUMBER(   \
        __clang_patchlevel__)
#else
#define COMPILER "gcc " __VERSION__
#endif

#if SY_ASAN || SY_TSAN
#define MANNER "instrumented"
#elif defined(__OPTIMIZE__)
#define MANNER "optimised"
#else
#define MANNER "not optimised"
#endif

const char *sy_profile_build(void)
{
    return SY_VERSION_STRING ", " COMPILER ", " MANNER;
}
