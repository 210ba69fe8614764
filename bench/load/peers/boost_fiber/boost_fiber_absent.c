/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for the peer "boost_fiber" in a build without Boost.Fiber. */
#include "../../peer.h"
#include "boost_fiber_peer.h"

const struct sy_peer_ops sy_peer_boost_fiber = {
    .name = BOOST_FIBER_NAME,
    .summary = BOOST_FIBER_SUMMARY,
    .absent = "built without Boost.Fiber (Debian: libboost-fiber-dev)",
};
