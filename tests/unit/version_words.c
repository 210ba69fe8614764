/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"
#include <switchyard/version.h>

int main(void)
{
    char expected[64];

    snprintf(expected, sizeof(expected), "%d.%d.%d", SY_VERSION_MAJOR,
             SY_VERSION_MINOR, SY_VERSION_PATCH);
    CHECK_STR(SY_VERSION_STRING, expected);
    CHECK_STR(sy_version(), expected);
    return 0;
}
