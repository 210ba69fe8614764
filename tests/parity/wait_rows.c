/* SPDX-License-Identifier: Apache-2.0 */
/* ASYNC_WAIT_CTX_new(3): fds, what changed of them, callback and status. */
#include "parity.h"
#include <string.h>

#define MOST_FDS 1000

/* Numbers in the place of fds: a wait context only keeps them. Keys are
   addresses. */
static const char keys[MOST_FDS];

struct cleaned {
    ASYNC_WAIT_CTX *wait;
    const void *key;
    int fd;
    void *custom;
};

static struct cleaned cleaned[8];
static size_t cleanups;

static void note_cleanup(ASYNC_WAIT_CTX *wait, const void *key, int fd,
                         void *custom)
{
    if (cleanups < sizeof(cleaned) / sizeof(cleaned[0]))
        cleaned[cleanups] = (struct cleaned){wait, key, fd, custom};
    cleanups++;
}

static void add(ASYNC_WAIT_CTX *wait, int key, int fd)
{
    CHECK_EQ(
        ASYNC_WAIT_CTX_set_wait_fd(wait, &keys[key], fd, NULL, note_cleanup),
        1);
}

static void clear(ASYNC_WAIT_CTX *wait, int key)
{
    CHECK_EQ(ASYNC_WAIT_CTX_clear_fd(wait, &keys[key]), 1);
}

/* All fds, in this order; the list ends with -1. */
static void expect_fds(ASYNC_WAIT_CTX *wait, const int *fds)
{
    int found[16];
    size_t count = 99, expected = 0;

    while (fds[expected] != -1)
        expected++;
    CHECK_EQ(ASYNC_WAIT_CTX_get_all_fds(wait, NULL, &count), 1);
    CHECK_EQ(count, expected);
    memset(found, 0xff, sizeof(found));
    count = 99;
    CHECK_EQ(ASYNC_WAIT_CTX_get_all_fds(wait, found, &count), 1);
    CHECK_EQ(count, expected);
    for (size_t i = 0; i < expected; i++)
        CHECK_EQ(found[i], fds[i]);
    CHECK_EQ(found[expected], -1); /* no more was written */
}

#define EXPECT_FDS(wait, ...) expect_fds((wait), (const int[]){__VA_ARGS__, -1})
#define EXPECT_NO_FDS(wait)   expect_fds((wait), (const int[]){-1})

static void expect_changes(ASYNC_WAIT_CTX *wait, size_t added, size_t deleted)
{
    size_t add_count = 99, del_count = 99;

    CHECK_EQ(ASYNC_WAIT_CTX_get_changed_fds(wait, NULL, &add_count, NULL,
                                            &del_count),
             1);
    CHECK_EQ(add_count, added);
    CHECK_EQ(del_count, deleted);
}

/* ---- fds --------------------------------------------------------------- */

static void new_context_is_empty(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    EXPECT_NO_FDS(wait);
    expect_changes(wait, 0, 0);
    ASYNC_WAIT_CTX_free(wait);
}

static void free_null(void)
{
    ASYNC_WAIT_CTX_free(NULL);
}

static void get_fd_by_key(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    int fd = -1, value = 3;
    void *custom = NULL;

    CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(wait, &keys[1], 11, &value, NULL), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(wait, &keys[2], 12, NULL, NULL), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_fd(wait, &keys[1], &fd, &custom), 1);
    CHECK_EQ(fd, 11);
    CHECK(custom == &value);
    CHECK_EQ(ASYNC_WAIT_CTX_get_fd(wait, &keys[2], &fd, &custom), 1);
    CHECK_EQ(fd, 12);
    CHECK(custom == NULL);
    ASYNC_WAIT_CTX_free(wait);
}

