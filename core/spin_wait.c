/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a runtime looks for a wake-up before it sleeps.
 *
 * To spin for as long as a sleep costs and then to sleep takes at most twice
 * the time that the better of the two would have taken, whenever the wake-up
 * comes. But a spin that finds nothing also takes processor time from others,
 * hence two limits on top of that one:
 *
 *   a budget   spins that found nothing may take so many percent of the time
 *              that passes. Unused budget is saved up, for BURST_SPINS of the
 *              longest spin at most. No spin is begun that it would not cover.
 *   a habit    such a spin halves the length of the next one, down to none at
 *              all; one that found something doubles it. With none left, it is
 *              the sleeps that tell: one that ended so soon that a spin would
 *              have done sets the length back. If spins find nothing even
 *              then, for a waker that shares our processor gets it only when
 *              we sleep, twice as many such sleeps are needed the next time.
 *
 * A spin reads memory only, by the engine's peek hook, and neither arms nor
 * collects anything. What it finds is a reason to call wait, and what it does
 * not find is no reason not to: so it cannot lose a wake-up.
 */
#include "probes.h"
#include <unistd.h>

/* What a futex or epoll sleep and its wake-up cost in a virtual machine, whose
   idle processor has to be woken by the host; on hardware about a tenth. */
#define LONGEST_DEFAULT_NS 50000

#define PERCENT_DEFAULT 1
#define BURST_SPINS     10

/* Shorter spins than this are not begun. */
#define SHORTEST_NS 1000

/* So many short sleeps set the length back at the most, as a power of 2. */
#define DOUBTS_MAX 6

/* Between two readings of the clock, which costs as much as several looks. */
#define LOOKS_PER_READING 16

/* Not the processors that this thread may use: who pins a runtime to one of
   them has its wakers on the others. Where they do share it, the habit finds
   out. */
static bool has_one_cpu(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN) == 1;
}

static uint64_t longest_ns(const struct sy_runtime_config *cfg,
                           uint64_t profile_ns)
{
    uint64_t wanted_ns;

    if (cfg->spin_ns != 0)
        return cfg->spin_ns == SY_NO_SPIN ? 0 : cfg->spin_ns;
    if ((cfg->flags & SY_RT_NO_ENVIRONMENT) == 0 &&
        sy__environment_spin_ns(&wanted_ns))
        return wanted_ns;
    if (profile_ns != 0)
        return profile_ns == SY_NO_SPIN ? 0 : profile_ns;
    return has_one_cpu() ? 0 : LONGEST_DEFAULT_NS;
}

bool sy__spin_config_is_good(const struct sy_runtime_config *cfg)
{
    return (cfg->spin_ns <= SY_SPIN_NS_MAX || cfg->spin_ns == SY_NO_SPIN) &&
           cfg->spin_percent <= 100;
}

void sy__spin_init(struct sy__spin *spin, const struct sy_runtime_config *cfg,
                   uint64_t profile_ns)
{
    spin->longest_ns = longest_ns(cfg, profile_ns);
    spin->percent =
        cfg->spin_percent != 0 ? cfg->spin_percent : (uint32_t)PERCENT_DEFAULT;
    spin->next_ns = spin->longest_ns;
    spin->saved = (int64_t)(spin->longest_ns * BURST_SPINS * 100);
}

/* Add what the time that has passed is worth: percent hundredths of each ns. */
static void save_up(struct sy__spin *spin, uint64_t now_ns)
{
    const int64_t most = (int64_t)(spin->longest_ns * BURST_SPINS * 100);
    uint64_t passed_ns = now_ns - spin->saved_at_ns;

    if (spin->saved_at_ns == 0)
        passed_ns = 0;
    else if (passed_ns > SY_NS_PER_S * 1000)
        passed_ns = SY_NS_PER_S * 1000; /* more than fits: no overflow below */
    spin->saved_at_ns = now_ns;
    spin->saved += (int64_t)(passed_ns * spin->percent);
    if (spin->saved > most)
        spin->saved = most;
}

static void found(struct sy__spin *spin)
{
    spin->hits++;
    spin->doubts = 0;
    spin->next_ns *= 2;
    if (spin->next_ns > spin->longest_ns)
        spin->next_ns = spin->longest_ns;
}

static void found_nothing(struct sy__spin *spin, uint64_t spent_ns)
{
    spin->lost_ns += spent_ns;
    spin->saved -= (int64_t)(spent_ns * 100);
    spin->next_ns /= 2;
    if (spin->next_ns < SHORTEST_NS)
        spin->next_ns = 0;
}

bool sy__spin_wait(struct sy_runtime *rt, uint64_t left_ns)
{
    struct sy__spin *spin = &rt->spin;
    uint64_t begin_ns, now_ns, limit_ns, spent_ns;
    bool hit = false;

    if (spin->next_ns == 0)
        return false;
    begin_ns = now_ns = sy_clock_now_ns(rt->clock);
    save_up(spin, now_ns);
    if (spin->saved < (int64_t)(spin->next_ns * 100))
        return false;
    limit_ns = spin->next_ns < left_ns ? spin->next_ns : left_ns;
    do {
        for (int i = 0; i < LOOKS_PER_READING && !hit; i++) {
            SY_CPU_RELAX();
            hit = rt->engine->peek(rt->engine_state) != 0;
        }
        if (!hit) /* else the reading would delay what was found */
            now_ns = sy_clock_now_ns(rt->clock);
    } while (!hit && now_ns - begin_ns < limit_ns);
    spent_ns = now_ns - begin_ns;
    if (spent_ns > limit_ns) /* preempted: somebody else had the processor */
        spent_ns = limit_ns;
    spin->spins++;
    spin->spent_ns += spent_ns;
    if (hit) {
        SY_PROBE_STEAL(rt, spent_ns);
        found(spin);
    } else {
        found_nothing(spin, spent_ns);
    }
    return hit;
}

void sy__spin_slept(struct sy__spin *spin, uint64_t slept_ns)
{
    /* The wake-up came after the time that the sleep took less what it took to
       wake from it, for which longest_ns stands. */
    if (spin->next_ns != 0 || slept_ns > 2 * spin->longest_ns ||
        ++spin->short_sleeps >> spin->doubts == 0)
        return;
    spin->short_sleeps = 0;
    spin->next_ns = spin->longest_ns;
    if (spin->doubts < DOUBTS_MAX)
        spin->doubts++;
}
