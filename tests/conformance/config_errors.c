/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <unistd.h>

static void refuse(const struct sy_runtime_config *config, int err)
{
    struct sy_runtime *rt = (struct sy_runtime *)(void *)&rt; /* not NULL */

    CHECK_EQ(sy_runtime_open(&rt, config), err);
    CHECK(rt == NULL);
}

CONFORMANCE(config_is_checked)
{
    const struct sy_runtime_config good = sy_conformance_config(t);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), i;
    const size_t stacks[] = {1,
                             SY_STACK_BYTES_MIN - page,
                             SY_STACK_BYTES_MIN + 1,
                             SY_STACK_BYTES_MIN - 1,
                             SY_STACK_BYTES_MAX + page,
                             SIZE_MAX,
                             SIZE_MAX - page + 1};
    const size_t sizes[] = {0, 1, sizeof(good) - 1, SIZE_MAX};
    struct sy_runtime_config bad;

    for (i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
        bad = good;
        bad.stack_bytes = stacks[i];
        refuse(&bad, -EINVAL);
    }
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        bad = good;
        bad.size = sizes[i];
        refuse(&bad, -EINVAL);
    }
    bad = good;
    bad.flags = 1u << 31;
    refuse(&bad, -EINVAL);
    bad = good;
    bad.guard = 77;
    refuse(&bad, -EINVAL);
    bad = good;
    bad.jobs_max = 2;
    bad.jobs_init = 3;
    refuse(&bad, -EINVAL);
    bad = good;
    bad.spin_ns = SY_SPIN_NS_MAX + 1;
    refuse(&bad, -EINVAL);
    bad.spin_ns = SY_NO_SPIN - 1;
    refuse(&bad, -EINVAL);
    bad = good;
    bad.spin_percent = 101;
    refuse(&bad, -EINVAL);

    bad.spin_percent = 100;
    bad.spin_ns = SY_NO_SPIN;
    bad.jobs_max = 0; /* no limit: fine */
    bad.guard = SY_GUARD_NONE;
    bad.stack_bytes = SY_STACK_BYTES_MIN;
    bad.flags = SY_RT_NO_ENVIRONMENT | SY_RT_DUMP_STACKS | SY_RT_ZERO_STACKS;
    CHECK_EQ(sy_runtime_close(sy_conformance_open(&bad)), 0);
}

CONFORMANCE(unknown_names_are_refused)
{
    static const char *const engines[] = {
        "", "quick", "queue+select", "pipe+", "pipe+nothing", "+"};
    static const char *const switchers[] = {"", "asm2", "ucontex"};
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    size_t i;

    (void)t;
    for (i = 0; i < sizeof(switchers) / sizeof(switchers[0]); i++) {
        config.switcher = switchers[i];
        refuse(&config, -ENOENT);
    }
    config.switcher = NULL;
    for (i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        config.engine = engines[i];
        refuse(&config, -ENOENT);
    }
}
