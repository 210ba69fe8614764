/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/device.h>
#include <unistd.h>

#include "beside.h"
#include "command.h"
#include "options.h"

#define PYTHON     "/usr/bin/python3"
#define WORDS_MAX  40
#define NUMBER_MAX 24

struct tls_options {
    const char *scenario, *device, *tls, *key, *wake, *out;
    uint64_t jobs, rounds, turns, handshakes, seed;
    int json;
};

#define AT(member) .offset = offsetof(struct tls_options, member)

static const char *const scenarios[] = {"tls", NULL};
static const char *const versions[] = {"1.2", "1.3", NULL};
static const char *const keys[] = {"rsa", "ecdsa", NULL};
static const char *const wakes[] = {"fd", "callback", NULL};

static const struct option tls_options[] = {
    {.name = "scenario",
     .argument = "NAME",
     .help = "which; the options below are this one's",
     .kind = OPTION_CHOICE,
     .choices = scenarios,
     AT(scenario)},
    {.name = "jobs",
     .argument = "N",
     .standard = "64",
     .help = "handshakes in flight",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 4096,
     AT(jobs)},
    {.name = "device",
     .argument = "SPEC",
     .standard = "sim:servers=64,service=fixed:200us",
     .help = "what executes private key operations",
     .kind = OPTION_TEXT,
     AT(device)},
    {.name = "tls",
     .argument = "VERSION",
     .standard = "1.3",
     .help = "what is spoken",
     .kind = OPTION_CHOICE,
     .choices = versions,
     AT(tls)},
    {.name = "key",
     .argument = "KIND",
     .standard = "ecdsa",
     .help = "the server's: RSA of 2048 bits, or ECDSA on P-256",
     .kind = OPTION_CHOICE,
     .choices = keys,
     AT(key)},
    {.name = "wake",
     .argument = "HOW",
     .standard = "fd",
     .help = "how the server is told that a job can go on",
     .kind = OPTION_CHOICE,
     .choices = wakes,
     AT(wake)},
    {.name = "rounds",
     .argument = "N",
     .standard = "10",
     .help = "how often new processes are made",
     .kind = OPTION_NUMBER,
     .min = 4,
     .max = 10000,
     AT(rounds)},
    {.name = "turns",
     .argument = "N",
     .standard = "12",
     .help = "of each process in a round",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 10000,
     AT(turns)},
    {.name = "handshakes",
     .argument = "N",
     .standard = "320",
     .help = "in a turn",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 1000000,
     AT(handshakes)},
    {.name = "seed",
     .argument = "N",
     .standard = "1",
     .help = "for the order of turns",
     .kind = OPTION_NUMBER,
     .max = INT64_MAX,
     AT(seed)},
    {.name = "out",
     .argument = "FILE",
     .help = "one JSON line for each turn of each process",
     .kind = OPTION_TEXT,
     AT(out)},
    {.name = "json",
     .help = "the verdict as one JSON object",
     .kind = OPTION_FLAG,
     AT(json)},
    {.name = NULL},
};

const struct command tls_command = {
    .name = "run --scenario tls",
    .summary = "Compare a TLS server on OpenSSL's own async jobs and on the "
               "drop-in",
    .operands = "",
    .options = tls_options,
};

/* ---- what measures ------------------------------------------------------ */

struct tools {
    char compare[PATH_MAX], server[PATH_MAX];
    char drop_in[PATH_MAX], provider[PATH_MAX];
};

static int find_tools(struct tools *t)
{
    static const char *const compare[] = {SY_LIBEXECDIR_FROM_BINDIR
                                          "/switchyard/compare_tls.py",
                                          "../bench/tls/compare_tls.py", NULL};
    static const char *const server[] = {SY_LIBEXECDIR_FROM_BINDIR
                                         "/switchyard/switchyard_tls",
                                         "../bench/tls/switchyard_tls", NULL};
    static const char *const drop_in[] = {
        SY_LIBDIR_FROM_BINDIR "/libswitchyard-openssl.so",
        "../openssl/libswitchyard-openssl.so", NULL};
    static const char *const provider[] = {SY_MODULES_FROM_BINDIR
                                           "/switchyard.so",
                                           "../openssl/switchyard.so", NULL};
    int err = beside_find("compare_tls.py", compare, t->compare);

    if (err == 0)
        err = beside_find("switchyard_tls", server, t->server);
    if (err == 0)
        err = beside_find("the OpenSSL drop-in", drop_in, t->drop_in);
    if (err == 0)
        err = beside_check_preload(t->drop_in);
    if (err == 0)
        err = beside_find("the offload provider", provider, t->provider);
    return err;
}

/* A command line under construction. */
struct words {
    const char *word[WORDS_MAX + 1];
    char numbers[WORDS_MAX][NUMBER_MAX];
    size_t count;
};

static void add(struct words *w, const char *option, const char *value)
{
    if (value == NULL || w->count + 2 > WORDS_MAX)
        return;
    w->word[w->count++] = option;
    w->word[w->count++] = value;
}

static void add_number(struct words *w, const char *option, uint64_t value)
{
    char *text = w->numbers[w->count];

    (void)snprintf(text, NUMBER_MAX, "%" PRIu64, value);
    add(w, option, text);
}

static void add_all(struct words *w, const struct tools *t,
                    const struct tls_options *o)
{
    add(w, PYTHON, "-I");
    w->word[w->count++] = t->compare;
    add(w, "--server", t->server);
    add(w, "--drop-in", t->drop_in);
    add(w, "--provider", t->provider);
    add(w, "--device", o->device);
    add(w, "--tls", o->tls);
    add(w, "--key", o->key);
    add(w, "--wake", o->wake);
    add(w, "--out", o->out);
    add_number(w, "--in-flight", o->jobs);
    add_number(w, "--rounds", o->rounds);
    add_number(w, "--turns", o->turns);
    add_number(w, "--handshakes", o->handshakes);
    add_number(w, "--seed", o->seed);
    if (o->json)
        w->word[w->count++] = "--json";
    w->word[w->count] = NULL;
}

/* The provider would refuse it too, but in each server, and too late. */
static int check_device(const char *spec)
{
    struct sy_device *device;
    char why[256];
    int err = sy_device_open(&device, spec, NULL, why, sizeof(why));

    if (err != 0)
        say("--device %s: %s", spec, why);
    sy_device_close(device);
    return err;
}

int tls_scenario_is_meant(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--scenario") == 0 ||
            strncmp(argv[i], "--scenario=", strlen("--scenario=")) == 0)
            return 1;
    return 0;
}

int tls_scenario_run(int argc, char **argv)
{
    struct tls_options options;
    struct option_texts operands;
    struct tools tools;
    struct words words = {.count = 0};
    int status;

    memset(&options, 0, sizeof(options));
    options_default(tls_options, &options);
    status = options_parse(&tls_command, argc, argv, &options, &operands);
    if (status != -1)
        return status;
    if (check_device(options.device) != 0)
        return CLI_USAGE;
    if (find_tools(&tools) != 0)
        return CLI_ENVIRONMENT;
    add_all(&words, &tools, &options);
    /* execv() takes what it does not change without const. */
    execv(PYTHON, (char *const *)words.word);
    say("cannot execute %s: %s: is the package python3 installed?", PYTHON,
        strerror(errno));
    return CLI_ENVIRONMENT;
}
