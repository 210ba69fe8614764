# SPDX-License-Identifier: Apache-2.0
"""Which of several to use, and how sure that is.

An Evidence holds what was measured of one objective, as logarithms of a cost:
less is better, differences are log ratios. decide() picks from it what is
within the band of the best, whatever the best is: that, and not a difference
from all others, is what a choice needs. docs/choosing.md has the rules.
"""

import functools
import itertools

import numpy as np

from . import estimate

RESAMPLINGS = 2000

# Ratios of latencies within 5 % of 1 are called equivalent: a quantile of
# one window moves by more than that from run to run.
LATENCY_BAND = float(np.log(1.05))


class Evidence:
    """What decide() asks for.

    names  of what was measured
    units  how many independent units each figure is a mean of
    band   of equivalence, as a log ratio
    """

    def pair(self, a, b):
        """(estimate, low, high) of a minus b, or None where there is too
        little for an interval. All of them hold at once."""
        raise NotImplementedError

    def excess(self, name, other):
        """An upper limit of name minus other, or None. It holds for all
        names at once if other is the best of them: enough to show that a name
        is within the band of the best, whichever that is."""
        raise NotImplementedError

    def among(self, names):
        """The same with these names only: limits that need not hold for
        others are closer."""
        raise NotImplementedError

    def value(self, name):
        """The typical cost."""
        raise NotImplementedError


class Paired(Evidence):
    """A table[unit, column]: units of a comparison, in which each candidate
    was measured. Differences within a unit are free of what is common to it.
    """

    def __init__(self, table, names, band=estimate.BAND, unit="process"):
        self.table, self.names, self.band = table, list(names), band
        self.unit = unit
        self.column = {name: i for i, name in enumerate(self.names)}
        self.units = len(table)
        self.means = table.mean(axis=0)
        self.has_limits = (self.units >= estimate.PROCESSES_MIN
                           and len(self.names) > 1)

    @functools.cached_property
    def critical(self):
        pairs = list(itertools.combinations(range(len(self.names)), 2))
        return estimate.critical_value(self.table, pairs)

    @functools.cached_property
    def one_sided(self):
        return estimate.critical_excess(self.table)

    def among(self, names):
        columns = [self.column[name] for name in names]
        return Paired(self.table[:, columns], names, self.band, self.unit)

    def pair(self, a, b):
        if not self.has_limits:
            return None
        return estimate.interval(self.table, self.column[a], self.column[b],
                                 self.critical)

    def excess(self, name, other):
        if not self.has_limits:
            return None
        return estimate.interval(self.table, self.column[name],
                                 self.column[other], self.one_sided)[2]

    def value(self, name):
        return float(np.exp(self.means[self.column[name]]))

    def mean(self, name):
        return float(self.means[self.column[name]])

    def leader(self, names):
        """The best by every other unit: the rest has no part in it."""
        half = self.table[0::2].mean(axis=0)
        return min(names, key=lambda name: half[self.column[name]])

    def quoted(self, a, b):
        """Interval of a minus b by the units that leader() did not see."""
        half = self.table[1::2]
        if len(half) < estimate.PROCESSES_MIN:
            return None
        return estimate.single(half, self.column[a], self.column[b])

    def resampled(self, names, count=RESAMPLINGS, seed=1):
        """Means of the names, of units drawn with replacement."""
        rng = np.random.default_rng(seed)
        columns = [self.column[name] for name in names]
        weights = rng.multinomial(self.units, [1 / self.units] * self.units,
                                  size=count) / self.units
        return weights @ self.table[:, columns]


