/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machine facts, for result files: what a figure was measured on.
 */
#ifndef SY_BENCH_FINGERPRINT_H
#define SY_BENCH_FINGERPRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel_settings.h"

#define SY_MACHINE_TEXT_BYTES        128
#define SY_MACHINE_FINGERPRINT_BYTES 17

struct sy_machine {
    char arch[SY_MACHINE_TEXT_BYTES];      /* "x86_64" */
    char cpu_model[SY_MACHINE_TEXT_BYTES]; /* as the kernel names it */
    char cpu_id[SY_MACHINE_TEXT_BYTES];    /* family, model and stepping, or
                                              what the CPU has instead */
    char kernel[SY_MACHINE_TEXT_BYTES];    /* release */
    unsigned cpus;                         /* configured */
    unsigned cpus_usable;                  /* this process may run on */
    bool hypervisor;       /* the CPU says that it is a virtual one */
    uint64_t memory_bytes; /* all of the machine's */
    uint64_t page_bytes;

    char libc[SY_MACHINE_TEXT_BYTES]; /* name and version */
    struct sy_kernel_settings settings;

    /*
     * Hashes of 16 hex digits: the same after each boot, different where
     * results must not be pooled. Nothing in them names the machine or its
     * user.
     *
     *   hardware_key     arch, cpu_model, cpu_id, cpus, hypervisor
     *   environment_key  kernel, libc, page_bytes, cpus_usable, settings
     *   fingerprint      both keys
     */
    char hardware_key[SY_MACHINE_FINGERPRINT_BYTES];
    char environment_key[SY_MACHINE_FINGERPRINT_BYTES];
    char fingerprint[SY_MACHINE_FINGERPRINT_BYTES];
};

/* Read the facts. What cannot be read is "unknown" or 0. */
void sy_machine_read(struct sy_machine *machine);

/* Work the keys and the fingerprint out from the other members. */
void sy_machine_hash(struct sy_machine *machine);

/*
 * Return how OpenSSL's own ASYNC_JOB switches in the libcrypto that is loaded:
 * "setjmp", "swapcontext" (a build with CET: two system calls per round trip),
 * or "unknown" (no dynamic libcrypto to look into).
 */
const char *sy_openssl_switch(void);

#endif
