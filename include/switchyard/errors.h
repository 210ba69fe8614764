/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: every fallible function returns 0 or a positive state on success
 * and a negative errno value on failure. errno itself is never set.
 */
#ifndef SWITCHYARD_ERRORS_H
#define SWITCHYARD_ERRORS_H

#include <switchyard/compiler.h>

SY_BEGIN_DECLS

/*
 * Say in words what a negative return value of this library means.
 *
 * @err  a value returned by a sy_ function; its sign is ignored
 *
 * Returns a constant string in English, never NULL; "unknown error" for a
 * value that no function of this library returns. Any thread, any time,
 * async-signal-safe.
 */
SY_API const char *sy_strerror(int err);

SY_END_DECLS
#endif
