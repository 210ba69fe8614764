/* SPDX-License-Identifier: Apache-2.0 */
#include "run_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/compiler.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "run_record.h"

#define TMP_SUFFIX   ".tmp"
#define RUN_ID_BYTES 128
#define HEX_BYTES    65

/* Files beside it: what they are called, and how many there may be. */
#define SIDECAR_NAME_BYTES 64
#define SIDECARS_MAX       4096

/* The hash stands at the very end and covers every byte before it. */
static const char hash_key[] = "\"sha256\":\"";

struct sy_run_file {
    char path[SY_RUN_PATH_BYTES];     /* the final name */
    char tmp_path[SY_RUN_PATH_BYTES]; /* the name until finish */
    char folder[SY_RUN_PATH_BYTES];   /* what path is in */
    size_t kept_bytes; /* of folder: what was there before; the folders below
                          are ours to remove */
    int fd;
    uint64_t records;
    uint64_t whole_bytes; /* of the file: its whole lines */
    char sidecars[SIDECARS_MAX][SIDECAR_NAME_BYTES];
    size_t sidecars_count;
    size_t sidecars_named; /* those that a line of the file names */
    EVP_MD_CTX *hash;      /* of the whole lines */
    struct {               /* what there was without the last line */
        uint64_t whole_bytes;
        size_t sidecars_named;
        EVP_MD_CTX *hash;
    } before;
};

static int say(char *why, size_t why_bytes, int err, const char *format, ...)
    SY_PRINTF(4, 5);

static int say(char *why, size_t why_bytes, int err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, why_bytes, format, args);
    va_end(args);
    return err;
}

/* ---- hashing ----------------------------------------------------------- */

static EVP_MD_CTX *hash_begin(void)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();

    if (hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(hash);
        return NULL;
    }
    return hash;
}

static int hash_end(EVP_MD_CTX *hash, char hex[HEX_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;

    if (EVP_DigestFinal_ex(hash, digest, &bytes) != 1)
        return -EIO;
    for (unsigned i = 0; i < bytes && 2 * i + 2 < HEX_BYTES; i++)
        snprintf(hex + (size_t)2 * i, 3, "%02x", (unsigned)digest[i]);
    return 0;
}

/* ---- folders ----------------------------------------------------------- */

/* Make a folder and those above it. Sets *kept_bytes to how much of the path
   was there before, if anything had to be made. */
static int make_folders(char *path, size_t *kept_bytes)
{
    size_t bytes = strlen(path), kept = bytes;

    for (size_t i = 1; i <= bytes; i++) {
        char c = path[i];
        int err;

        if (c != '/' && c != '\0')
            continue;
        path[i] = '\0';
        err = mkdir(path, 0777) == -1 ? errno : 0;
        if (err == 0 && kept == bytes)
            kept = strrchr(path, '/') ? (size_t)(strrchr(path, '/') - path) : 0;
        path[i] = c;
        if (err != 0 && err != EEXIST) {
            *kept_bytes = kept;
            return -err;
        }
    }
    *kept_bytes = kept;
    return 0;
}

/* Remove the folders that were made, while they are empty. */
static void remove_folders(char *path, size_t kept_bytes)
{
    while (strlen(path) > kept_bytes && rmdir(path) == 0) {
        char *slash = strrchr(path, '/');

        if (slash == NULL || slash == path)
            return;
        *slash = '\0';
    }
}

static int sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;

    if (fd == -1)
        return -errno;
    /* Some file systems cannot sync a folder, and say so. */
    if (fsync(fd) == -1 && errno != EINVAL)
        err = -errno;
    close(fd);
    return err;
}

/* Sync the folder of the file and those above it that were made. */
static int sync_folders(const char *folder, size_t kept_bytes)
{
    char path[SY_RUN_PATH_BYTES];
    int err;

    snprintf(path, sizeof(path), "%s", folder);
    for (;;) {
        char *slash;

        err = sync_folder(path);
        if (err != 0 || strlen(path) <= kept_bytes)
            return err;
        slash = strrchr(path, '/');
        if (slash == NULL)
            return sync_folder(".");
        if (slash == path)
            return sync_folder("/");
        *slash = '\0';
    }
}

/* ---- writing ----------------------------------------------------------- */

static int write_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t n = write(fd, bytes, count);

        if (n == -1 && errno != EINTR)
            return -errno;
        if (n > 0) {
            bytes += n;
            count -= (size_t)n;
        }
    }
    return 0;
}