static void get_fd_unknown_key(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    int fd = -1;
    void *custom;

    CHECK_EQ(ASYNC_WAIT_CTX_get_fd(wait, &keys[1], &fd, &custom), 0);
    add(wait, 1, 11);
    CHECK_EQ(ASYNC_WAIT_CTX_get_fd(wait, &keys[2], &fd, &custom), 0);
    ASYNC_WAIT_CTX_free(wait);
}

static void all_fds_newest_first(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    add(wait, 1, 11);
    EXPECT_FDS(wait, 11);
    add(wait, 2, 12);
    add(wait, 3, 13);
    EXPECT_FDS(wait, 13, 12, 11);
    ASYNC_WAIT_CTX_free(wait);
}

static void same_fd_under_two_keys(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    add(wait, 1, 11);
    add(wait, 2, 11);
    EXPECT_FDS(wait, 11, 11);
    clear(wait, 1);
    EXPECT_FDS(wait, 11);
    ASYNC_WAIT_CTX_free(wait);
}

/* Both stay; the key finds the newest, until that is cleared. */
static void duplicate_keys(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    void *custom;
    int fd;

    add(wait, 1, 11);
    add(wait, 1, 12);
    EXPECT_FDS(wait, 12, 11);
    CHECK_EQ(ASYNC_WAIT_CTX_get_fd(wait, &keys[1], &fd, &custom), 1);
    CHECK_EQ(fd, 12);
    clear(wait, 1);
    EXPECT_FDS(wait, 11);
    CHECK_EQ(ASYNC_WAIT_CTX_get_fd(wait, &keys[1], &fd, &custom), 1);
    CHECK_EQ(fd, 11);
    clear(wait, 1);
    EXPECT_NO_FDS(wait);
    CHECK_EQ(ASYNC_WAIT_CTX_clear_fd(wait, &keys[1]), 0);
    ASYNC_WAIT_CTX_free(wait);
}

static void clear_from_anywhere(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    for (int i = 1; i <= 5; i++)
        add(wait, i, 10 + i);
    clear(wait, 3);
    EXPECT_FDS(wait, 15, 14, 12, 11);
    clear(wait, 5);
    EXPECT_FDS(wait, 14, 12, 11);
    clear(wait, 1);
    EXPECT_FDS(wait, 14, 12);
    add(wait, 1, 21);
    EXPECT_FDS(wait, 21, 14, 12);
    ASYNC_WAIT_CTX_free(wait);
}

static void clear_unknown_key(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(ASYNC_WAIT_CTX_clear_fd(wait, &keys[1]), 0);
    add(wait, 1, 11);
    CHECK_EQ(ASYNC_WAIT_CTX_clear_fd(wait, &keys[2]), 0);
    clear(wait, 1);
    CHECK_EQ(ASYNC_WAIT_CTX_clear_fd(wait, &keys[1]), 0);
    ASYNC_WAIT_CTX_free(wait);
}

static void thousand_fds(void)
{
    static int found[MOST_FDS];
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    size_t count = 0;
    void *custom;
    int fd;

    for (int i = 0; i < MOST_FDS; i++)
        add(wait, i, 5000 + i);
    CHECK_EQ(ASYNC_WAIT_CTX_get_all_fds(wait, NULL, &count), 1);
    CHECK_EQ(count, MOST_FDS);
    CHECK_EQ(ASYNC_WAIT_CTX_get_all_fds(wait, found, &count), 1);
    for (int i = 0; i < MOST_FDS; i++) {
        CHECK_EQ(found[i], 5000 + MOST_FDS - 1 - i);
        CHECK_EQ(ASYNC_WAIT_CTX_get_fd(wait, &keys[i], &fd, &custom), 1);
        CHECK_EQ(fd, 5000 + i);
    }
    ASYNC_WAIT_CTX_free(wait);
    CHECK_EQ(cleanups, MOST_FDS);
}

/* ---- clean-up ---------------------------------------------------------- */

