/* SPDX-License-Identifier: Apache-2.0 */
/* Best first. No include guard: included twice on purpose. */
SY_ENGINE(queue)
#if SY_HAVE_LIBURING
SY_ENGINE(io_uring)
#endif
SY_ENGINE(eventfd)
SY_ENGINE(pipe)
SY_ENGINE(poll)
