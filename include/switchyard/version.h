/* SPDX-License-Identifier: Apache-2.0 */
/* The version of the headers, and of the library that is actually loaded. */
#ifndef SWITCHYARD_VERSION_H
#define SWITCHYARD_VERSION_H

#include <switchyard/compiler.h>

#define SY_VERSION_MAJOR  0
#define SY_VERSION_MINOR  1
#define SY_VERSION_PATCH  0
#define SY_VERSION_STRING "0.1.0"

SY_BEGIN_DECLS

/*
 * Name the version of the loaded library, for example "0.1.0".
 *
 * Returns a constant string. Any thread, any time.
 */
SY_API const char *sy_version(void);

SY_END_DECLS
#endif
