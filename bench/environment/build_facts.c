/* SPDX-License-Identifier: Apache-2.0 */
#include "build_facts.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <switchyard/version.h>
#include <unistd.h>

/* The build defines these for this file alone. */
#ifndef SY_BUILD_GIT
#define SY_BUILD_GIT ""
#endif
#ifndef SY_BUILD_COMPILER
#define SY_BUILD_COMPILER ""
#endif
#ifndef SY_BUILD_FLAGS
#define SY_BUILD_FLAGS ""
#endif
#ifndef SY_BUILD_LIBURING
#define SY_BUILD_LIBURING ""
#endif

/* glibc tells its version here; other libraries have no such name. */
#ifdef _CS_GNU_LIBC_VERSION
static const char *libc_version(void)
{
    static char text[64];

    if (confstr(_CS_GNU_LIBC_VERSION, text, sizeof(text)) == 0)
        return "";
    return text;
}
#else
static const char *libc_version(void)
{
    return "";
}
#endif

void sy_build_facts(struct sy_build_facts *facts)
{
    facts->version = sy_version();
    facts->git = SY_BUILD_GIT;
    facts->compiler = SY_BUILD_COMPILER;
    facts->flags = SY_BUILD_FLAGS;
    facts->openssl = OpenSSL_version(OPENSSL_VERSION);
    facts->liburing = SY_BUILD_LIBURING;
    facts->jansson = jansson_version_str();
    facts->libc = libc_version();
}
