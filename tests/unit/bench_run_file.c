/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run files: what is written has an end that fits it; when the disk is full
 * or the folder cannot be written, nothing else is left behind. What is made of
 * files that are incomplete or changed: tests/analysis/damaged_files.py.
 */
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../bench/load/peer.h"
#include "../../bench/load/protocol.h"
#include "../../bench/load/run_file.h"

static int failures;
static char folder[] = "/tmp/sy-run-file-XXXXXX";

#define CHECK_EQ(got, want)                                                    \
    check_eq(#got, (long long)(got), (long long)(want), __LINE__)

static void check_eq(const char *what, long long got, long long want, int line)
{
    if (got == want)
        return;
    printf("line %d: %s is %lld, expected %lld\n", line, what, got, want);
    failures++;
}

static void check_words(const char *why, const char *words, int line)
{
    if (strstr(why, words) != NULL)
        return;
    printf("line %d: \"%s\" does not say \"%s\"\n", line, why, words);
    failures++;
}

/* A workload in name only: run files never call it. */
static const struct sy_workload_ops workload = {
    .abi = SY_WORKLOAD_ABI, .name = "nothing", .param_default = 1024};

static struct sy_experiment an_experiment(void)
{
    struct sy_experiment exp;

    memset(&exp, 0, sizeof(exp));
    exp.row = SY_ROW_CALLBACK;
    exp.mix[0].ops = &workload;
    exp.mix[0].param_bytes = 4096;
    exp.mix[0].weight = 1;
    exp.mix_count = 1;
    exp.device_spec = "workers:1";
    exp.jobs = 64;
    exp.duration_ns = 1000000;
    exp.seed = 9007199254740993; /* 2^53 + 1: no double holds it */
    return exp;
}

static struct sy_outcome *an_outcome(void)
{
    static struct sy_outcome out;

    memset(&out, 0, sizeof(out));
    out.failed_operation = SY_OUTCOME_NONE;
    out.syscalls = SY_OUTCOME_NONE;
    strcpy(out.syscalls_why, "needs root");
    out.operations = 1000;
    for (uint64_t i = 0; i < out.operations; i++)
        sy_histogram_add(&out.latency_ns, 1000 + i * i);
    return &out;
}

static struct sy_run_info an_info(void)
{
    static char *const argv[] = {"switchyard", "run", "", "bad\377byte"};
    struct sy_run_info info;

    memset(&info, 0, sizeof(info));
    info.suite = "quick";
    info.suite_sha256 = "00";
    info.seed = 42;
    info.argc = 4;
    info.argv = argv;
    return info;
}

/* How many files and folders there are below a folder. */
static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int count = 0;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    if (dir != NULL)
        closedir(dir);
    return count;
}

