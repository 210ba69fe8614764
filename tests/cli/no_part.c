/* SPDX-License-Identifier: Apache-2.0 */
/* A shared object that holds no part. */
#include <switchyard/compiler.h>

SY_API int sy_part_of_nothing(void);

int sy_part_of_nothing(void)
{
    return 0;
}
