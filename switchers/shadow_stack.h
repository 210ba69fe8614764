/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hardware shadow stacks (Intel CET, AMD): a switcher that moves the stack
 * pointer but not the shadow stack pointer dies at the next return. Such
 * switchers ask here in their probe.
 */
#ifndef SWITCHYARD_SWITCHERS_SHADOW_STACK_H
#define SWITCHYARD_SWITCHERS_SHADOW_STACK_H

#if defined(__x86_64__)
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 6.6 and later, arch/x86/include/uapi/asm/prctl.h */
#define SHSTK_STATUS_CALL 0x5005ul
#define SHSTK_ENABLED     1ul

/* Is one active in the calling thread? errno is left alone. */
static inline int shadow_stack_is_active(void)
{
    unsigned long features = 0;
    int saved = errno;
    long err = syscall(SYS_arch_prctl, SHSTK_STATUS_CALL, &features);

    errno = saved;
    return err == 0 && (features & SHSTK_ENABLED) != 0;
}
#else
static inline int shadow_stack_is_active(void)
{
    return 0;
}
#endif

#endif
