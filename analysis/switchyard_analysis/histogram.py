# SPDX-License-Identifier: Apache-2.0
"""Histograms of run files: the buckets, and what must be true of them.

Buckets are numbered as in docs/run-files.md of the source tree: one per value
below 256, then 128 for each octave, the last of which ends at VALUE_MAX.
"""

import collections
import math

from .run_file import WRONG, Refused, is_number

VALUE_BITS = 42
VALUE_MAX = 2 ** VALUE_BITS - 1
PER_OCTAVE = 128
BUCKETS = (VALUE_BITS - 6) * PER_OCTAVE

# pairs: [(bucket, count), ...], in the order of buckets, no count 0. min and
# max are exact; of clipped values, which are above VALUE_MAX, only max tells.
Histogram = collections.namedtuple("Histogram", "count sum min max clipped "
                                   "pairs")


def width_of(bucket):
    """How many values a bucket holds."""
    return 1 if bucket < 256 else 1 << (bucket // PER_OCTAVE - 1)


def low_of(bucket):
    """The smallest value of a bucket."""
    if bucket < 256:
        return bucket
    return (PER_OCTAVE + bucket % PER_OCTAVE) * width_of(bucket)


def high_of(bucket):
    """The largest value of a bucket."""
    return low_of(bucket) + width_of(bucket) - 1


def bucket_of(value):
    """The bucket that holds a value; the last one for what is too large."""
    if value < 256:
        return value
    value = min(value, VALUE_MAX)
    shift = value.bit_length() - 8
    return shift * PER_OCTAVE + (value >> shift)


def is_histogram(value):
    """Does this member of a line want to be one?"""
    return isinstance(value, dict) and "buckets" in value


def is_pair(value):
    return (isinstance(value, list) and len(value) == 2
            and all(map(is_number, value)) and 0 <= value[0] < BUCKETS
            and value[1] > 0)


def from_member(value, where):
    """The histogram of a member of a line; Refused if it contradicts itself.

    where is named in the refusal.
    """
    def refuse(words):
        raise Refused(WRONG, f"{where}: {words}")

    for key in ("count", "sum", "min", "max", "clipped"):
        if not is_number(value.get(key)) or value[key] < 0:
            refuse(f"the histogram has no number '{key}'")
    if not isinstance(value["buckets"], list):
        refuse("the histogram has no list 'buckets'")
    last = -1
    for pair in value["buckets"]:
        if not is_pair(pair):
            refuse(f"'{str(pair)[:60]}' is no pair of a bucket, 0 .. "
                   f"{BUCKETS - 1}, and a count")
        if pair[0] <= last:
            refuse(f"bucket {pair[0]} does not follow bucket {last}")
        last = pair[0]
    pairs = [tuple(pair) for pair in value["buckets"]]
    total = sum(count for _, count in pairs)
    if total != value["count"]:
        refuse(f"the buckets hold {total} values, the histogram says "
               f"{value['count']}")
    if pairs and (bucket_of(value["min"]), bucket_of(value["max"])) != (
            pairs[0][0], pairs[-1][0]):
        refuse(f"min {value['min']} and max {value['max']} are not in the "
               f"first and the last bucket, {pairs[0][0]} and {pairs[-1][0]}")
    return Histogram(*(value[key] for key in Histogram._fields[:-1]), pairs)


# ---- what follows from them -------------------------------------------------


def samples_for(q):
    """How many samples the quantile q needs: fewer than this lie all below it
    with a probability above 2.5 %, and then nothing is known of it."""
    return math.ceil(math.log(0.025) / math.log(q)) if 0 < q < 1 else 1


def quantile(h, q):
    """The value that the part q of all values does not exceed, as the command
    computes it; None without values. Whether there are enough of them for it,
    samples_for() tells."""
    if h.count == 0:
        return None
    if q <= 0:
        return h.min
    exact = q * h.count
    rank = int(exact)
    if exact - rank > 1e-9 * exact:
        rank += 1
    rank = max(1, rank)
    if rank >= h.count:
        return h.max
    seen = 0
    for bucket, count in h.pairs:
        seen += count
        if seen >= rank:
            break
    return min(max(low_of(bucket) + width_of(bucket) // 2, h.min), h.max)


def merged(histograms):
    """One histogram of the values of all; None of none."""
    full = [h for h in histograms if h.count]
    if not full:
        return histograms[0] if histograms else None
    counts = collections.Counter()
    for h in full:
        counts.update(dict(h.pairs))
    return Histogram(sum(h.count for h in full), sum(h.sum for h in full),
                     min(h.min for h in full), max(h.max for h in full),
                     sum(h.clipped for h in full), sorted(counts.items()))
