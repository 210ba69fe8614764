/* SPDX-License-Identifier: Apache-2.0 */
/* Wait contexts without jobs; tests/conformance/wait_of_a_job.c has the rest.
 */
#include "unit.h"
#include <errno.h>
#include <switchyard/wait.h>

static const char key_a, key_b;

static int cleaned[16];
static int n_cleaned;
static struct sy_wait *cleaned_of;

static void note_cleanup(struct sy_wait *wait, const void *key, int fd,
                         void *custom)
{
    CHECK(wait == cleaned_of);
    CHECK(key == &key_a || key == &key_b);
    CHECK_EQ(*(int *)custom, fd);
    cleaned[n_cleaned++] = fd;
}

static struct sy_wait *new_wait(void)
{
    struct sy_wait *wait = NULL;

    CHECK_EQ(sy_wait_new(&wait), 0);
    CHECK(wait != NULL);
    return wait;
}

static void set(struct sy_wait *wait, const void *key, int fd)
{
    CHECK_EQ(sy_wait_set_fd(wait, key, fd, NULL, NULL), 0);
}

static void newest_of_a_key_is_found(void)
{
    struct sy_wait *wait = new_wait();
    int fd = 99, custom_a = 1, custom_b = 2;
    void *custom = &fd;

    CHECK_EQ(sy_wait_get_fd(wait, &key_a, &fd, &custom), -ENOENT);
    CHECK_EQ(fd, -1);
    CHECK(custom == NULL);
    CHECK_EQ(sy_wait_set_fd(wait, &key_a, 5, &custom_a, NULL), 0);
    CHECK_EQ(sy_wait_set_fd(wait, &key_a, 6, &custom_b, NULL), 0);
    set(wait, &key_b, 7);
    set(wait, NULL, 0); /* NULL is a key, 0 a descriptor */
    CHECK_EQ(sy_wait_get_fd(wait, &key_a, &fd, &custom), 0);
    CHECK_EQ(fd, 6);
    CHECK(custom == &custom_b);
    CHECK_EQ(sy_wait_get_fd(wait, NULL, &fd, NULL), 0);
    CHECK_EQ(fd, 0);
    CHECK_EQ(sy_wait_get_fd(wait, &key_b, NULL, NULL), 0);
    CHECK_EQ(sy_wait_clear_fd(wait, &key_a), 0); /* the newest goes first */
    CHECK_EQ(sy_wait_get_fd(wait, &key_a, &fd, &custom), 0);
    CHECK_EQ(fd, 5);
    CHECK(custom == &custom_a);
    CHECK_EQ(sy_wait_clear_fd(wait, &key_a), 0);
    CHECK_EQ(sy_wait_clear_fd(wait, &key_a), -ENOENT);
    CHECK_EQ(sy_wait_get_fd(wait, &key_a, &fd, &custom), -ENOENT);
    sy_wait_unref(wait);
}

static void all_are_listed_newest_first(void)
{
    struct sy_wait *wait = new_wait();
    int fds[4] = {-7, -7, -7, -7};
    size_t count = 99;

    CHECK_EQ(sy_wait_all_fds(wait, NULL, &count), 0);
    CHECK_EQ(count, 0);
    set(wait, &key_a, 10);
    set(wait, &key_b, 11);
    set(wait, &key_a, 12);
    CHECK_EQ(sy_wait_all_fds(wait, NULL, &count), 0);
    CHECK_EQ(count, 3);
    count = 2;
    CHECK_EQ(sy_wait_all_fds(wait, fds, &count), -EOVERFLOW);
    CHECK_EQ(count, 3);
    CHECK_EQ(fds[0], 12);
    CHECK_EQ(fds[1], 11);
    CHECK_EQ(fds[2], -7);
    count = 4;
    CHECK_EQ(sy_wait_all_fds(wait, fds, &count), 0);
    CHECK_EQ(count, 3);
    CHECK_EQ(fds[2], 10);
    CHECK_EQ(fds[3], -7);
    sy_wait_unref(wait);
}

static void expect_changes(struct sy_wait *wait, size_t added, size_t deleted)
{
    size_t n_added = 99, n_deleted = 99;

    CHECK_EQ(sy_wait_changed_fds(wait, NULL, &n_added, NULL, &n_deleted), 0);
    CHECK_EQ(n_added, added);
    CHECK_EQ(n_deleted, deleted);
}

