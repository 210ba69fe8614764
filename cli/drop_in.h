/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenSSL drop-in: where it is, and how a program gets it. */
#ifndef SWITCHYARD_CLI_DROP_IN_H
#define SWITCHYARD_CLI_DROP_IN_H

#define DROP_IN "libswitchyard-openssl.so"

/* Find it. path: PATH_MAX bytes. Returns 0 or -errno, and has said why. */
int drop_in_find(char *path);

/* Set LD_PRELOAD in this process's environment, for its children. Returns 0
   or -ENOMEM. */
int drop_in_preload(const char *path);

#endif
