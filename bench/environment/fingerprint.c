/* SPDX-License-Identifier: Apache-2.0 */
#include "fingerprint.h"

#include <openssl/evp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void set_text(char *to, const char *from)
{
    snprintf(to, SY_MACHINE_TEXT_BYTES, "%s", from[0] ? from : "unknown");
}

/* The value of "key : value", or NULL if the line has another key. */
static const char *value_of(char *line, const char *key)
{
    char *colon = strchr(line, ':');
    size_t n = strlen(key);

    if (colon == NULL || strncmp(line, key, n) != 0)
        return NULL;
    for (const char *p = line + n; p < colon; p++) {
        if (*p != ' ' && *p != '\t')
            return NULL;
    }
    colon[strcspn(colon, "\n")] = '\0';
    colon++;
    return colon + strspn(colon, " \t");
}

static bool has_word(const char *words, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = words; (p = strstr(p, word)) != NULL; p += n) {
        bool starts = p == words || p[-1] == ' ';

        if (starts && (p[n] == ' ' || p[n] == '\0'))
            return true;
    }
    return false;
}

/*
 * The first CPU's entry of /proc/cpuinfo. Frequencies and addresses are left
 * out, for they change from boot to boot.
 */
static void read_cpu(struct sy_machine *m)
{
    /* What x86, Arm and RISC-V call the model and its parts. */
    static const char *const models[] = {"model name", "uarch", "Processor"};
    static const char *const parts[] = {
        "vendor_id", "cpu family",      "model",
        "stepping",  "CPU implementer", "CPU variant",
        "CPU part",  "CPU revision",    "isa",
        "mvendorid", "marchid",         "mimpid"};
    char *line = NULL;
    size_t room = 0, used = 0;
    FILE *f = fopen("/proc/cpuinfo", "re");

    if (f == NULL)
        return;
    while (getline(&line, &room, f) > 0 && line[0] != '\n') {
        const char *v;

        for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++) {
            if ((v = value_of(line, models[i])) != NULL)
                set_text(m->cpu_model, v);
        }
        for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
            if ((v = value_of(line, parts[i])) == NULL || used >= 100)
                continue;
            used += (size_t)snprintf(m->cpu_id + used, sizeof(m->cpu_id) - used,
                                     "%s%s", used > 0 ? " " : "", v);
        }
        if ((v = value_of(line, "flags")) != NULL)
            m->hypervisor = has_word(v, "hypervisor");
    }
    free(line);
    fclose(f);
}

static unsigned cpus_usable(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == -1)
        return 0;
    return (unsigned)CPU_COUNT(&set);
}

static void hash_text(const char *text, int bytes, char *hex)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (bytes < 0 ||
        EVP_Digest(text, (size_t)bytes, digest, NULL, EVP_sha256(), NULL) != 1)
        memset(digest, 0, sizeof(digest));
    for (size_t i = 0; i < 8; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned)digest[i]);
}

void sy_machine_hash(struct sy_machine *m)
{
    const struct sy_kernel_settings *s = &m->settings;
    char text[sizeof(*s) + 5 * SY_MACHINE_TEXT_BYTES];
    int n;

    n = snprintf(text, sizeof(text), "%s\n%s\n%s\n%u\n%d\n", m->arch,
                 m->cpu_model, m->cpu_id, m->cpus, m->hypervisor);
    hash_text(text, n, m->hardware_key);
    n = snprintf(text, sizeof(text),
                 "%s\n%s\n%llu\n%u\n%s\n%s\n%s\n%s\n%s\n%s\n", m->kernel,
                 m->libc, (unsigned long long)m->page_bytes, m->cpus_usable,
                 s->governor, s->turbo, s->smt, s->isolated, s->clock_source,
                 s->mitigations);
    hash_text(text, n, m->environment_key);
    n = snprintf(text, sizeof(text), "%s\n%s\n", m->hardware_key,
                 m->environment_key);
    hash_text(text, n, m->fingerprint);
}

/* glibc tells its version here; other libraries have no such name. */
#ifdef _CS_GNU_LIBC_VERSION
static void read_libc(struct sy_machine *m)
{
    if (confstr(_CS_GNU_LIBC_VERSION, m->libc, sizeof(m->libc)) == 0)
        set_text(m->libc, "");
}
#else
static void read_libc(struct sy_machine *m)
{
    set_text(m->libc, "");
}
#endif

void sy_machine_read(struct sy_machine *m)
{
    struct utsname names;
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);

    memset(m, 0, sizeof(*m));
    set_text(m->cpu_model, "");
    if (uname(&names) == -1)
        memset(&names, 0, sizeof(names));
    set_text(m->arch, names.machine);
    set_text(m->kernel, names.release);
    read_cpu(m);
    if (m->cpu_id[0] == '\0')
        set_text(m->cpu_id, "");
    m->cpus = cpus > 0 ? (unsigned)cpus : 0;
    m->cpus_usable = cpus_usable();
    m->page_bytes = page_bytes > 0 ? (uint64_t)page_bytes : 0;
    m->memory_bytes = pages > 0 ? (uint64_t)pages * m->page_bytes : 0;
    read_libc(m);
    sy_kernel_settings_read(&m->settings, SY_SYS);
    sy_machine_hash(m);
}