static void changes_are_of_a_window(void)
{
    struct sy_wait *wait = new_wait();
    int added[4], deleted[4];
    size_t n_added = 1, n_deleted = 0;

    expect_changes(wait, 0, 0);
    set(wait, &key_a, 20);
    set(wait, &key_b, 21);
    expect_changes(wait, 2, 0);
    CHECK_EQ(sy_wait_changed_fds(wait, added, &n_added, deleted, &n_deleted),
             -EOVERFLOW);
    CHECK_EQ(n_added, 2);
    CHECK_EQ(n_deleted, 0);
    CHECK_EQ(added[0], 21);
    CHECK_EQ(sy_wait_clear_fd(wait, &key_b), 0); /* in the same window */
    expect_changes(wait, 1, 0);
    sy_wait_reset_changes(wait);
    expect_changes(wait, 0, 0);
    CHECK_EQ(sy_wait_clear_fd(wait, &key_a), 0);
    set(wait, &key_b, 22);
    expect_changes(wait, 1, 1);
    n_added = n_deleted = 4;
    CHECK_EQ(sy_wait_changed_fds(wait, added, &n_added, deleted, &n_deleted),
             0);
    CHECK_EQ(added[0], 22);
    CHECK_EQ(deleted[0], 20);
    n_added = 99;
    CHECK_EQ(sy_wait_all_fds(wait, NULL, &n_added), 0);
    CHECK_EQ(n_added, 1); /* what is deleted is not listed */
    sy_wait_reset_changes(wait);
    expect_changes(wait, 0, 0);
    sy_wait_reset_changes(NULL);
    sy_wait_unref(wait);
}

static void last_unref_cleans_newest_first(void)
{
    struct sy_wait *wait = new_wait();
    static int fds[4] = {30, 31, 32, 33};
    int i;

    cleaned_of = wait;
    n_cleaned = 0;
    for (i = 0; i < 4; i++)
        CHECK_EQ(sy_wait_set_fd(wait, i == 2 ? &key_b : &key_a, fds[i], &fds[i],
                                note_cleanup),
                 0);
    CHECK_EQ(sy_wait_clear_fd(wait, &key_b), 0); /* 32: no cleanup any more */
    sy_wait_reset_changes(wait);
    CHECK_EQ(sy_wait_clear_fd(wait, &key_a), 0); /* 33: in a later window */
    CHECK_EQ(n_cleaned, 0);
    sy_wait_ref(wait);
    sy_wait_unref(wait);
    CHECK_EQ(n_cleaned, 0);
    sy_wait_unref(wait);
    CHECK_EQ(n_cleaned, 2);
    CHECK_EQ(cleaned[0], 31);
    CHECK_EQ(cleaned[1], 30);
    sy_wait_unref(NULL);
}

static int call_me(void *arg)
{
    return *(int *)arg;
}

static void callback_and_status_are_kept(void)
{
    struct sy_wait *wait = new_wait();
    sy_wait_callback_fn callback = call_me;
    int value = 4;
    void *arg = &value;

    CHECK_EQ(sy_wait_get_callback(wait, &callback, &arg), -ENOENT);
    CHECK(callback == NULL);
    CHECK(arg == NULL);
    CHECK_EQ(sy_wait_set_callback(wait, call_me, &value), 0);
    CHECK_EQ(sy_wait_get_callback(wait, &callback, &arg), 0);
    CHECK(callback == call_me);
    CHECK_EQ(callback(arg), 4);
    CHECK_EQ(sy_wait_set_callback(wait, NULL, NULL), 0);
    CHECK_EQ(sy_wait_get_callback(wait, &callback, &arg), -ENOENT);

    CHECK_EQ(sy_wait_get_status(wait), SY_WAIT_STATUS_UNSUPPORTED);
    CHECK_EQ(sy_wait_set_status(wait, SY_WAIT_STATUS_EAGAIN), 0);
    CHECK_EQ(sy_wait_get_status(wait), SY_WAIT_STATUS_EAGAIN);
    CHECK_EQ(sy_wait_set_status(wait, (enum sy_wait_status)4), -EINVAL);
    CHECK_EQ(sy_wait_get_status(wait), SY_WAIT_STATUS_EAGAIN);
    sy_wait_unref(wait);
}

static void null_is_refused(void)
{
    struct sy_wait *wait = new_wait();
    sy_wait_callback_fn callback;
    size_t count = 0;
    void *arg;

    CHECK_EQ(sy_wait_set_fd(NULL, NULL, 1, NULL, NULL), -EINVAL);
    CHECK_EQ(sy_wait_set_fd(wait, NULL, -1, NULL, NULL), -EINVAL);
    CHECK_EQ(sy_wait_get_fd(NULL, NULL, NULL, NULL), -EINVAL);
    CHECK_EQ(sy_wait_all_fds(NULL, NULL, &count), -EINVAL);
    CHECK_EQ(sy_wait_all_fds(wait, NULL, NULL), -EINVAL);
    CHECK_EQ(sy_wait_changed_fds(NULL, NULL, &count, NULL, &count), -EINVAL);
    CHECK_EQ(sy_wait_clear_fd(NULL, NULL), -EINVAL);
    CHECK_EQ(sy_wait_set_callback(NULL, NULL, NULL), -EINVAL);
    CHECK_EQ(sy_wait_get_callback(NULL, &callback, &arg), -EINVAL);
    CHECK_EQ(sy_wait_set_status(NULL, SY_WAIT_STATUS_OK), -EINVAL);
    CHECK_EQ(sy_wait_get_status(NULL), SY_WAIT_STATUS_UNSUPPORTED);
    sy_wait_unref(wait);
}

int main(void)
{
    newest_of_a_key_is_found();
    all_are_listed_newest_first();
    changes_are_of_a_window();
    last_unref_cleans_newest_first();
    callback_and_status_are_kept();
    null_is_refused();
    return 0;
}
