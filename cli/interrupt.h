/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ctrl-C in subcommands that measure: what was begun is finished, and what was
 * measured is kept.
 */
#ifndef SY_CLI_INTERRUPT_H
#define SY_CLI_INTERRUPT_H

#include <signal.h>

/* Not 0 once SIGINT or SIGTERM came. Of the process, because a signal handler
   has no argument of ours. */
extern volatile sig_atomic_t interrupted;

/* Note SIGINT and SIGTERM from now on, and survive what else would cost a run
   file. */
void catch_interrupts(void);

#endif
