/* SPDX-License-Identifier: Apache-2.0 */
/* Best first. No include guard: included twice on purpose. */
/* clang-format off */
SY_ENGINE(queue)
SY_ENGINE(io_uring)
SY_ENGINE(eventfd)
SY_ENGINE(pipe)
SY_ENGINE(poll)
/* clang-format on */
