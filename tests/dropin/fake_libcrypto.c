/* SPDX-License-Identifier: Apache-2.0 */
/* What a libcrypto of the future may look like: preloaded behind the drop-in.
 */
#include <switchyard/compiler.h>

SY_API unsigned long OpenSSL_version_num(void);

#if FAKE_VERSION
SY_API unsigned long OpenSSL_version_num(void)
{
    return (unsigned long)FAKE_VERSION << 28;
}
#else
SY_API unsigned long OpenSSL_version_num(void)
{
    return 3UL << 28;
}

SY_API int ASYNC_of_the_future(void);

SY_API int ASYNC_of_the_future(void)
{
    return 1;
}
#endif
