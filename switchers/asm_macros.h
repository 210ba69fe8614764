/* SPDX-License-Identifier: Apache-2.0 */
/* What every function in assembly needs besides its instructions. */
#ifndef SWITCHYARD_SWITCHERS_ASM_MACROS_H
#define SWITCHYARD_SWITCHERS_ASM_MACROS_H

/* clang-format off */

/* A function of this library, which programs bound to a switcher call too. */
#define SY_ASM_FUNC(name)                                                     \
    .text;                                                                    \
    .balign 64;                                                               \
    .globl name;                                                              \
    .type name, %function;                                                    \
    name:

#define SY_ASM_END(name) .size name, . - name

/* No executable stack. Nothing is promised about IBT or shadow stacks. */
#define SY_ASM_NOTES .section .note.GNU-stack, "", %progbits
/* clang-format on */

#endif
