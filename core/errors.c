/* SPDX-License-Identifier: Apache-2.0 */
#include "core.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const char *sy_version(void)
{
    return SY_VERSION_STRING;
}

const char *sy_strerror(int err)
{
    switch (err < 0 ? 0u - (unsigned)err : (unsigned)err) {
    case 0:
        return "success";
    case EAGAIN:
        return "the limit on jobs is reached, or the device is full";
    case EBUSY:
        return "in use: the job is running, or jobs are outstanding";
    case ECANCELED:
        return "the job was cancelled";
    case EINVAL:
        return "an argument is missing or out of range";
    case EMFILE:
        return "the limit on open file descriptors is reached";
    case ENFILE:
        return "the system's limit on open files is reached";
    case ENOENT:
        return "there is nothing of that name";
    case ENOMEM:
        return "out of memory, or of memory mappings";
    case ENOTSUP:
        return "not supported here";
    case EOVERFLOW:
        return "there was not room for everything";
    case EPERM:
        return "not allowed here";
    case EPROTO:
        return "built for another version of the contract";
    case ESRCH:
        return "the job has ended";
    case ETIMEDOUT:
        return "the time is over";
    case EXDEV:
        return "belongs to another thread, or is from before a fork";
    default:
        return "unknown error";
    }
}

void sy__bug(const char *what, const char *file, int line)
{
    fprintf(stderr, "switchyard: bug: %s (%s:%d)\n", what, file, line);
    abort();
}