static void free_runs_cleanups(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    int values[2];

    for (int i = 0; i < 2; i++)
        CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(wait, &keys[i], 10 + i, &values[i],
                                            note_cleanup),
                 1);
    CHECK_EQ(cleanups, 0);
    ASYNC_WAIT_CTX_free(wait);
    CHECK_EQ(cleanups, 2);
    for (int i = 0; i < 2; i++) { /* newest first */
        CHECK(cleaned[i].wait == wait);
        CHECK(cleaned[i].key == &keys[1 - i]);
        CHECK_EQ(cleaned[i].fd, 11 - i);
        CHECK(cleaned[i].custom == &values[1 - i]);
    }
}

static void cleanup_may_be_null(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(wait, &keys[1], 11, NULL, NULL), 1);
    add(wait, 2, 12);
    ASYNC_WAIT_CTX_free(wait);
    CHECK_EQ(cleanups, 1);
    CHECK_EQ(cleaned[0].fd, 12);
}

/* Neither at once, nor when the context is freed; in the window of the add and
   after it. */
static void clear_never_cleans_up(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    add(wait, 1, 11);
    add(wait, 2, 12);
    clear(wait, 1);
    job = parity_start_paused(wait, parity_pause_once, NULL, 0);
    (void)parity_resume_finished(job, wait);
    clear(wait, 2);
    CHECK_EQ(cleanups, 0);
    ASYNC_WAIT_CTX_free(wait);
    CHECK_EQ(cleanups, 0);
}

static void free_cleans_up_what_is_left(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    for (int i = 1; i <= 4; i++)
        add(wait, i, 10 + i);
    clear(wait, 2);
    clear(wait, 4);
    ASYNC_WAIT_CTX_free(wait);
    CHECK_EQ(cleanups, 2);
    CHECK_EQ(cleaned[0].fd, 13);
    CHECK_EQ(cleaned[1].fd, 11);
}

/* A pause, a resume and an end leave fds and their clean-ups alone. */
static void jobs_clean_nothing_up(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    add(wait, 1, 11);
    for (int i = 0; i < 3; i++) {
        job = parity_start_paused(wait, parity_pause_once, NULL, 0);
        (void)parity_resume_finished(job, wait);
    }
    CHECK_EQ(cleanups, 0);
    EXPECT_FDS(wait, 11);
    ASYNC_WAIT_CTX_free(wait);
    CHECK_EQ(cleanups, 1);
}

/* ---- what changed ------------------------------------------------------ */

static void changes_since_created(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    int added[4] = {-1, -1, -1, -1}, deleted[1] = {-1};
    size_t add_count = 99, del_count = 99;

    add(wait, 1, 11);
    add(wait, 2, 12);
    expect_changes(wait, 2, 0);
    CHECK_EQ(ASYNC_WAIT_CTX_get_changed_fds(wait, added, &add_count, deleted,
                                            &del_count),
             1);
    CHECK_EQ(add_count, 2);
    CHECK_EQ(del_count, 0);
    CHECK_EQ(added[0], 12); /* newest first */
    CHECK_EQ(added[1], 11);
    CHECK_EQ(added[2], -1);
    CHECK_EQ(deleted[0], -1);
    expect_changes(wait, 2, 0); /* asking changes nothing */
    ASYNC_WAIT_CTX_free(wait);
}

/* Either list can be left out. */
static void changes_of_one_kind(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;
    size_t add_count = 99, del_count = 99;
    int list[2] = {-1, -1};

    add(wait, 1, 11);
    job = parity_start_paused(wait, parity_pause_once, NULL, 0);
    (void)parity_resume_finished(job, wait);
    clear(wait, 1);
    add(wait, 2, 12);
    CHECK_EQ(ASYNC_WAIT_CTX_get_changed_fds(wait, list, &add_count, NULL,
                                            &del_count),
             1);
    CHECK_EQ(list[0], 12);
    CHECK_EQ(list[1], -1);
    list[0] = -1;
    CHECK_EQ(ASYNC_WAIT_CTX_get_changed_fds(wait, NULL, &add_count, list,
                                            &del_count),
             1);
    CHECK_EQ(list[0], 11);
    CHECK_EQ(list[1], -1);
    CHECK_EQ(add_count, 1);
    CHECK_EQ(del_count, 1);
    ASYNC_WAIT_CTX_free(wait);
}

