/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doses, for `switchyard dose`: each switch and each wake-up costs a known time
 * more, so that what they are worth to the program can be seen. As with the
 * account, all jobs go the longer ways then, with a dose of 0 too; the short
 * ones do not know of this.
 *
 * SWITCHYARD_DOSE is "tsc:SWITCH:WAKE" or "clock:SWITCH:WAKE", in ticks of what
 * is named: the command has measured them, so that nobody has to wait for that
 * in the program.
 */
#include "dropin.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../devices/timed_spin.h"

static struct {
    struct sy__spin_rate rate;
    uint64_t switch_ticks, wake_ticks;
    _Alignas(SY_CACHE_LINE) _Atomic uint64_t switches; /* relaxed: counters */
    _Alignas(SY_CACHE_LINE) _Atomic uint64_t wakes;
} dose;

void dropin_dose_read(void)
{
    const char *value = secure_getenv("SWITCHYARD_DOSE");
    char by[8] = "", rest = '\0';

    if (value == NULL || value[0] == '\0')
        return;
    if (sscanf(value, "%7[a-z]:%" SCNu64 ":%" SCNu64 "%c", by,
               &dose.switch_ticks, &dose.wake_ticks, &rest) != 3 ||
        (strcmp(by, "tsc") != 0 && strcmp(by, "clock") != 0)) {
        fprintf(stderr,
                "switchyard: SWITCHYARD_DOSE=%s is ignored: it is for "
                "'switchyard dose'\n",
                value);
        return;
    }
    dose.rate.by_clock = strcmp(by, "clock") == 0;
    dropin.options.dose = true;
}

void dropin_dose_switch(void)
{
    atomic_fetch_add_explicit(&dose.switches, 1, memory_order_relaxed);
    (void)sy__spin(&dose.rate, dose.switch_ticks);
}

void dropin_dose_wake(void)
{
    atomic_fetch_add_explicit(&dose.wakes, 1, memory_order_relaxed);
    (void)sy__spin(&dose.rate, dose.wake_ticks);
}

void dropin_dose_resume(const struct dropin_job *job)
{
    /* A wake-up by callback has been given its dose on its own thread; one by
       descriptor, or by chance, is seen only now. */
    if (job->wait == dropin_no_wait || job->wait == dropin_dead_wait ||
        !dropin_wait_has_callback(job->wait))
        dropin_dose_wake();
    dropin_dose_switch();
}

void dropin_dose_counts(uint64_t *switches, uint64_t *wakes)
{
    *switches = atomic_load_explicit(&dose.switches, memory_order_relaxed);
    *wakes = atomic_load_explicit(&dose.wakes, memory_order_relaxed);
}

void dropin_dose_forked(void)
{
    atomic_store_explicit(&dose.switches, 0, memory_order_relaxed);
    atomic_store_explicit(&dose.wakes, 0, memory_order_relaxed);
}
