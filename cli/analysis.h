/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The analysis: a Python program beside this command that reads run files and
 * says what follows from them. It runs as `/usr/bin/python3 -I`, so nothing in
 * the environment or the working folder changes what it does.
 */
#ifndef SWITCHYARD_CLI_ANALYSIS_H
#define SWITCHYARD_CLI_ANALYSIS_H

/*
 * Run the analysis on its command line, and wait for it. Its output goes to
 * ours.
 *
 * @argv  ends with NULL
 *
 * Returns its exit code; CLI_ENVIRONMENT after it said that there is no
 * Python, or which Debian packages it lacks.
 */
int analysis_run(const char *const *argv);

#endif