/* Write a line of bytes bytes, its end included, or nothing of it. */
static int write_whole(struct sy_run_file *file, const char *line, size_t bytes)
{
    int err = write_all(file->fd, line, bytes);

    if (err == 0) {
        file->whole_bytes += bytes;
    } else if (ftruncate(file->fd, (off_t)file->whole_bytes) == 0) {
        (void)lseek(file->fd, (off_t)file->whole_bytes, SEEK_SET);
    }
    return err;
}

/* A line was written: it is the last one now, and names what is beside. */
static int count_line(struct sy_run_file *file, const char *line, size_t bytes)
{
    file->before.whole_bytes = file->whole_bytes - bytes;
    file->before.sidecars_named = file->sidecars_named;
    file->sidecars_named = file->sidecars_count;
    if (EVP_MD_CTX_copy_ex(file->before.hash, file->hash) != 1 ||
        EVP_DigestUpdate(file->hash, line, bytes) != 1)
        return -EIO;
    return 0;
}

static bool is_full(int err)
{
    return err == -ENOSPC || err == -EDQUOT || err == -EFBIG;
}

/* Take the last line back, but not an only one. */
static int give_up_last_line(struct sy_run_file *file)
{
    if (file->records < 2)
        return -ENODATA;
    file->whole_bytes = file->before.whole_bytes;
    file->sidecars_named = file->before.sidecars_named;
    file->records--;
    if (ftruncate(file->fd, (off_t)file->whole_bytes) == -1 ||
        lseek(file->fd, (off_t)file->whole_bytes, SEEK_SET) == -1)
        return -errno;
    return EVP_MD_CTX_copy_ex(file->hash, file->before.hash) == 1 ? 0 : -EIO;
}

static int write_text(struct sy_run_file *file, const char *text, char *why,
                      size_t why_bytes)
{
    size_t bytes = strlen(text) + 1;
    char *line = malloc(bytes);
    int err = -ENOMEM;

    if (line != NULL) {
        memcpy(line, text, bytes - 1);
        line[bytes - 1] = '\n';
        err = write_whole(file, line, bytes);
    }
    if (err == 0)
        err = count_line(file, line, bytes);
    free(line);
    if (err != 0)
        return say(why, why_bytes, err, "writing %.300s: %s", file->tmp_path,
                   strerror(-err));
    return 0;
}

/* Write an object as a line; takes the reference. */
static int write_line(struct sy_run_file *file, json_t *object, char *why,
                      size_t why_bytes)
{
    char *line = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    int err;

    json_decref(object);
    if (line == NULL)
        return say(why, why_bytes, -ENOMEM, "no memory for a result");
    err = write_text(file, line, why, why_bytes);
    free(line);
    return err;
}

/* "20250131T120000Z-1a2b3c": sorts by time, and does not meet another. */
static void make_run_id(char *id)
{
    unsigned char random[3] = {0, 0, 0};
    time_t now = time(NULL);
    struct tm tm;
    size_t n;

    memset(&tm, 0, sizeof(tm));
    gmtime_r(&now, &tm);
    n = strftime(id, RUN_ID_BYTES, "%Y%m%dT%H%M%SZ", &tm);
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random[0] = (unsigned char)getpid();
    snprintf(id + n, RUN_ID_BYTES - n, "-%02x%02x%02x", (unsigned)random[0],
             (unsigned)random[1], (unsigned)random[2]);
}

bool sy_run_file_is_id(const char *id)
{
    size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                          "0123456789._-");

    return n > 0 && n < RUN_ID_BYTES && id[n] == '\0' && id[0] != '.';
}

