/* SPDX-License-Identifier: Apache-2.0 */
#include "shared_memory.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void *shared_memory_make(const char *name, size_t bytes, int *fd)
{
    void *at = MAP_FAILED;
    int err;

    *fd = memfd_create(name, MFD_CLOEXEC);
    if (*fd == -1)
        return NULL;
    if (ftruncate(*fd, (off_t)bytes) == 0)
        at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    if (at != MAP_FAILED)
        return at;
    err = errno;
    close(*fd);
    *fd = -1;
    errno = err;
    return NULL;
}

void shared_memory_free(void *at, size_t bytes, int fd)
{
    if (at != NULL)
        munmap(at, bytes);
    if (fd != -1)
        close(fd);
}

void *shared_memory_open(const char *fd_text, size_t least, size_t *bytes)
{
    struct stat facts;
    char *end;
    long fd = strtol(fd_text, &end, 10);
    void *at;

    *bytes = 0;
    if (*end != '\0' || end == fd_text || fd < 0 || fd > INT_MAX ||
        fstat((int)fd, &facts) == -1 || facts.st_size < (off_t)least)
        return NULL;
    at = mmap(NULL, (size_t)facts.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
              (int)fd, 0);
    if (at == MAP_FAILED)
        return NULL;
    close((int)fd);
    *bytes = (size_t)facts.st_size;
    return at;
}
