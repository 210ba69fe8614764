/* SPDX-License-Identifier: Apache-2.0 */
/* What was built from what, and what it runs with, for result files. */
#ifndef SY_BENCH_BUILD_FACTS_H
#define SY_BENCH_BUILD_FACTS_H

/* Constant strings; "" where there is nothing to say. */
struct sy_build_facts {
    const char *version;  /* of the Switchyard library that is loaded */
    const char *git;      /* git describe, when the build was configured */
    const char *compiler; /* name and version */
    const char *flags;    /* what the build type and the user gave it */
    const char *openssl;  /* version that is loaded */
    const char *liburing; /* version the build found */
    const char *jansson;  /* version that is loaded */
    const char *libc;     /* name and version */
};

void sy_build_facts(struct sy_build_facts *facts);

#endif
