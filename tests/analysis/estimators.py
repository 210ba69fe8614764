#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The estimators on simulated comparisons, whose true answers are known.

usage: estimators.py ANALYSIS-FOLDER [--only NAME] [--seed N]

The simulated machine has what real ones have: processes that differ, and
differ for each candidate; rounds that are slower for all; batches that are
disturbed, by a lot and in one direction. One function per property. Exit 0 if
all hold, 1 otherwise, 77 without numpy or scipy.
"""

import sys

sys.dont_write_bytecode = True
# First: it skips the test without numpy and scipy.
from properties import holds, main  # noqa: E402

import numpy as np  # noqa: E402
from scipy import special  # noqa: E402, scipy.stats takes a second


def simulate(rng, true_log, processes=24, rounds=12, between=0.01,
             within=0.03, disturbed=0.05, bimodal=False):
    """log_ns[process, round, candidate]."""
    count = len(true_log)
    shape = (processes, rounds, count)
    machine = rng.normal(0, 0.1, (processes, 1, 1))
    drift = np.cumsum(rng.normal(0, 0.02, (processes, rounds, 1)), axis=1)
    if bimodal:  # what alignment does: a process has it, or has it not
        layout = between * 2 * (rng.random((processes, 1, count)) < 0.5)
    else:
        layout = rng.normal(0, between, (processes, 1, count))
    noise = within * rng.standard_t(4, shape)
    spikes = (rng.random(shape) < disturbed) * rng.exponential(1.0, shape)
    return 7 + np.asarray(true_log) + machine + drift + layout + noise + spikes


def pairs_of(count):
    return [(i, j) for j in range(count) for i in range(j)]


def at_most(hits, tries, part):
    """Is it plausible that no more than this part is the truth? False alarms
    of this test itself: one in ten thousand."""
    return hits == 0 or special.bdtrc(hits - 1, tries, part) > 1e-4


def at_least(hits, tries, part):
    return special.bdtr(hits, tries, part) > 1e-4


@holds
def the_interval_of_a_pair_holds_the_truth(e, rng):
    """At least 93 % of nominal 95 % intervals, for several machines."""
    inside = tries = 0
    for bimodal, processes, ratio in ((False, 16, 1.05), (True, 24, 1.02),
                                      (False, 60, 0.995), (True, 16, 1.0)):
        for _ in range(100):
            table = e.locations(simulate(rng, [0, np.log(ratio), 0],
                                         processes, bimodal=bimodal))
            _, low, high = e.single(table, 1, 0)
            inside += low <= np.log(ratio) <= high
            tries += 1
    print(f"  {inside} of {tries} intervals hold the truth")
    return inside >= 0.93 * tries


@holds
def all_intervals_hold_at_once(e, rng):
    """The simultaneous level, over the pairs of eight candidates."""
    truth = np.log([1, 1, 1.01, 1.03, 1.1, 0.9, 1, 2])
    good = 0
    tries = 50
    for _ in range(tries):
        table = e.locations(simulate(rng, truth, 20))
        found = e.compare(table, pairs_of(8))
        good += all(low <= truth[i] - truth[j] <= high
                    for (i, j), (_, low, high) in found.items())
    print(f"  {good} of {tries} comparisons hold all 28 true ratios")
    return at_least(good, tries, 0.93)


@holds
def a_candidate_seldom_differs_from_itself(e, rng):
    """A/A at 95 %."""
    alarms = 0
    for _ in range(400):
        table = e.locations(simulate(rng, [0, 0], 16, 8))
        _, low, high = e.single(table, 1, 0)
        alarms += e.differs(low, high)
    print(f"  {alarms} of 400 differ from themselves")
    return at_most(alarms, 400, 0.055)


@holds
def no_winner_among_twelve_equals(e, rng):
    named = 0
    for _ in range(100):
        table = e.locations(simulate(rng, [0] * 12, 24, 8))
        named += e.winner(table, list(range(12)))[2]
    print(f"  a winner is named in {named} of 100")
    return named <= 10


@holds
def no_pair_of_twelve_equals_differs(e, rng):
    alarms = 0
    for _ in range(40):
        table = e.locations(simulate(rng, [0] * 12, 24, 8))
        found = e.compare(table, pairs_of(12))
        alarms += any(e.differs(low, high) for _, low, high in found.values())
    print(f"  some pair of 66 differs in {alarms} of 40")
    return at_most(alarms, 40, 0.06)


@holds
def a_true_winner_is_named_and_quoted_fairly(e, rng):
    """Chosen on one half, measured on the other: no luck in the figure."""
    truth = np.log([1.0] + [1.03] * 7)
    named, errors = 0, []
    for _ in range(60):
        table = e.locations(simulate(rng, truth, 60, 8))
        best, quoted, is_clear = e.winner(table, list(range(8)))
        named += is_clear and best == 0
        errors += [quoted[k][0] - np.log(1.03) for k in quoted if best == 0]
    print(f"  named in {named} of 60; mean error of what is quoted "
          f"{100 * np.mean(errors):+.3f} %")
    return named >= 50 and abs(np.mean(errors)) < 0.002


@holds
def five_percent_is_found_and_never_turned_round(e, rng):
    found = wrong = 0
    for _ in range(200):
        table = e.locations(simulate(rng, [0, np.log(1.05)], 30))
        _, low, high = e.single(table, 1, 0)
        found += low > 0
        wrong += high < 0
    print(f"  found in {found} of 200, the wrong way round in {wrong}")
    return found >= 180 and wrong == 0


@holds
def equivalence_is_claimed_rightly(e, rng):
    """3 % apart is never called equivalent; equal is, given processes."""
    claimed = wrongly = 0
    for _ in range(100):
        table = e.locations(simulate(rng, [0, 0], 60))
        claimed += e.verdict(*e.single(table, 1, 0)[1:]) == "EQUIVALENT"
        table = e.locations(simulate(rng, [0, np.log(1.03)], 60))
        wrongly += e.verdict(*e.single(table, 1, 0)[1:]) == "EQUIVALENT"
    print(f"  equal: {claimed} of 100; 3 % apart: {wrongly} of 100")
    return claimed >= 95 and wrongly <= 5


@holds
def disturbed_batches_move_the_estimate_little(e, rng):
    """One candidate is disturbed in a tenth of its batches, manyfold."""
    log_ns = simulate(rng, [0, 0, 0], 40, disturbed=0)
    log_ns[:, :, 1] += 3.0 * (rng.random(log_ns[:, :, 1].shape) < 0.1)
    typical, _, _ = e.single(e.locations(log_ns), 1, 0)
    mean, _, _ = e.single(e.means(log_ns), 1, 0)
    print(f"  typical {100 * np.expm1(typical):+.2f} %, mean "
          f"{100 * np.expm1(mean):+.0f} %")
    return abs(typical) < 0.02 and mean > 0.5


@holds
def missing_batches_are_borne(e, rng):
    """A cut-off last round, and a candidate with half of its batches."""
    log_ns = simulate(rng, [0, np.log(1.1), 0], 30, disturbed=0)
    log_ns[3, 7:, :] = np.nan
    log_ns[:, ::2, 1] = np.nan
    centre, low, high = e.single(e.locations(log_ns), 1, 0)
    print(f"  ratio {np.exp(centre):.4f} ({np.exp(low):.4f} .. "
          f"{np.exp(high):.4f})")
    return low <= np.log(1.1) <= high


@holds
def layouts_are_the_unit_where_there_are_several(e, rng):
    """What a layout does to a candidate is the same in all its processes."""
    inside = naive = 0
    tries = 200
    groups = [str(i % 8) for i in range(48)]
    for _ in range(tries):
        log_ns = simulate(rng, [0, 0, 0], 48, 6, between=0.003)
        effect = rng.normal(0, 0.02, (8, 1, 3))
        table = e.locations(log_ns + effect[np.arange(48) % 8])
        _, low, high = e.single(e.units(table, groups), 1, 0)
        inside += low <= 0 <= high
        _, low, high = e.single(table, 1, 0)
        naive += low <= 0 <= high
    print(f"  {inside} of {tries} by layouts, {naive} if processes were "
          "taken for independent")
    return at_least(inside, tries, 0.93) and naive < 0.8 * tries


@holds
def too_few_processes_give_nothing(e, rng):
    table = e.locations(simulate(rng, [0, 0], 3))
    return (e.single(table, 1, 0) is None
            and e.winner(e.locations(simulate(rng, [0, 0], 7)), [0, 1])
            is None)


@holds
def equal_columns_are_no_division_by_zero(e, rng):
    table = e.locations(simulate(rng, [0, 0], 10))
    table = np.column_stack([table, table[:, 0]])
    found = e.compare(table, pairs_of(3))
    return found[(0, 2)] == (0.0, 0.0, 0.0) and np.isfinite(
        list(found.values())).all()


@holds
def verdicts_follow_the_interval(e, rng):
    cases = {(-0.10, -0.05): "FASTER", (0.03, 0.08): "SLOWER",
             (-0.01, 0.01): "EQUIVALENT", (0.005, 0.015): "EQUIVALENT",
             (-0.05, 0.01): "INCONCLUSIVE", (0.01, 0.03): "SLOWER",
             (-0.03, 0.03): "INCONCLUSIVE"}
    return all(e.verdict(*interval) == word
               for interval, word in cases.items())


if __name__ == "__main__":
    sys.exit(main("estimate"))
