/* SPDX-License-Identifier: Apache-2.0 */
/* The default first. No include guard: included twice on purpose. */
SY_POLL_POLICY(event)
SY_POLL_POLICY(timer)
SY_POLL_POLICY(inline)
SY_POLL_POLICY(heuristic)