class Unpaired(Evidence):
    """Repeats of each name by itself: windows of load.

    The deviation of one repeat is the larger of a name's own and that of all:
    of few repeats, its own is often far too small.
    """

    unit = "window"

    def __init__(self, samples, band=LATENCY_BAND):
        self.samples = {name: np.array(values, dtype=float)
                        for name, values in samples.items()}
        self.names, self.band = list(self.samples), band
        self.units = min(map(len, self.samples.values()), default=0)
        squares = sum(((v - v.mean()) ** 2).sum()
                      for v in self.samples.values())
        self.freedom = sum(len(v) - 1 for v in self.samples.values())
        self.pooled = np.sqrt(squares / self.freedom) if self.freedom else None
        self.set_limits()

    def set_limits(self):
        self.critical = None
        if self.freedom >= estimate.PROCESSES_MIN - 1:
            count = max(1, len(self.names) * (len(self.names) - 1) // 2)
            self.critical = estimate.student_quantile(
                1 - (1 - estimate.LEVEL) / (2 * count), self.freedom)
            rivals = max(1, len(self.names) - 1)
            self.one_sided = estimate.student_quantile(
                1 - (1 - estimate.LEVEL) / rivals, self.freedom)

    def error(self, name):
        values = self.samples[name]
        own = values.std(ddof=1) if len(values) > 1 else 0.0
        return max(own, self.pooled) / np.sqrt(len(values))

    def pair(self, a, b):
        if self.critical is None or \
                min(len(self.samples[a]), len(self.samples[b])) < 2:
            return None
        centre = self.mean(a) - self.mean(b)
        width = self.critical * np.hypot(self.error(a), self.error(b))
        return centre, centre - width, centre + width

    def among(self, names):
        found = Unpaired({name: self.samples[name] for name in names},
                         self.band)
        # What the others show of the noise is as true without them.
        found.freedom, found.pooled = self.freedom, self.pooled
        found.set_limits()
        return found

    def excess(self, name, other):
        found = self.pair(name, other)
        if found is None:
            return None
        centre, _, high = found
        return centre + (high - centre) * self.one_sided / self.critical

    def above(self, name):
        """What the true figure hardly exceeds, for all names at once; None of
        too few repeats."""
        if self.critical is None or len(self.samples[name]) < 2:
            return None
        t = estimate.student_quantile(
            1 - (1 - estimate.LEVEL) / (2 * len(self.names)), self.freedom)
        return float(np.exp(self.mean(name) + t * self.error(name)))

    def below(self, name):
        if self.above(name) is None:
            return None
        return float(np.exp(2 * self.mean(name))) / self.above(name)

    def mean(self, name):
        return float(self.samples[name].mean())

    def value(self, name):
        return float(np.exp(self.mean(name)))

    def leader(self, names):
        return min(names, key=lambda name: self.samples[name][0::2].mean())

    def quoted(self, a, b):
        one, other = self.samples[a][1::2], self.samples[b][1::2]
        if self.pooled is None or min(len(one), len(other)) < 2:
            return None
        centre = float(one.mean() - other.mean())
        width = estimate.student_quantile(
            (1 + estimate.LEVEL) / 2, self.freedom) * self.pooled * np.sqrt(
                1 / len(one) + 1 / len(other))
        return centre, centre - width, centre + width

    def resampled(self, names, count=RESAMPLINGS, seed=1):
        rng = np.random.default_rng(seed)
        return np.stack([self.samples[name][rng.integers(
            len(self.samples[name]), size=(count, len(self.samples[name])))]
            .mean(axis=1) for name in names], axis=1)


class Counted(Evidence):
    """Figures that were counted, so that there is nothing to draw again."""

    unit = "count"
    units = 1

    def __init__(self, values, band=estimate.BAND):
        self.values, self.band = dict(values), band
        self.names = list(self.values)

    def pair(self, a, b):
        d = self.mean(a) - self.mean(b)
        return d, d, d

    def among(self, names):
        return Counted({name: self.values[name] for name in names}, self.band)

    def excess(self, name, other):
        return self.mean(name) - self.mean(other)

    def mean(self, name):
        return float(np.log(self.values[name]))

    def value(self, name):
        return float(self.values[name])

    def leader(self, names):
        return min(names, key=self.mean)

    def quoted(self, a, b):
        return self.pair(a, b)

    def resampled(self, names, count=1, seed=1):
        del count, seed
        return np.array([[self.mean(name) for name in names]])


# ---- deciding ---------------------------------------------------------------

BEST = "BEST"          # nothing else is within the band of it
TIE = "TIE"            # several are; a tie-break decides
ONLY = "ONLY ONE LEFT"
NONE = "NOTHING LEFT"
OPEN = "NO DECISION"


class Decision:
    """kind, and what to use (None without a decision).

    leader   first by half of the units; without a decision by all of them
    members  all that are shown to be within the band of the best, best first
    """

    def __init__(self, kind, choice=None, leader=None, members=()):
        self.kind, self.choice, self.leader = kind, choice, leader
        self.members = list(members)

    @property
    def is_decided(self):
        return self.choice is not None


def is_within_band(evidence, name, names):
    """Is nothing among the names better than this one by more than the
    band?"""
    for other in names:
        if other == name:
            continue
        most = evidence.excess(name, other)
        if most is None or most > evidence.band:
            return False
    return True


def decide(evidence, names, tie_break=None):
    """Of these names, which to use.

    tie_break  sort key of a name: the least wins a tie; then the smaller cost
    """
    names = [name for name in evidence.names if name in set(names)]
    if not names:
        return Decision(NONE)
    leader = evidence.leader(names)
    if len(names) == 1:
        return Decision(ONLY, leader, leader, [leader])
    members = [name for name in names if is_within_band(evidence, name, names)]
    if not members:
        return Decision(OPEN, None, min(names, key=evidence.mean))
    members.sort(key=evidence.mean)
    if len(members) > 1:
        key = tie_break or (lambda name: 0)
        choice = min(members, key=lambda n: (key(n), evidence.mean(n)))
        return Decision(TIE, choice, leader, members)
    return Decision(BEST, members[0], leader, members)


def chances(evidence, names):
    """{name: (part of resamplings in which it is the best, part in which it
    is within the band of the best)}."""
    means = evidence.resampled(names)
    least = means.min(axis=1, keepdims=True)
    best = (means == least).mean(axis=0)
    near = (means <= least + evidence.band).mean(axis=0)
    return {name: (float(best[i]), float(near[i]))
            for i, name in enumerate(names)}


def verdict(evidence, a, b):
    """FASTER, SLOWER, EQUIVALENT or INCONCLUSIVE: a against b."""
    found = evidence.pair(a, b)
    if found is None:
        return "INCONCLUSIVE"
    _, low, high = found
    if -evidence.band <= low and high <= evidence.band:
        return "EQUIVALENT"
    if high < 0:
        return "FASTER"
    return "SLOWER" if low > 0 else "INCONCLUSIVE"


def spread(evidence, names):
    """By how much any of these can differ from any other at most, as a log
    ratio; None where that is not known."""
    largest = 0.0
    for a, b in itertools.combinations(names, 2):
        found = evidence.pair(a, b)
        if found is None:
            return None
        largest = max(largest, abs(found[1]), abs(found[2]))
    return largest


def time_factor(evidence, names, leader):
    """How many times the units would be needed for a decision, if the
    estimates stay what they are; None where there is no limit yet."""
    factor = 1.0
    for other in names:
        if other == leader:
            continue
        most = evidence.excess(leader, other)
        if most is None:
            return None
        if most <= evidence.band:
            continue
        centre = evidence.mean(leader) - evidence.mean(other)
        # The limit must come below the band; of a leader that is behind this
        # one by half of it and more, the other is what will be shown.
        room = max(evidence.band - centre, evidence.band / 2)
        factor = max(factor, ((most - centre) / room) ** 2)
    return factor
