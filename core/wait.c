/* SPDX-License-Identifier: Apache-2.0 */
#include "core.h"
#include <errno.h>
#include <stdlib.h>

struct entry {
    struct entry *next; /* older */
    const void *key;
    void *custom;
    sy_wait_cleanup_fn cleanup;
    int fd;
    bool is_added;   /* since the job last resumed */
    bool is_deleted; /* since the job last resumed; gone otherwise */
};

struct sy_wait {
    _Atomic unsigned refs;
    struct entry *entries; /* newest first */
    size_t added;
    size_t deleted;
    const struct sy_job *owner;
    sy_wait_callback_fn callback;
    void *callback_arg;
    enum sy_wait_status status;
};

int sy_wait_new(struct sy_wait **out)
{
    *out = calloc(1, sizeof(**out));
    if (*out == NULL)
        return -ENOMEM;
    atomic_init(&(*out)->refs, 1);
    return 0;
}

void sy_wait_ref(struct sy_wait *wait)
{
    /* relaxed: whoever refs has a reference already */
    atomic_fetch_add_explicit(&wait->refs, 1, memory_order_relaxed);
}

void sy_wait_unref(struct sy_wait *wait)
{
    struct entry *entry;

    /* acq_rel: every use on another thread comes before the clean-up */
    if (wait == NULL ||
        atomic_fetch_sub_explicit(&wait->refs, 1, memory_order_acq_rel) != 1)
        return;
    while (wait->entries != NULL) {
        entry = wait->entries;
        wait->entries = entry->next;
        if (!entry->is_deleted && entry->cleanup != NULL)
            entry->cleanup(wait, entry->key, entry->fd, entry->custom);
        free(entry);
    }
    free(wait);
}

int sy_wait_set_fd(struct sy_wait *wait, const void *key, int fd, void *custom,
                   sy_wait_cleanup_fn cleanup)
{
    struct entry *entry;

    if (wait == NULL || fd < 0)
        return -EINVAL;
    entry = malloc(sizeof(*entry));
    if (entry == NULL)
        return -ENOMEM;
    *entry = (struct entry){
        .next = wait->entries,
        .key = key,
        .custom = custom,
        .cleanup = cleanup,
        .fd = fd,
        .is_added = true,
    };
    wait->entries = entry;
    wait->added++;
    return 0;
}

/* Where the newest entry with that key hangs that is not deleted, or NULL. */
static struct entry **find(struct entry **at, const void *key)
{
    for (; *at != NULL; at = &(*at)->next) {
        if ((*at)->key == key && !(*at)->is_deleted)
            return at;
    }
    return NULL;
}

int sy_wait_get_fd(const struct sy_wait *wait, const void *key, int *fd,
                   void **custom)
{
    const struct entry *found = NULL;
    struct entry *entries;

    if (wait != NULL) {
        entries = wait->entries;
        if (find(&entries, key) != NULL)
            found = *find(&entries, key);
    }
    if (fd != NULL)
        *fd = found != NULL ? found->fd : -1;
    if (custom != NULL)
        *custom = found != NULL ? found->custom : NULL;
    if (wait == NULL)
        return -EINVAL;
    return found != NULL ? 0 : -ENOENT;
}

enum listing { LIST_ALL, LIST_ADDED, LIST_DELETED };

static bool is_listed(const struct entry *entry, enum listing which)
{
    switch (which) {
    case LIST_ADDED:
        return entry->is_added && !entry->is_deleted;
    case LIST_DELETED:
        return entry->is_deleted;
    case LIST_ALL:
        return !entry->is_deleted;
    }
    return false;
}

static int list_fds(const struct sy_wait *wait, enum listing which, int *fds,
                    size_t *count)
{
    size_t room = *count, n = 0;

    for (const struct entry *e = wait->entries; e != NULL; e = e->next) {
        if (!is_listed(e, which))
            continue;
        if (fds != NULL && n < room)
            fds[n] = e->fd;
        n++;
    }
    *count = n;
    return fds != NULL && n > room ? -EOVERFLOW : 0;
}

int sy_wait_all_fds(const struct sy_wait *wait, int *fds, size_t *count)
{
    if (wait == NULL || count == NULL) {
        if (count != NULL)
            *count = 0;
        return -EINVAL;
    }
    return list_fds(wait, LIST_ALL, fds, count);
}

int sy_wait_changed_fds(const struct sy_wait *wait, int *added,
                        size_t *added_count, int *deleted,
                        size_t *deleted_count)
{
    int err, err_deleted;

    if (wait == NULL || added_count == NULL || deleted_count == NULL) {
        if (added_count != NULL)
            *added_count = 0;
        if (deleted_count != NULL)
            *deleted_count = 0;
        return -EINVAL;
    }
    err = list_fds(wait, LIST_ADDED, added, added_count);
    err_deleted = list_fds(wait, LIST_DELETED, deleted, deleted_count);
    return err != 0 ? err : err_deleted;
}

int sy_wait_clear_fd(struct sy_wait *wait, const void *key)
{
    struct entry **at, *entry;

    if (wait == NULL)
        return -EINVAL;
    at = find(&wait->entries, key);
    if (at == NULL)
        return -ENOENT;
    entry = *at;
    if (entry->is_added) { /* added and deleted in one window: no change */
        wait->added--;
        *at = entry->next;
        free(entry);
        return 0;
    }
    entry->is_deleted = true;
    wait->deleted++;
    return 0;
}

int sy_wait_set_callback(struct sy_wait *wait, sy_wait_callback_fn callback,
                         void *arg)
{
    if (wait == NULL)
        return -EINVAL;
    wait->callback = callback;
    wait->callback_arg = arg;
    return 0;
}

int sy_wait_get_callback(const struct sy_wait *wait,
                         sy_wait_callback_fn *callback, void **arg)
{
    *callback = wait != NULL ? wait->callback : NULL;
    *arg = *callback != NULL ? wait->callback_arg : NULL;
    if (wait == NULL)
        return -EINVAL;
    return *callback != NULL ? 0 : -ENOENT;
}

int sy_wait_set_status(struct sy_wait *wait, enum sy_wait_status status)
{
    if (wait == NULL || (int)status < SY_WAIT_STATUS_UNSUPPORTED ||
        (int)status > SY_WAIT_STATUS_EAGAIN)
        return -EINVAL;
    wait->status = status;
    return 0;
}

enum sy_wait_status sy_wait_get_status(const struct sy_wait *wait)
{
    return wait != NULL ? wait->status : SY_WAIT_STATUS_UNSUPPORTED;
}

void sy_wait_reset_changes(struct sy_wait *wait)
{
    struct entry **at;

    if (wait == NULL || (wait->added == 0 && wait->deleted == 0))
        return;
    at = &wait->entries;
    while (*at != NULL) {
        struct entry *entry = *at;

        if (entry->is_deleted) {
            *at = entry->next;
            free(entry);
            continue;
        }
        entry->is_added = false;
        at = &entry->next;
    }
    wait->added = 0;
    wait->deleted = 0;
}

int sy__wait_attach(struct sy_wait *wait, const struct sy_job *job)
{
    if (wait->owner != NULL)
        return -EBUSY;
    wait->owner = job;
    sy_wait_ref(wait);
    return 0;
}

void sy__wait_detach(struct sy_wait *wait)
{
    wait->owner = NULL;
    sy_wait_unref(wait);
}