/* Added and cleared in one window: it was never there. */
static void add_and_clear_in_one_window(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    add(wait, 1, 11);
    add(wait, 2, 12);
    clear(wait, 1);
    expect_changes(wait, 1, 0);
    EXPECT_FDS(wait, 12);
    clear(wait, 2);
    expect_changes(wait, 0, 0);
    EXPECT_NO_FDS(wait);
    ASYNC_WAIT_CTX_free(wait);
    CHECK_EQ(cleanups, 0);
}

/* An fd that is replaced, with the same key, is one added and one deleted. */
static void replace_under_the_same_key(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    int added = -1, deleted = -1, fd = -1;
    size_t add_count, del_count;
    void *custom;
    ASYNC_JOB *job;

    add(wait, 1, 11);
    job = parity_start_paused(wait, parity_pause_once, NULL, 0);
    (void)parity_resume_finished(job, wait);
    clear(wait, 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_fd(wait, &keys[1], &fd, &custom), 0);
    add(wait, 1, 12);
    CHECK_EQ(ASYNC_WAIT_CTX_get_changed_fds(wait, &added, &add_count, &deleted,
                                            &del_count),
             1);
    CHECK_EQ(add_count, 1);
    CHECK_EQ(del_count, 1);
    CHECK_EQ(added, 12);
    CHECK_EQ(deleted, 11);
    CHECK_EQ(ASYNC_WAIT_CTX_get_fd(wait, &keys[1], &fd, &custom), 1);
    CHECK_EQ(fd, 12);
    EXPECT_FDS(wait, 12);
    ASYNC_WAIT_CTX_free(wait);
    CHECK_EQ(cleanups, 1);
}

static int fds_and_pauses(void *arg)
{
    ASYNC_WAIT_CTX *wait = ASYNC_get_wait_ctx(ASYNC_get_current_job());

    (void)arg;
    add(wait, 1, 11);
    CHECK_EQ(ASYNC_pause_job(), 1); /* 1: added 11 */
    expect_changes(wait, 0, 0);     /* a new window begins at the resume */
    EXPECT_FDS(wait, 11);
    CHECK_EQ(ASYNC_pause_job(), 1); /* 2: nothing */
    add(wait, 2, 12);
    clear(wait, 1);
    CHECK_EQ(ASYNC_pause_job(), 1); /* 3: added 12, deleted 11 */
    add(wait, 3, 13);
    clear(wait, 3);
    CHECK_EQ(ASYNC_pause_job(), 1); /* 4: nothing */
    clear(wait, 2);
    return 1;
}

/* "since the last time ASYNC_start_job() returned ASYNC_PAUSE" */
static void windows_begin_at_resume(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, fds_and_pauses, NULL, 0);

    expect_changes(wait, 1, 0);
    EXPECT_FDS(wait, 11);
    parity_resume_paused(job, wait);
    expect_changes(wait, 0, 0);
    EXPECT_FDS(wait, 11);
    parity_resume_paused(job, wait);
    expect_changes(wait, 1, 1);
    EXPECT_FDS(wait, 12);
    parity_resume_paused(job, wait);
    expect_changes(wait, 0, 0);
    EXPECT_FDS(wait, 12);
    CHECK_EQ(parity_resume_finished(job, wait), 1);
    expect_changes(wait, 0, 1);
    EXPECT_NO_FDS(wait);
    ASYNC_WAIT_CTX_free(wait);
    CHECK_EQ(cleanups, 0);
}