/* How many files have the name of one that is whole. */
static size_t whole_files(const char *where)
{
    char pattern[SY_RUN_PATH_BYTES];
    glob_t found;
    size_t count;

    snprintf(pattern, sizeof(pattern), "%s/*/*/*.jsonl", where);
    count = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

static void write_a_run(const char *where, int records, char *path)
{
    struct sy_experiment exp = an_experiment();
    struct sy_run_info info = an_info();
    struct sy_run_file *file = NULL;
    size_t whole = whole_files(where);
    char why[512];

    CHECK_EQ(sy_run_file_create(&file, where, &info, why, sizeof(why)), 0);
    if (file == NULL) {
        printf("%s\n", why);
        exit(1);
    }
    for (int i = 0; i < records; i++)
        CHECK_EQ(sy_run_file_add(file, &exp, an_outcome(), why, sizeof(why)),
                 0);
    CHECK_EQ(whole_files(where), whole); /* not before it is whole */
    CHECK_EQ(sy_run_file_finish(&file, records == 0, path, why, sizeof(why)),
             0);
    CHECK_EQ(file == NULL, 1);
    CHECK_EQ(whole_files(where), whole + 1);
    check_words(path, "/shard-1of1.jsonl", __LINE__);
}

static char *slurp(const char *path, size_t *bytes)
{
    static char text[1 << 20];
    FILE *f = fopen(path, "r");

    *bytes = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;
    text[*bytes] = '\0';
    if (f != NULL)
        fclose(f);
    return text;
}

static void spew(const char *path, const char *text, size_t bytes)
{
    FILE *f = fopen(path, "w");

    if (f == NULL || fwrite(text, 1, bytes, f) != bytes || fclose(f) != 0) {
        printf("cannot write %s: %s\n", path, strerror(errno));
        exit(1);
    }
}

/* What the end of a file says of it. */
struct facts {
    uint64_t records;
    bool interrupted;
};

/* Returns 0, -ENODATA without an end, -EBADMSG if its hash is that of another
   file. */
static int read_end(const char *path, struct facts *facts)
{
    static const char key[] = "\"sha256\":\"";
    unsigned char hash[EVP_MAX_MD_SIZE];
    size_t bytes;
    const char *text = slurp(path, &bytes);
    const char *last = strstr(text, "\n{\"type\":\"end\"");
    const char *records, *sum;

    if (last == NULL || text[bytes - 1] != '\n')
        return -ENODATA;
    records = strstr(last, "\"records\":");
    sum = strstr(last, key);
    if (records == NULL || sum == NULL)
        return -EBADMSG;
    facts->records = strtoull(records + strlen("\"records\":"), NULL, 10);
    facts->interrupted = strstr(last, "\"interrupted\":true") != NULL;
    sum += strlen(key);
    CHECK_EQ(
        EVP_Digest(text, (size_t)(sum - text), hash, NULL, EVP_sha256(), NULL),
        1);
    for (int i = 0; i < 32; i++) {
        char hex[3];

        snprintf(hex, sizeof(hex), "%02x", hash[i]);
        if (strncmp(sum + 2 * i, hex, 2) != 0)
            return -EBADMSG;
    }
    return 0;
}

static void write_and_read(void)
{
    struct facts facts;
    char path[SY_RUN_PATH_BYTES];
    size_t bytes;
    const char *text;

    write_a_run(folder, 3, path);
    CHECK_EQ(read_end(path, &facts), 0);
    CHECK_EQ(facts.records, 3);
    CHECK_EQ(facts.interrupted, 0);
    text = slurp(path, &bytes);
    check_words(text, "\"seed\":9007199254740993", __LINE__);
    check_words(text, "\"protocol\":\"" SY_PROTOCOL_VERSION "\"", __LINE__);
    check_words(text, "\"p999\":null", __LINE__);
    check_words(text, "\"argv\":[\"switchyard\",\"run\",\"\",\"bad?byte\"]",
                __LINE__);

    write_a_run(folder, 0, path);
    CHECK_EQ(read_end(path, &facts), 0);
    CHECK_EQ(facts.records, 0);
    CHECK_EQ(facts.interrupted, 1);
}

static void check_record(const struct sy_experiment *exp, const char *words,
                         int line)
{
    char *record = sy_run_file_record(exp, an_outcome());

    CHECK_EQ(record != NULL, 1);
    if (record != NULL)
        check_words(record, words, line);
    free(record);
}

/* Its name is that of the row, as if it had one of its own. */
static void record_of_a_peer(void)
{
    static const struct sy_peer_ops peer = {.name = "somebody"};
    struct sy_experiment exp = an_experiment();

    check_record(&exp, "\"row\":\"callback\",\"peer\":null,", __LINE__);
    check_record(&exp, "\"peer_switch\":null", __LINE__);
    exp.row = SY_ROW_PEER;
    exp.peer = &peer;
    check_record(&exp,
                 "\"name\":\"somebody\",\"row\":\"somebody\","
                 "\"peer\":\"somebody\",\"switcher\":null,\"engine\":null",
                 __LINE__);
}

static void unwritable(void)
{
    struct sy_run_info info = an_info();
    struct sy_run_file *file = NULL;
    char why[512], blocked[64];

    /* A file where a folder is needed stops root too. */
    snprintf(blocked, sizeof(blocked), "%s/blocked", folder);
    spew(blocked, "", 0);
    CHECK_EQ(sy_run_file_create(&file, blocked, &info, why, sizeof(why)),
             -ENOTDIR);
    CHECK_EQ(file == NULL, 1);
    check_words(why, "Not a directory", __LINE__);
    CHECK_EQ(sy_run_file_create(&file, "/proc/runs", &info, why, sizeof(why)),
             -ENOENT);
    CHECK_EQ(unlink(blocked), 0);

    info.run_id = "../evil";
    CHECK_EQ(sy_run_file_create(&file, folder, &info, why, sizeof(why)),
             -EINVAL);
    info.run_id = NULL;
    if (geteuid() != 0) {
        CHECK_EQ(mkdir(blocked, 0500), 0);
        CHECK_EQ(sy_run_file_create(&file, blocked, &info, why, sizeof(why)),
                 -EACCES);
        CHECK_EQ(rmdir(blocked), 0);
    }
}

#define LINES 3

static int given_up; /* lines, for an end */

/* What a full disk left: whole lines and an end, for which the last line was
   given up if need be; no end where that line was the only one. */
static void check_left(char *path, uint64_t added)
{
    struct facts facts;
    int err = read_end(path, &facts);

    printf("%llu lines fit: %s\n", (unsigned long long)added, path);
    if (strstr(path, ".tmp") == NULL) {
        CHECK_EQ(err, 0);
        CHECK_EQ(facts.interrupted, true);
        if (facts.records != added)
            CHECK_EQ(facts.records + 1, added);
        given_up += facts.records != added;
    } else {
        CHECK_EQ(err, -ENODATA);
    }
    CHECK_EQ(unlink(path), 0);
    for (int i = 0; i < 2; i++) { /* the machine's folder, and the run's */
        *strrchr(path, '/') = '\0';
        CHECK_EQ(rmdir(path), 0);
    }
}

/* With a limit on file sizes as the full disk: however far writing gets, what
   was added before stays, and can be read. */
static void disk_full_after(rlim_t bytes, const char *where)
{
    struct sy_experiment exp = an_experiment();
    struct sy_run_info info = an_info();
    struct rlimit limit = {bytes, RLIM_INFINITY}, off;
    struct sy_run_file *file = NULL;
    char why[512] = "", ignored[512], path[SY_RUN_PATH_BYTES];
    uint64_t added = 0;
    int err;

    getrlimit(RLIMIT_FSIZE, &off);
    limit.rlim_max = off.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
    err = sy_run_file_create(&file, where, &info, why, sizeof(why));
    for (int i = 0; i < LINES && err == 0; i++) {
        err = sy_run_file_add(file, &exp, an_outcome(), why, sizeof(why));
        added += err == 0;
    }
    if (err == 0)
        err = sy_run_file_finish(&file, true, path, why, sizeof(why));
    else if (added > 0)
        (void)sy_run_file_finish(&file, true, path, ignored, sizeof(ignored));
    else
        sy_run_file_discard(&file);
    setrlimit(RLIMIT_FSIZE, &off);
    CHECK_EQ(err, -EFBIG);
    check_words(why, "writing ", __LINE__);
    check_words(why, "File too large", __LINE__);
    if (added > 0)
        check_left(path, added);
    else
        CHECK_EQ(count_entries(where), 0);
}

static void disk_full(void)
{
    char where[64], path[SY_RUN_PATH_BYTES];
    size_t bytes;

    signal(SIGXFSZ, SIG_IGN);
    snprintf(where, sizeof(where), "%s/full", folder);
    write_a_run(folder, LINES, path);
    slurp(path, &bytes);
    CHECK_EQ(mkdir(where, 0700), 0);
    for (size_t i = 0; i < 20; i++)
        disk_full_after((rlim_t)(bytes * i / 20), where);
    disk_full_after((rlim_t)(bytes - 60), where); /* within the end */
    CHECK_EQ(given_up > 0, true);
    CHECK_EQ(count_entries(where), 0);
}

static void same_name_twice(void)
{
    struct sy_run_info info = an_info();
    struct sy_run_file *first = NULL, *second = NULL;
    char why[512];

    info.run_id = "twice";
    CHECK_EQ(sy_run_file_create(&first, folder, &info, why, sizeof(why)), 0);
    CHECK_EQ(sy_run_file_create(&second, folder, &info, why, sizeof(why)),
             -EEXIST);
    CHECK_EQ(sy_run_file_finish(&first, false, NULL, why, sizeof(why)), 0);
    CHECK_EQ(sy_run_file_create(&second, folder, &info, why, sizeof(why)),
             -EEXIST);
    check_words(why, "File exists", __LINE__);
}

static void remove_everything(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    if (system(command) != 0)
        printf("%s stays behind\n", folder);
}

int main(void)
{
    if (mkdtemp(folder) == NULL) {
        printf("no temporary folder: %s\n", strerror(errno));
        return 77;
    }
    write_and_read();
    record_of_a_peer();
    unwritable();
    disk_full();
    same_name_twice();
    remove_everything();
    return failures != 0;
}
