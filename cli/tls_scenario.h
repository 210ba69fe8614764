/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard run --scenario tls: a TLS server on OpenSSL's own async jobs and
   on the drop-in. */
#ifndef SWITCHYARD_CLI_TLS_SCENARIO_H
#define SWITCHYARD_CLI_TLS_SCENARIO_H

struct command;

/* Its options; it is run by tls_scenario_run(). */
extern const struct command tls_command;

/* Is --scenario among these? Then they are this scenario's, not run's. */
int tls_scenario_is_meant(int argc, char **argv);

/* Returns an enum cli_exit, or becomes the program that measures. */
int tls_scenario_run(int argc, char **argv);

#endif