static int add_without_pause(void *arg)
{
    ASYNC_WAIT_CTX *wait = ASYNC_get_wait_ctx(ASYNC_get_current_job());

    (void)arg;
    ASYNC_block_pause();
    add(wait, 1, 11);
    CHECK_EQ(ASYNC_pause_job(), 1);
    expect_changes(wait, 1, 0);
    ASYNC_unblock_pause();
    return 1;
}

/* A pause that does not pause begins no window, in a job or outside. */
static void blocked_pause_keeps_the_window(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(parity_run(wait, add_without_pause, NULL, 0), 1);
    CHECK_EQ(ASYNC_pause_job(), 1);
    expect_changes(wait, 1, 0);
    ASYNC_WAIT_CTX_free(wait);
}

/* Neither the end of a job nor the start of the next begins a window. */
static void window_outlives_the_job(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    CHECK_EQ(parity_run(wait, add_without_pause, NULL, 0), 1);
    job = parity_start_paused(wait, parity_pause_once, NULL, 0);
    expect_changes(wait, 1, 0);
    CHECK_EQ(parity_resume_finished(job, wait), 1);
    expect_changes(wait, 0, 0);
    EXPECT_FDS(wait, 11);
    ASYNC_WAIT_CTX_free(wait);
}

/* What the caller itself adds while the job is paused is of the old window. */
static void changes_by_the_caller(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, fds_and_pauses, NULL, 0);

    add(wait, 5, 15);
    expect_changes(wait, 2, 0);
    clear(wait, 5);
    expect_changes(wait, 1, 0);
    parity_resume_paused(job, wait);
    parity_resume_paused(job, wait);
    parity_resume_paused(job, wait);
    CHECK_EQ(parity_resume_finished(job, wait), 1);
    ASYNC_WAIT_CTX_free(wait);
}

/* "can be reused after an ASYNC_JOB has finished": the fd stays, stable. */
static void context_reused_by_jobs(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;
    void *custom;
    int fd;

    add(wait, 1, 11);
    for (int i = 0; i < 5; i++) {
        job = parity_start_paused(wait, parity_pause_once, NULL, 0);
        CHECK_EQ(ASYNC_WAIT_CTX_get_fd(wait, &keys[1], &fd, &custom), 1);
        CHECK_EQ(fd, 11);
        CHECK_EQ(parity_resume_finished(job, wait), 1);
        expect_changes(wait, 0, 0);
    }
    ASYNC_WAIT_CTX_free(wait);
}

/* ---- callback and status ----------------------------------------------- */

static int one_callback(void *arg)
{
    *(int *)arg = 1;
    return 1;
}

static int other_callback(void *arg)
{
    *(int *)arg = 2;
    return 1;
}

static void no_callback_at_first(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_callback_fn callback;
    void *arg;

    CHECK_EQ(ASYNC_WAIT_CTX_get_callback(wait, &callback, &arg), 0);
    ASYNC_WAIT_CTX_free(wait);
}

static void callback_set_and_replaced(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_callback_fn callback;
    int called = 0;
    void *arg;

    CHECK_EQ(ASYNC_WAIT_CTX_set_callback(wait, one_callback, &called), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_callback(wait, &callback, &arg), 1);
    CHECK(callback == one_callback);
    CHECK(arg == &called);
    CHECK_EQ(callback(arg), 1);
    CHECK_EQ(called, 1);
    CHECK_EQ(ASYNC_WAIT_CTX_set_callback(wait, other_callback, NULL), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_callback(wait, &callback, &arg), 1);
    CHECK(callback == other_callback);
    CHECK(arg == NULL);
    ASYNC_WAIT_CTX_free(wait);
    CHECK_EQ(called, 1); /* nobody but a device calls it */
}

static void callback_removed(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_callback_fn callback;
    void *arg;

    CHECK_EQ(ASYNC_WAIT_CTX_set_callback(wait, one_callback, NULL), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_set_callback(wait, NULL, NULL), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_callback(wait, &callback, &arg), 0);
    ASYNC_WAIT_CTX_free(wait);
}

