/* SPDX-License-Identifier: Apache-2.0 */
/* What the peer and its stand-in are both called. */
#ifndef SY_BENCH_BOOST_FIBER_PEER_H
#define SY_BENCH_BOOST_FIBER_PEER_H

#define BOOST_FIBER_NAME    "boost_fiber"
#define BOOST_FIBER_SUMMARY "Boost.Fiber, a promise for each wait, round robin"

#endif
