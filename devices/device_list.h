/* SPDX-License-Identifier: Apache-2.0 */
/* No include guard: included twice on purpose. */
SY_DEVICE(sim)
SY_DEVICE(workers)
