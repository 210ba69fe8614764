# SPDX-License-Identifier: Apache-2.0
"""A bound on a quantile, and what is shown to keep it.

To be recommended, an option must be shown to keep the bound: what is only not
shown to break it is not enough.
"""

import re

import numpy as np

from .decide import Unpaired
from .run_file import WRONG, Refused

UNITS_NS = {"ns": 1, "us": 1000, "ms": 10 ** 6, "s": 10 ** 9}
QUANTILES = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p999",
             "p99.9": "p999"}

# Of a single window nothing is known about the next one: it must be below the
# bound by this factor. Quantiles of windows of one program seldom differ by
# more.
MARGIN = 1.25

KEEPS, BREAKS, UNSURE, UNKNOWN = "keeps", "breaks", "unsure", "unknown"


class Bound:
    def __init__(self, text):
        found = re.fullmatch(
            r"(p[0-9.]+)\s*<=\s*([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s)", text)
        if not found or found[1] not in QUANTILES:
            raise Refused(WRONG, f"--slo {text}: written as p99<=200us, with "
                          "p50, p90, p99 or p99.9, and ns, us, ms or s")
        self.text = text
        self.quantile = QUANTILES[found[1]]
        self.ns = float(found[2]) * UNITS_NS[found[3]]
        if not 1 <= self.ns <= 2 ** 42:
            raise Refused(WRONG, f"--slo {text}: the bound is 1ns .. 4398s")


def time_text(ns):
    for unit, factor in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= factor:
            return f"{ns / factor:,.4g} {unit}"
    return f"{ns:,.0f} ns"


def judge(situation, bound, rate_hz):
    """{name: (state, words, figure in ns or None)} of every option seen."""
    samples, source = situation.quantile_samples(bound.quantile, rate_hz)
    evidence = Unpaired(samples) if samples else None
    saturated = situation.saturated(rate_hz) if rate_hz is not None else {}
    found = {}
    for name in situation.options():
        if name in saturated:
            found[name] = (BREAKS, saturated[name], None)
        elif name in samples:
            found[name] = judge_one(evidence, name, bound)
        elif rate_hz is not None and name in situation.points(rate_hz):
            found[name] = (UNKNOWN, f"too few operations for {bound.quantile}",
                           None)
        else:
            found[name] = (UNKNOWN, f"no {bound.quantile} was measured", None)
    return found, source


def judge_one(evidence, name, bound):
    above, figure = evidence.above(name), evidence.value(name)
    words = f"{bound.quantile} {time_text(figure)}"
    if above is None:
        worst = float(np.exp(evidence.samples[name].max()))
        if worst > bound.ns:
            return BREAKS, words, figure
        if worst * MARGIN > bound.ns:
            return UNSURE, words + (", too near to the bound for so few "
                                    "windows"), figure
        return KEEPS, words, figure
    words += f" (at most {time_text(above)})"
    if figure > bound.ns:
        return BREAKS, words, figure
    if above > bound.ns:
        return UNSURE, words + ", too near to the bound", figure
    return KEEPS, words, figure