/* Name, make folders, open. */
static int open_tmp(struct sy_run_file *file, const char *folder,
                    const char *run_id, const char *fingerprint,
                    const struct sy_run_info *info, char *why, size_t why_bytes)
{
    size_t bytes = strlen(folder), room;
    int err;

    while (bytes > 1 && folder[bytes - 1] == '/')
        bytes--;
    if (bytes == 0 || bytes > SY_RUN_PATH_BYTES / 2)
        return say(why, why_bytes, bytes == 0 ? -ENOENT : -ENAMETOOLONG,
                   "the name of the output folder is %s",
                   bytes == 0 ? "empty" : "too long");
    snprintf(file->folder, sizeof(file->folder), "%.*s/%s/%s", (int)bytes,
             folder, run_id, fingerprint);
    bytes = strlen(file->folder);
    room = sizeof(file->path) - bytes;
    memcpy(file->path, file->folder, bytes);
    snprintf(file->path + bytes, room, "/shard-%uof%u.jsonl",
             sy__run_shard(info->shard_index), sy__run_shard(info->shard_of));
    memcpy(file->tmp_path, file->path, sizeof(file->path));
    bytes = strlen(file->path);
    room = sizeof(file->tmp_path) - bytes;
    snprintf(file->tmp_path + bytes, room, TMP_SUFFIX);

    err = make_folders(file->folder, &file->kept_bytes);
    if (err == 0 && access(file->path, F_OK) == 0)
        err = -EEXIST;
    if (err == 0) {
        file->fd =
            open(file->tmp_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        err = file->fd == -1 ? -errno : 0;
    }
    if (err != 0) {
        const bool is_going_on =
            err == -EEXIST && access(file->path, F_OK) == -1;

        say(why, why_bytes, err, "cannot make %.300s: %s%s",
            is_going_on ? file->tmp_path : file->path, strerror(-err),
            is_going_on ? ": its run is going on, or was killed, and then the "
                          "file can be removed"
                        : "");
        remove_folders(file->folder, file->kept_bytes);
    }
    return err;
}

static void free_file(struct sy_run_file *file)
{
    EVP_MD_CTX_free(file->before.hash);
    EVP_MD_CTX_free(file->hash);
    free(file);
}

int sy_run_file_create(struct sy_run_file **out, const char *folder,
                       const struct sy_run_info *info, char *why,
                       size_t why_bytes)
{
    char run_id[RUN_ID_BYTES];
    struct sy_run_file *file;
    struct sy_machine machine;
    int err;

    *out = NULL;
    say(why, why_bytes, 0, "%s", "");
    if (info->seed > INT64_MAX)
        return say(why, why_bytes, -ERANGE, "seeds are 0 .. %lld",
                   (long long)INT64_MAX);
    make_run_id(run_id);
    if (info->run_id != NULL) {
        if (!sy_run_file_is_id(info->run_id))
            return say(why, why_bytes, -EINVAL,
                       "a run's name is " SY_RUN_FILE_ID_WORDS);
        strcpy(run_id, info->run_id);
    }
    file = calloc(1, sizeof(*file));
    if (file == NULL)
        return say(why, why_bytes, -ENOMEM, "no memory for a run file");
    file->hash = hash_begin();
    file->before.hash = EVP_MD_CTX_new();
    if (file->hash == NULL || file->before.hash == NULL) {
        err = say(why, why_bytes, -ENOMEM, "no memory for a hash");
        goto free_file;
    }
    sy_machine_read(&machine);
    err = open_tmp(file, folder, run_id, machine.fingerprint, info, why,
                   why_bytes);
    if (err != 0)
        goto free_file;
    err =
        write_line(file, sy__run_meta(info, run_id, &machine), why, why_bytes);
    if (err != 0) {
        sy_run_file_discard(&file);
        return err;
    }
    *out = file;
    return 0;

free_file:
    free_file(file);
    return err;
}

int sy_run_file_add(struct sy_run_file *file, const struct sy_experiment *exp,
                    const struct sy_outcome *outcome, char *why,
                    size_t why_bytes)
{
    int err = write_line(file, sy__run_record(exp, outcome), why, why_bytes);

    if (err == 0)
        file->records++;
    return err;
}

int sy_run_file_add_line(struct sy_run_file *file, const char *line, char *why,
                         size_t why_bytes)
{
    int err = write_text(file, line, why, why_bytes);

    if (err == 0)
        file->records++;
    return err;
}

static int hash_all(const void *data, size_t bytes, char *hex)
{
    EVP_MD_CTX *hash = hash_begin();
    int err = -EIO;

    if (hash == NULL)
        return -ENOMEM;
    if (EVP_DigestUpdate(hash, data, bytes) == 1)
        err = hash_end(hash, hex);
    EVP_MD_CTX_free(hash);
    return err;
}

static void sidecar_path(const struct sy_run_file *file, size_t i, char *path)
{
    snprintf(path, 2 * SY_RUN_PATH_BYTES, "%s/%s", file->folder,
             file->sidecars[i]);
}

int sy__run_file_add_sidecar(struct sy_run_file *file, const char *kind,
                             const void *data, size_t bytes, char *name,
                             char *hex, char *why, size_t why_bytes)
{
    char path[2 * SY_RUN_PATH_BYTES];
    size_t i = file->sidecars_count;
    int fd, err;

    if (i == SIDECARS_MAX)
        return say(why, why_bytes, -EMFILE, "more than %d files beside it",
                   SIDECARS_MAX);
    snprintf(file->sidecars[i], SIDECAR_NAME_BYTES, "%.20s-%zu.bin", kind, i);
    snprintf(name, SIDECAR_NAME_BYTES, "%s", file->sidecars[i]);
    sidecar_path(file, i, path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd == -1) {
        err = -errno;
        return say(why, why_bytes, err, "cannot make %.300s: %s", path,
                   strerror(-err));
    }
    file->sidecars_count++;
    err = write_all(fd, data, bytes);
    if (err == 0 && fsync(fd) == -1)
        err = -errno;
    if (close(fd) == -1 && err == 0)
        err = -errno;
    if (err == 0)
        err = hash_all(data, bytes, hex);
    if (err != 0)
        return say(why, why_bytes, err, "writing %.300s: %s", path,
                   strerror(-err));
    return 0;
}

static int write_end(struct sy_run_file *file, bool interrupted)
{
    char line[512], now[32], hex[HEX_BYTES] = "";
    int n, err;

    sy__run_time(now);
    n = snprintf(line, sizeof(line),
                 "{\"type\":\"end\",\"records\":%llu,\"interrupted\":%s,"
                 "\"finished\":\"%s\",%s",
                 (unsigned long long)file->records,
                 interrupted ? "true" : "false", now, hash_key);
    if (EVP_DigestUpdate(file->hash, line, (size_t)n) != 1)
        return -EIO;
    err = hash_end(file->hash, hex);
    if (err != 0)
        return err;
    n += snprintf(line + n, sizeof(line) - (size_t)n, "%s\"}\n", hex);
    return write_whole(file, line, (size_t)n);
}

/* Those from the one on whose number is given. */
static void remove_sidecars(const struct sy_run_file *file, size_t i)
{
    for (; i < file->sidecars_count; i++) {
        char path[2 * SY_RUN_PATH_BYTES];

        sidecar_path(file, i, path);
        unlink(path);
    }
}

int sy_run_file_finish(struct sy_run_file **handle, bool interrupted,
                       char *path, char *why, size_t why_bytes)
{
    struct sy_run_file *file = *handle;
    const char *stands_in = file->tmp_path;
    int err, gave_up = 0;

    *handle = NULL;
    say(why, why_bytes, 0, "%s", "");
    err = write_end(file, interrupted);
    /* Without an end, nothing that reads run files takes what was measured. */
    if (is_full(err) && give_up_last_line(file) == 0) {
        gave_up = err;
        err = write_end(file, true);
    }
    if (err == 0 && fsync(file->fd) == -1)
        err = -errno;
    /* A late error of a network file system comes with close. */
    if (close(file->fd) == -1 && err == 0)
        err = -errno;
    if (err == 0 && rename(file->tmp_path, file->path) == -1)
        err = -errno;
    if (err == 0) {
        stands_in = file->path;
        err = sync_folders(file->folder, file->kept_bytes);
    }
    remove_sidecars(file, file->sidecars_named);
    if (err != 0)
        say(why, why_bytes, err, "writing %.300s: %s", stands_in,
            strerror(-err));
    else if (gave_up != 0)
        err = say(why, why_bytes, gave_up,
                  "writing %.300s: %s: its last line was given up, to have "
                  "room for the end",
                  stands_in, strerror(-gave_up));
    if (path != NULL)
        strcpy(path, stands_in);
    free_file(file);
    return err;
}

void sy_run_file_discard(struct sy_run_file **handle)
{
    struct sy_run_file *file = *handle;

    *handle = NULL;
    if (file == NULL)
        return;
    close(file->fd);
    unlink(file->tmp_path);
    remove_sidecars(file, 0);
    remove_folders(file->folder, file->kept_bytes);
    free_file(file);
}

uint64_t sy_run_file_lines(const struct sy_run_file *file)
{
    return file->records;
}

/* The object as a line; it is let go. */
static char *dumped(json_t *object)
{
    char *line = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    return line;
}

char *sy_run_file_experiment(const struct sy_experiment *exp)
{
    return dumped(sy__run_experiment(exp));
}

char *sy_run_file_record(const struct sy_experiment *exp,
                         const struct sy_outcome *outcome)
{
    return dumped(sy__run_record(exp, outcome));
}

char *sy_run_file_phases(const struct sy_experiment *exp,
                         const struct sy_phases_record *phases)
{
    return dumped(sy__run_phases(exp, phases));
}
