/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The version of the measuring protocol: every run file carries it, so that
 * figures are compared only with figures that mean the same.
 *
 * It counts up when the same name in a run file comes to stand for something
 * that was obtained in another way, so that results before and after must not
 * be pooled: what a batch includes, how orders are drawn, which clock is read
 * when. It stays when something is added, or made faster. docs/run-files.md
 * has the history.
 */
#ifndef SY_BENCH_PROTOCOL_H
#define SY_BENCH_PROTOCOL_H

#define SY_PROTOCOL_VERSION "1"

#endif
