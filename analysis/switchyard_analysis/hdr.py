# SPDX-License-Identifier: Apache-2.0
"""HdrHistogram's encoding of histograms, version 2, and its log of them.

With two significant digits and a lowest value of 1, HdrHistogram's array of
counts has our buckets in our order, so nothing is rounded: bucket b is count
b. The numbers in front are big-endian.

    compressed   int32 cookie, int32 bytes that follow, zlib stream of:
    payload      int32 cookie, int32 bytes of counts, int32 offset of the
                 first count (0), int32 significant digits, int64 lowest and
                 highest value that can be told apart, float64 unit (1), and
                 the counts up to the last that is not 0
    counts       a signed number each: a count, or the negative of how many
                 counts of 0 come one after the other; "zig-zag" (0, -1, 1,
                 -2, ... become 0, 1, 2, 3, ...), then 7 bits a byte, lowest
                 first, the top bit set if more follow, except that a ninth
                 byte is the last and holds 8

A log has one line per histogram: a tag, when it began and how long it took in
seconds, its maximum, and the compressed form in base64.
"""

import base64
import struct
import zlib

from .histogram import VALUE_MAX

COOKIE = 0x1c849303 | 0x10
COOKIE_COMPRESSED = 0x1c849304 | 0x10
SIGNIFICANT_DIGITS = 2

LOG_HEAD = ("#[Histogram log format version 1.3]\n",
            '"StartTimestamp","Interval_Length","Interval_Max",'
            '"Interval_Compressed_Histogram"\n')


def number(value):
    """One signed number of the counts, -2^63 .. 2^63 - 1, as bytes."""
    left = 2 * value if value >= 0 else -2 * value - 1
    encoded = bytearray()
    while left > 0x7f and len(encoded) < 8:
        encoded.append(left & 0x7f | 0x80)
        left >>= 7
    encoded.append(left)
    return bytes(encoded)


def counts(pairs):
    """All counts of a histogram as bytes."""
    encoded = bytearray()
    at = 0
    for bucket, count in pairs:
        if bucket > at:
            encoded += number(at - bucket)
        encoded += number(count)
        at = bucket + 1
    return bytes(encoded)


def encode(histogram):
    """The compressed form in base64."""
    body = counts(histogram.pairs)
    payload = struct.pack(">iiiiqqd", COOKIE, len(body), 0,
                          SIGNIFICANT_DIGITS, 1, VALUE_MAX, 1.0) + body
    packed = zlib.compress(payload, 9)
    return base64.b64encode(struct.pack(">ii", COOKIE_COMPRESSED, len(packed))
                            + packed).decode("ascii")


def log_line(tag, start_s, length_s, histogram):
    """A line of the log; the values are ns, the maximum is shown in ms."""
    return (f"Tag={tag},{start_s:.3f},{length_s:.6f},"
            f"{histogram.max // 10 ** 6}.{histogram.max % 10 ** 6:06d},"
            f"{encode(histogram)}\n")
