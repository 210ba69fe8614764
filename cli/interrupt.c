/* SPDX-License-Identifier: Apache-2.0 */
#include "interrupt.h"
#include <string.h>

volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

void catch_interrupts(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_interrupt;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* A reader that went away must not cost the run file. */
    signal(SIGPIPE, SIG_IGN);
    /* A file-size limit is answered as a full disk is. */
    signal(SIGXFSZ, SIG_IGN);
}
