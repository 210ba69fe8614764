/* SPDX-License-Identifier: Apache-2.0 */
/* Best first. No include guard: included twice on purpose. */
#if SY_HAVE_SWITCHER_X86_64
SY_SWITCHER(asm)
SY_SWITCHER(inline)
#endif
SY_SWITCHER(setjmp)
SY_SWITCHER(ucontext)
SY_SWITCHER(threads)
SY_SWITCHER(direct)
