/* SPDX-License-Identifier: Apache-2.0 */
/* Linked statically: whatever is preloaded does not get into it. */
#include <stdio.h>

int main(void)
{
    puts("statically linked");
    return 7;
}
