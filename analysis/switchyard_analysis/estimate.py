# SPDX-License-Identifier: Apache-2.0
"""Estimates from batches: what differs from what, and how sure that is.

A comparison is an array log_ns[process, round, candidate] of the logarithm of
the time per operation in one batch; NaN where there is none. Processes are
the unit of replication: batches of one process share its addresses, so they
are one sample, however many there are. docs/comparing.md has the formulae.
"""

import numpy as np
from scipy import special

LEVEL = 0.95

# Ratios within 2 % of 1 are called equivalent.
BAND = float(np.log(1.02))

# Fewer processes give no interval.
PROCESSES_MIN = 4

# Fewer give no winner: each half must give intervals.
PROCESSES_FOR_WINNER = 2 * PROCESSES_MIN

# Simulated comparisons, from which the critical value is taken.
SIMULATIONS = 2000
CHUNK_NUMBERS = 2_000_000


def student_quantile(p, freedom):
    """Of Student's t. scipy.stats takes a second to load; this does not."""
    return float(special.stdtrit(freedom, p))


def nanmedian(values, axis):
    """The median of what is not NaN; NaN where there is nothing else."""
    ordered = np.sort(values, axis=axis)  # NaN last
    count = (~np.isnan(values)).sum(axis=axis, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis)
    high = np.take_along_axis(ordered, count // 2, axis)
    return ((low + high) / 2).squeeze(axis)


def locations(log_ns, sweeps=4):
    """Typical log time of each candidate in each process.

    Effects of the rounds, in which the machine was faster or slower for all,
    are taken out by median polish (Tukey 1977): medians, so that a batch that
    was disturbed weighs as much as one that was not, and no more.
    """
    residual = np.array(log_ns, dtype=float)
    processes, _, candidates = residual.shape
    effect = np.zeros((processes, candidates))
    for _ in range(sweeps):
        column = nanmedian(residual, axis=1)
        effect = effect + column
        residual = residual - np.nan_to_num(column)[:, None, :]
        if candidates > 2:
            row = nanmedian(residual, axis=2)
        else:  # of two, a median is their mean
            row = nanmean(residual, axis=2)
        # What is taken out of rounds is added to none: it is common to all.
        residual = residual - np.nan_to_num(row)[:, :, None]
    return effect


def nanmean(values, axis):
    """As numpy's, without its warning about all-NaN slices."""
    count = (~np.isnan(values)).sum(axis=axis)
    total = np.nansum(values, axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def means(log_ns):
    """Log of the mean time of each candidate in each process."""
    return np.log(nanmean(np.exp(log_ns), axis=1))


def units(table, groups=None):
    """What is averaged over: processes, or groups of them.

    Where executables were linked in several layouts, processes of one layout
    share what that layout does to each candidate, so the layout is the unit.
    """
    if groups is None or len(set(groups)) < PROCESSES_MIN:
        return table
    names = sorted(set(groups))
    labels = np.array([names.index(g) for g in groups])
    return np.stack([nanmean(table[labels == i], axis=0)
                     for i in range(len(names))])


def square_root(covariance):
    """A matrix whose product with its transpose is the covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.clip(values, 0, None))


def scatter_root(rng, size, columns, freedom):
    """Roots [:, n, :] of random matrices with the distribution of the scatter of
    freedom + 1 independent normal rows (Wishart's), by Bartlett's triangles,
    or, where these rows span less than all columns, from the rows."""
    if freedom < columns:
        return rng.standard_normal((columns, size, freedom))
    root = rng.standard_normal((columns, size, columns))
    for i in range(columns):
        root[i, :, i] = np.sqrt(rng.chisquare(freedom - i, size))
        root[i, :, i + 1:] = 0
    return root


def simulated_t(table, pairs, seed=1):
    """Student's t of all pairs, in chunks of [simulation, pair], of
    SIMULATIONS comparisons in which no candidate differs, with the covariance
    that the processes show.
    """
    count, columns = table.shape
    rng = np.random.default_rng(seed)
    root = square_root(np.cov(table, rowvar=False))
    left = np.array([i for i, _ in pairs])
    right = np.array([j for _, j in pairs])
    chunk = max(1, CHUNK_NUMBERS // (columns * columns + len(pairs)))
    done = 0
    while done < SIMULATIONS:
        size = min(chunk, SIMULATIONS - done)
        # Mean and covariance of a sample are independent.
        centre = rng.standard_normal((size, columns)) @ root.T / np.sqrt(count)
        scatter = scatter_root(rng, size, columns, count - 1)
        scatter = (root @ scatter.reshape(columns, -1)).reshape(scatter.shape)
        cov = np.matmul(scatter.transpose(1, 0, 2),
                        scatter.transpose(1, 2, 0)) / (count - 1)
        variance = np.diagonal(cov, axis1=1, axis2=2)
        spread = (variance[:, left] + variance[:, right]
                  - 2 * cov[:, left, right])
        t = (centre[:, left] - centre[:, right]) / np.sqrt(
            np.maximum(spread, 1e-300) / count)
        # Columns that are equal do not differ in a simulation either.
        t[spread <= 1e-24] = 0
        yield t
        done += size


def critical_value(table, pairs, level=LEVEL, seed=1):
    """What no |t| of all pairs exceeds, with probability level: exact for
    normal data up to the covariance, and as strict as Student's t where there
    is one pair.
    """
    if len(pairs) <= 1:
        return student_quantile((1 + level) / 2, len(table) - 1)
    largest = [np.abs(t).max(axis=1) for t in simulated_t(table, pairs, seed)]
    return float(np.quantile(np.concatenate(largest), level))


def largest_against(t, pairs, columns):
    """The largest t of a column against each one, [simulation, column]."""
    largest = np.full((len(t), columns), -np.inf)
    for number, (i, j) in enumerate(pairs):
        np.maximum(largest[:, j], t[:, number], out=largest[:, j])
        np.maximum(largest[:, i], -t[:, number], out=largest[:, i])
    return largest


def critical_excess(table, level=LEVEL, seed=1):
    """What, with probability level, no t of a column against the best one
    exceeds, whichever is the best (Hsu 1984).

    An upper limit of how far a column is behind the best needs less than
    intervals of all pairs: one side, and one rival that counts.
    """
    columns = table.shape[1]
    if columns <= 2:
        return student_quantile(level, len(table) - 1)
    pairs = [(i, j) for j in range(columns) for i in range(columns) if i < j]
    largest = np.concatenate([largest_against(t, pairs, columns)
                              for t in simulated_t(table, pairs, seed)])
    return float(np.quantile(largest, level, axis=0).max())


def difference(table, i, j):
    """Mean and standard error of column i minus column j, and how many
    rows have both."""
    d = table[:, i] - table[:, j]
    d = d[~np.isnan(d)]
    if len(d) < 2:
        return (float(d[0]) if len(d) else None), None, len(d)
    return (float(d.mean()), float(d.std(ddof=1) / np.sqrt(len(d))), len(d))


def interval(table, i, j, critical):
    """(estimate, low, high) of column i minus column j, or None."""
    centre, error, count = difference(table, i, j)
    if count < PROCESSES_MIN:
        return None
    return centre, centre - critical * error, centre + critical * error


def verdict(low, high):
    """What an interval of a log ratio of times says about the first."""
    if -BAND <= low and high <= BAND:
        return "EQUIVALENT"
    if high < 0:
        return "FASTER"
    if low > 0:
        return "SLOWER"
    return "INCONCLUSIVE"


def differs(low, high):
    """Is 0 outside? Of an EQUIVALENT pair too: small, and yet there."""
    return low > 0 or high < 0


def complete(table):
    """The rows that have every column."""
    return table[~np.isnan(table).any(axis=1)]


def compare(table, pairs, level=LEVEL):
    """Simultaneous intervals: {(i, j): (estimate, low, high)}."""
    critical = critical_value(table, pairs, level)
    return {(i, j): interval(table, i, j, critical) for i, j in pairs}


def single(table, i, j, level=LEVEL):
    """The interval of one pair by itself, or None."""
    both = ~np.isnan(table[:, i] - table[:, j])
    count = int(both.sum())
    if count < PROCESSES_MIN:
        return None
    critical = student_quantile((1 + level) / 2, count - 1)
    return interval(table, i, j, critical)


def winner(table, members, level=LEVEL):
    """Who is the fastest of some columns, chosen on every other row and
    measured on those between, so that luck in the choice is not in the
    figure.

    Returns (column, {other: interval of other minus column}, is_clear), or
    None if there are too few rows or members.
    """
    if len(members) < 2 or len(table) < PROCESSES_FOR_WINNER:
        return None
    choosing, quoting = table[0::2], table[1::2]
    best = min(members, key=lambda c: choosing[:, c].mean())
    pairs = [(other, best) for other in members if other != best]
    results = compare(quoting, pairs, level)
    quoted = {other: results[(other, best)] for other, _ in pairs}
    is_clear = all(low > 0 for _, low, _ in quoted.values())
    return best, quoted, is_clear
