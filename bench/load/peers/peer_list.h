/* SPDX-License-Identifier: Apache-2.0 */
/* In the order of tables. No include guard: included twice on purpose. */
SY_PEER(openssl)
SY_PEER(boost_fiber)