static void callback_of_no_context(void)
{
    CHECK_EQ(ASYNC_WAIT_CTX_set_callback(NULL, one_callback, NULL), 0);
}

static int read_callback(void *arg)
{
    ASYNC_WAIT_CTX *wait = ASYNC_get_wait_ctx(ASYNC_get_current_job());
    ASYNC_callback_fn callback;
    void *callback_arg;

    (void)arg;
    CHECK_EQ(ASYNC_WAIT_CTX_get_callback(wait, &callback, &callback_arg), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_set_status(wait, ASYNC_STATUS_OK), 1);
    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_callback(wait, &callback, &callback_arg), 1);
    return callback(callback_arg);
}

/* Callback and status stay over pauses and from job to job. */
static void callback_and_status_stay(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    int called = 0;

    CHECK_EQ(ASYNC_WAIT_CTX_set_callback(wait, one_callback, &called), 1);
    for (int i = 0; i < 2; i++) {
        ASYNC_JOB *job = parity_start_paused(wait, read_callback, NULL, 0);

        CHECK_EQ(ASYNC_WAIT_CTX_get_status(wait), ASYNC_STATUS_OK);
        called = 0;
        CHECK_EQ(parity_resume_finished(job, wait), 1);
        CHECK_EQ(called, 1);
        CHECK_EQ(ASYNC_WAIT_CTX_get_status(wait), ASYNC_STATUS_OK);
    }
    ASYNC_WAIT_CTX_free(wait);
}

static void status_default(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(ASYNC_WAIT_CTX_get_status(wait), ASYNC_STATUS_UNSUPPORTED);
    ASYNC_WAIT_CTX_free(wait);
}

static void status_set(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    for (int status = ASYNC_STATUS_EAGAIN; status >= 0; status--) {
        CHECK_EQ(ASYNC_WAIT_CTX_set_status(wait, status), 1);
        CHECK_EQ(ASYNC_WAIT_CTX_get_status(wait), status);
    }
    ASYNC_WAIT_CTX_free(wait);
}

const struct parity_row parity_wait_rows[] = {
    PARITY_ROW(new_context_is_empty),
    PARITY_ROW(free_null),
    PARITY_ROW(get_fd_by_key),
    PARITY_ROW(get_fd_unknown_key),
    PARITY_ROW(all_fds_newest_first),
    PARITY_ROW(same_fd_under_two_keys),
    PARITY_ROW(duplicate_keys),
    PARITY_ROW(clear_from_anywhere),
    PARITY_ROW(clear_unknown_key),
    PARITY_ROW(thousand_fds),
    PARITY_ROW(free_runs_cleanups),
    PARITY_ROW(cleanup_may_be_null),
    PARITY_ROW(clear_never_cleans_up),
    PARITY_ROW(free_cleans_up_what_is_left),
    PARITY_ROW(jobs_clean_nothing_up),
    PARITY_ROW(changes_since_created),
    PARITY_ROW(changes_of_one_kind),
    PARITY_ROW(add_and_clear_in_one_window),
    PARITY_ROW(replace_under_the_same_key),
    PARITY_ROW(windows_begin_at_resume),
    PARITY_ROW(blocked_pause_keeps_the_window),
    PARITY_ROW(window_outlives_the_job),
    PARITY_ROW(changes_by_the_caller),
    PARITY_ROW(context_reused_by_jobs),
    PARITY_ROW(no_callback_at_first),
    PARITY_ROW(callback_set_and_replaced),
    PARITY_ROW(callback_removed),
    PARITY_ROW(callback_of_no_context),
    PARITY_ROW(callback_and_status_stay),
    PARITY_ROW(status_default),
    PARITY_ROW(status_set),
    PARITY_END,
};
