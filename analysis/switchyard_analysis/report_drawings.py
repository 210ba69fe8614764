# SPDX-License-Identifier: Apache-2.0
"""The charts of a report, each made of facts. None is drawn before it is
asked for."""

import math
import statistics

from . import histogram, report_charts as charts
from .report_charts import Chart, digits, light, rate_text, \
    series, time_text

# More lines than this in one chart are not told apart.
LINES_MAX = charts.SERIES

# Points of a row of the strip; of a curve.
STRIP_POINTS = 150
CURVE_POINTS = 48

ROW = 19  # px of a row of labels

QUANTILES = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)

# Of each verdict: colour, marker, filled?
VERDICTS = {"FASTER": ("c1", "<", True), "SLOWER": ("c2", ">", True),
            "EQUIVALENT": ("c3", "o", True),
            "INCONCLUSIVE": ("c8", "s", False),
            "REGRESSION": ("c2", "X", True)}


def quantile_text(q):
    return f"p{100 * q:g}"


# ---- ratios -----------------------------------------------------------------


class Ratio:
    """A row of a forest plot."""

    def __init__(self, label, value, verdict, note=""):
        self.label, self.verdict, self.note = label, verdict, note
        self.ratio, self.low, self.high = (
            value["ratio"], value["low"], value["high"])

    def words(self):
        return f"{self.ratio:.3f} ({self.low:.3f} .. {self.high:.3f})"


def forest(name, title, caption, what, ratios, band, threshold=None):
    """what: the axis, "time / time of asm+queue"."""
    labels = [charts.shorten(r.label, 40) for r in ratios]
    low = min([r.low for r in ratios] + [1 / (1 + band)]) / 1.01
    high = max([r.high for r in ratios] + [1 + band]) * 1.01

    def draw(ax, tip):
        from matplotlib.lines import Line2D
        ax.set_xscale("log")
        ax.set_xlim(low, high)
        ax.set_ylim(len(ratios) - 0.4, -0.6)
        charts.log_axis(ax.xaxis, low, high, charts.number_tick) \
            if high / low > 1.8 else near_one(ax.xaxis, low, high)
        tip(ax.axvspan(1 / (1 + band), 1 + band, color=light("band"), lw=0),
            f"equivalence band: within {100 * band:g} %")
        ax.axvline(1, color=light("ink"), lw=1)
        if threshold is not None:
            ax.axvline(1 + threshold, color=light("c2"), lw=1, ls="--")
        for i, r in enumerate(ratios):
            colour, marker, filled = VERDICTS[r.verdict]
            ax.plot([r.low, r.high], [i, i], color=light(colour), lw=1.6,
                    solid_capstyle="butt")
            (mark,) = ax.plot(
                [r.ratio], [i], marker, color=light(colour), ms=6,
                mfc=light(colour) if filled else light("paper"))
            tip(mark, [f"{r.label}: {r.words()}, {r.verdict}. {r.note}"])
            ax.annotate(r.words(), (1, i), (6, 0), va="center", fontsize=9,
                        xycoords=("axes fraction", "data"),
                        textcoords="offset points", color=light("muted"))
        ax.set_yticks(range(len(ratios)), labels)
        ax.tick_params(axis="y", length=0)
        charts.grid(ax, "x")
        ax.set_xlabel(f"{what} (ratio, log scale): lower is better")
        seen = dict.fromkeys(r.verdict for r in ratios)
        charts.legend(ax, [
            Line2D([], [], color=light(VERDICTS[v][0]), marker=VERDICTS[v][1],
                   mfc=light(VERDICTS[v][0]) if VERDICTS[v][2]
                   else light("paper"), label=v.lower()) for v in seen],
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=5,
            borderaxespad=0.2)

    return Chart(name, title, caption, draw, 84 + ROW * len(ratios),
                 ("what", "ratio", "low", "high", "verdict"),
                 [(r.label, r.ratio, r.low, r.high, r.verdict)
                  for r in ratios],
                 left=charts.label_margin(labels), right=150, bottom=46,
                 top=30)


def near_one(axis, low, high):
    """Ticks of a narrow logarithmic axis."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter
    step = next((s for s in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
                 if (high - low) / s <= 8), 0.2)
    first = math.ceil(low / step)
    axis.set_major_locator(FixedLocator(
        [step * k for k in range(first, int(high / step) + 1)]))
    axis.set_minor_locator(FixedLocator([]))
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))


# ---- processes in run order -------------------------------------------------


def strip(name, title, per_process):
    """per_process: {label: ns of each process, in run order}."""
    labels = list(per_process)[:LINES_MAX]
    rows, shown, sizes = [], {}, []
    for label in labels:
        values = per_process[label]
        typical = statistics.median(values)
        parts = [v / typical - 1 for v in values]
        rows += [(label, i, v, p) for i, (v, p) in
                 enumerate(zip(values, parts))]
        step = math.ceil(len(parts) / STRIP_POINTS)
        shown[label] = [max(((i + k, p) for k, p in
                             enumerate(parts[i:i + step])),
                            key=lambda item: abs(item[1]))
                        for i in range(0, len(parts), step)]
        sizes += [abs(p) for p in parts]
    # One process that was held up must not flatten all others.
    most = max(sizes)
    widest = max(0.001, min(most, 3 * sorted(sizes)[len(sizes) * 9 // 10]))
    count = max(len(v) for v in per_process.values())
    step = math.ceil(count / STRIP_POINTS)

    def draw(ax, tip):
        ax.set_xlim(-0.02 * count - 0.5, count * 1.02)
        ax.set_ylim(len(labels) - 0.5, -0.5)
        for i, label in enumerate(labels):
            colour, marker, _ = series(i)
            ax.axhline(i, color=light("grid"), lw=0.8)
            (marks,) = ax.plot([x + 1 for x, _ in shown[label]],
                               [i - 0.45 * min(1, max(-1, p / widest))
                                for _, p in shown[label]],
                               marker, color=colour, ms=3)
            tip(marks, [f"{label}, process {x + 1}: {100 * p:+.2f} %"
                        for x, p in shown[label]])
        ax.set_yticks(range(len(labels)),
                      [charts.shorten(x, 40) for x in labels])
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel("process, in run order (number)")

    caption = (f"Each mark is one process; each row spans ±"
               f"{digits(100 * widest)} % around the candidate's median time "
               "per operation, up is slower. Level and even is better: a slope "
               "or a step says that the machine changed during the run."
               + (" What is farther off is drawn at the edge of its row."
                  if most > widest else "")
               + (f" Of each {step} processes, the one farthest off is shown."
                  if step > 1 else ""))
    return Chart(name, title, caption, draw, 64 + 44 * len(labels),
                 ("candidate", "process", "ns_per_operation", "deviation"),
                 rows, left=charts.label_margin(labels))


# ---- percentiles ------------------------------------------------------------


def curve(h):
    """[(p, ns, enough)]: the distribution, at evenly spaced log 1/(1-p)."""
    if h is None or h.count == 0:
        return []
    last = math.log10(max(h.count, 10))
    found = []
    for k in range(CURVE_POINTS + 1):
        p = 1 - 10 ** (-last * k / CURVE_POINTS)
        p = min(p, 1 - 0.5 / h.count)
        point = (p, histogram.quantile(h, p),
                 h.count >= histogram.samples_for(p))
        if found[-2:] and len({point[1:], *(f[1:] for f in found[-2:])}) == 1:
            found.pop()  # within a level stretch
        found.append(point)
    return found


def place_of(p):
    return -math.log10(1 - p)


def percentiles(name, title, caption, entries):
    """entries: [(label, response or None, service or None)]."""
    entries = entries[:LINES_MAX]
    rows = []
    for label, response, service in entries:
        for kind, h in (("response", response), ("service", service)):
            rows += [(label, kind, float(f"{p:.6g}"), ns, int(enough))
                     for p, ns, enough in curve(h)]
    top = max((place_of(r[2]) for r in rows), default=3)
    values = [r[3] for r in rows if r[3]]
    low, high = min(values) / 1.2, max(values) * 1.2

    both = any(e[1] for e in entries) and any(e[2] for e in entries)

    def draw(ax, tip):
        from matplotlib.lines import Line2D
        ax.set_yscale("log")
        ax.set_ylim(low, high)
        ax.set_xlim(0, max(top, 1))
        charts.log_axis(ax.yaxis, low, high, charts.time_tick)
        shown = [0.0] + [q for q in QUANTILES if place_of(q) <= max(top, 1)]
        ax.set_xticks([place_of(q) for q in shown],
                      [f"{100 * q:g} %" for q in shown])
        charts.grid(ax)
        for i, (label, response, service) in enumerate(entries):
            colour, marker, _ = series(i)
            one_curve(ax, tip, label, "response", response, colour, marker,
                      "-")
            one_curve(ax, tip, label, "service", service, colour, marker,
                      "--" if both else "-")
        ax.set_ylabel("latency (time, log scale): lower is better" if both
                      or any(e[1] for e in entries) else
                      "service time (time, log scale): lower is better")
        ax.set_xlabel("part of all operations that took no longer "
                      "(%, log 1/(1 − p) scale)")
        kinds = [Line2D([], [], color=light("ink"), ls=ls, label=word)
                 for ls, word, there in (
                     ("-", "response", both), ("--", "service", both),
                     (":", "too few samples", any(not r[4] for r in rows)))
                 if there]
        charts.legend(ax, [Line2D([], [], color=series(i)[0],
                                  marker=series(i)[1], ms=5,
                                  label=charts.shorten(label, 36))
                           for i, (label, _, _) in enumerate(entries)]
                      + kinds, loc="upper left", ncols=1, labelspacing=0.25)

    return Chart(name, title, caption, draw, 420,
                 ("row", "kind", "p", "ns", "enough_samples"), rows, left=78,
                 right=30)


def one_curve(ax, tip, label, kind, h, colour, marker, style):
    points = curve(h)
    if not points:
        return
    sure = [(place_of(p), ns) for p, ns, enough in points if enough and ns]
    rest = [(place_of(p), ns) for p, ns, enough in points
            if not enough and ns]
    if sure:
        ax.plot(*zip(*sure), style, color=colour,
                lw=1.8 if kind == "response" else 1.1)
    if rest:
        ax.plot(*zip(*(sure[-1:] + rest)), ":", color=light("muted"), lw=1.1)
    marked = [(q, histogram.quantile(h, q)) for q in QUANTILES
              if h.count >= histogram.samples_for(q)]
    marked = [(q, ns) for q, ns in marked if ns]
    if marked:
        (marks,) = ax.plot([place_of(q) for q, _ in marked],
                           [ns for _, ns in marked], marker, color=colour,
                           ms=5, mfc=colour if kind == "response"
                           else light("paper"))
        tip(marks, [f"{label}, {kind}: {quantile_text(q)} = {time_text(ns)}"
                    for q, ns in marked])


# ---- latency against throughput ---------------------------------------------


def load_curve(name, title, caption, rows_of_points, bounds, q=0.99):
    """rows_of_points: {label: points}; bounds: [(words, ns)]."""
    rows, shown = [], {}
    for label, points in rows_of_points.items():
        found = [(p.achieved_hz, p.quantile(q), p) for p in points]
        found = sorted(((x, y, p) for x, y, p in found if x and y),
                       key=lambda item: (item[2].rate_hz or 0, item[0]))
        rows += [(label, p.rate_hz, x, y, int(p.saturated),
                  " ".join(p.faults)) for x, y, p in found]
        if found:
            shown[label] = found
    xs = [r[2] for r in rows]
    ys = [r[3] for r in rows] + [ns for _, ns in bounds]

    def draw(ax, tip):
        from matplotlib.lines import Line2D
        from matplotlib.ticker import FuncFormatter
        is_wide = max(xs) / min(xs) > 20
        ax.set_yscale("log")
        ax.set_ylim(min(ys) / 1.3, max(ys) * 1.3)
        charts.log_axis(ax.yaxis, min(ys) / 1.3, max(ys) * 1.3,
                        charts.time_tick)
        if is_wide:
            ax.set_xscale("log")
            ax.set_xlim(min(xs) / 1.2, max(xs) * 1.2)
            charts.log_axis(ax.xaxis, min(xs), max(xs), charts.number_tick)
        else:
            ax.set_xlim(0, max(xs) * 1.06)
            ax.xaxis.set_major_formatter(
                FuncFormatter(lambda v, _: charts.number_tick(v)))
        charts.grid(ax)
        for words, ns in bounds:
            ax.axhline(ns, color=light("ink"), lw=1.2, ls=(0, (6, 3)))
            ax.annotate(words, (1, ns), (-2, 3), textcoords="offset points",
                        xycoords=("axes fraction", "data"), ha="right",
                        color=light("ink"), fontsize=10)
        for i, (label, found) in enumerate(shown.items()):
            colour, marker, style = series(i)
            good = [item for item in found if not item[2].saturated]
            bad = [item for item in found if item[2].saturated]
            if good:
                ax.plot(*zip(*middles(good)), ls=style, color=colour)
            for points, shape, face in ((good, marker, colour),
                                        (bad, "x", colour)):
                if not points:
                    continue
                (marks,) = ax.plot([x for x, _, _ in points],
                                   [y for _, y, _ in points], shape,
                                   color=face, ms=6, ls="none", mew=1.6)
                tip(marks, [load_words(label, x, y, p, q)
                            for x, y, p in points])
        ax.set_xlabel("throughput achieved (operations per second): "
                      "higher is better")
        ax.set_ylabel(f"{quantile_text(q)} response (time, log scale): lower "
                      "is better")
        entries = [Line2D([], [], color=series(i)[0], marker=series(i)[1],
                          ls=series(i)[2], ms=6,
                          label=charts.shorten(label, 36))
                   for i, label in enumerate(shown)]
        if any(r[4] for r in rows):
            entries.append(Line2D([], [], color=light("ink"), marker="x",
                                  ls="none", mew=1.6,
                                  label="saturated: rate not sustained"))
        charts.legend(ax, entries, loc="upper left", labelspacing=0.25)

    if not rows:
        return None
    return Chart(name, title, caption, draw, 400,
                 ("row", "planned_hz", "achieved_hz", "p99_ns", "saturated",
                  "faults"), rows, left=78)


def middles(found):
    """Of the points at each planned rate the medians."""
    groups = {}
    for x, y, p in found:
        groups.setdefault(p.rate_hz, []).append((x, y))
    return [tuple(map(statistics.median, zip(*points)))
            for points in groups.values()]


def load_words(label, x, y, point, q):
    words = (f"{label}: planned {rate_text(point.rate_hz)}, achieved "
             f"{rate_text(x)}, {quantile_text(q)} {time_text(y)}")
    return words + (", saturated: " + ", ".join(point.marks)
                    if point.saturated else "")


# ---- phases -----------------------------------------------------------------


PHASE_WORDS = {"start": "start", "run": "run (the program)",
               "wait": "wait (the device)", "notify": "notify (the engine)",
               "schedule": "schedule (in line)", "end": "end (the program)"}


def phases(name, title, caption, rows_of_phases):
    """rows_of_phases: [(label, {phase: mean ns})]."""
    labels = [charts.shorten(label, 40) for label, _ in rows_of_phases]

    def draw(ax, tip):
        from matplotlib.patches import Patch
        ax.set_ylim(len(labels) - 0.4, -0.6)
        for i, (label, means) in enumerate(rows_of_phases):
            left, whole = 0, sum(means.values())
            for k, phase in enumerate(PHASE_WORDS):
                ns = means.get(phase, 0)
                (bar,) = ax.barh(i, ns, left=left, height=0.72,
                                 color=light(f"t{k + 1}"), lw=0.8,
                                 edgecolor=light(f"c{k + 1}"),
                                 hatch=charts.HATCHES[k])
                bar.set_clip_on(False)
                tip(bar, f"{label}, {phase}: {time_text(ns)}, "
                    f"{100 * ns / whole:.0f} % of {time_text(whole)}")
                left += ns
        ax.set_xlim(0, 1.02 * max(sum(m.values())
                                  for _, m in rows_of_phases))
        ax.set_yticks(range(len(labels)), labels)
        ax.tick_params(axis="y", length=0)
        charts.grid(ax, "x")
        time_ticks(ax.xaxis)
        ax.set_xlabel("mean time of a job from start to end (time): lower is "
                      "better")
        charts.legend(ax, [
            Patch(facecolor=light(f"t{k + 1}"), edgecolor=light(f"c{k + 1}"),
                  hatch=charts.HATCHES[k], label=words)
            for k, words in enumerate(PHASE_WORDS.values())],
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3)

    return Chart(name, title, caption, draw, 116 + ROW * len(labels),
                 ("row",) + tuple(f"{p}_ns" for p in PHASE_WORDS),
                 [(label,) + tuple(m.get(p, 0) for p in PHASE_WORDS)
                  for label, m in rows_of_phases],
                 left=charts.label_margin(labels), top=62)


def time_ticks(axis):
    from matplotlib.ticker import FuncFormatter
    axis.set_major_formatter(FuncFormatter(
        lambda v, _: charts.time_tick(v)))


def byte_step(most):
    """A power of two, for 4 .. 8 ticks."""
    return 2 ** max(0, math.ceil(math.log2(max(most, 1) / 8)))


def byte_tick(value):
    number, unit = charts.bytes_text(value).split(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} " \
        f"{unit}" if value else "0"


# ---- over the number of jobs ------------------------------------------------


def over_jobs(name, title, caption, rows_of_points, axes, y_axis, words,
              level=None, left=90):
    """A line for each row.

    rows_of_points  {label: [(jobs, value)]}
    axes            what x and y are, and the column of the values
    y_axis          sets scale and ticks, of (ax, values)
    words           of a value, for the tip of its mark
    level           (value, label) of what has no number of jobs
    """
    shown = dict(list(rows_of_points.items())[:LINES_MAX])
    rows = [(label, jobs, value) for label, points in rows_of_points.items()
            for jobs, value in points]
    if level:
        rows.append((level[1], None, level[0]))
    xs = [jobs for points in shown.values() for jobs, _ in points]
    ys = [value for points in shown.values() for _, value in points]
    ys += [level[0]] if level else []

    def draw(ax, tip):
        from matplotlib.lines import Line2D
        from matplotlib.ticker import FixedLocator, FuncFormatter, \
            NullFormatter
        ax.set_xscale("log")
        ax.set_xlim(min(xs) / 1.3, max(xs) * 1.3)
        ax.xaxis.set_major_locator(FixedLocator(apart(sorted(set(xs)))))
        ax.xaxis.set_minor_locator(FixedLocator([]))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.xaxis.set_major_formatter(
            FuncFormatter(lambda v, _: f"{v:,.0f}"))
        y_axis(ax, ys)
        charts.grid(ax)
        entries = []
        for i, (label, points) in enumerate(shown.items()):
            colour, marker, style = series(i)
            (line,) = ax.plot([x for x, _ in points], [y for _, y in points],
                              marker=marker, ls=style, color=colour, ms=6)
            tip(line, [f"{label}, {jobs:,} jobs: {words(value)}"
                       for jobs, value in points])
            entries.append(Line2D([], [], color=colour, marker=marker,
                                  ls=style, label=charts.shorten(label, 36)))
        if level:
            line = ax.axhline(level[0], color=light("ink"), lw=1.2, ls=":")
            tip(line, [f"{level[1]}: {words(level[0])}"])
            entries.append(Line2D([], [], color=light("ink"), lw=1.2, ls=":",
                                  label=level[1]))
        ax.set_xlabel(axes[0])
        ax.set_ylabel(axes[1])
        charts.legend(ax, entries, loc="best", labelspacing=0.25)

    return Chart(name, title, caption, draw, 360, ("row", "jobs", axes[2]),
                 rows, left=left)


def apart(values):
    """Those of which the labels on a logarithmic axis do not touch."""
    kept = []
    for value in values:
        if not kept or value >= 1.25 * kept[-1]:
            kept.append(value)
    return kept


def memory(name, title, caption, rows_of_points):
    """rows_of_points: {label: [(jobs, bytes per job)]}."""
    def y_axis(ax, values):
        from matplotlib.ticker import FuncFormatter, MultipleLocator
        ax.set_ylim(0, 1.12 * max(values))
        ax.yaxis.set_major_locator(MultipleLocator(byte_step(max(values))))
        ax.yaxis.set_major_formatter(FuncFormatter(
            lambda v, _: byte_tick(v)))

    return over_jobs(
        name, title, caption, rows_of_points,
        ("jobs that are paused at once (number, log scale)",
         "memory per paused job (bytes): lower is better", "bytes_per_job"),
        y_axis, lambda value: f"{charts.bytes_text(value)} per job")


def throughput(name, title, caption, rows_of_points, software_hz):
    """rows_of_points: {label: [(jobs, operations per second)]}."""
    def y_axis(ax, values):
        ax.set_yscale("log")
        ax.set_ylim(min(values) / 1.5, max(values) * 1.5)
        charts.log_axis(ax.yaxis, min(values) / 1.5, max(values) * 1.5,
                        lambda v: f"{v:,.0f}")

    return over_jobs(
        name, title, caption, rows_of_points,
        ("jobs in flight (number, log scale)",
         "operations per second (log scale): higher is better",
         "operations_per_s"),
        y_axis, rate_text,
        level=software_hz and (software_hz, "software, one at a time"))


# ---- crossover --------------------------------------------------------------


def heatmap(name, title, caption, columns, jobs, bests):
    """columns: [(words, key)]; bests: {(key, jobs): Best}."""
    names = []
    for number in jobs:
        for _, key in columns:
            if (key, number) in bests:
                names.append(bests[key, number].name)
    order = sorted(set(names), key=lambda n: -names.count(n))
    rows = [(words, number, bests[key, number].name,
             int(bests[key, number].is_clear),
             " ".join(bests[key, number].near), bests[key, number].figure)
            for words, key in columns for number in jobs
            if (key, number) in bests]

    def draw(ax, tip):
        from matplotlib.patches import Rectangle
        ax.set_xlim(0, len(columns))
        ax.set_ylim(0, len(jobs))
        for x, (words, key) in enumerate(columns):
            for y, number in enumerate(jobs):
                best = bests.get((key, number))
                if best is None:
                    continue
                k = min(order.index(best.name), charts.SERIES - 1)
                box = Rectangle((x + 0.02, y + 0.03), 0.96, 0.94, lw=0.8,
                                facecolor=light(f"t{k + 1}"),
                                edgecolor=light(f"c{k + 1}"),
                                hatch="" if best.is_clear else "///")
                tip(ax.add_patch(box), heat_words(words, number, best))
                room = int(560 / len(columns) / 6.4)
                ax.text(x + 0.5, y + 0.5, heat_label(best, room), fontsize=9.5,
                        ha="center", va="center", color=light("ink"),
                        bbox={"facecolor": light(f"t{k + 1}"), "lw": 0,
                              "pad": 1.5, "edgecolor": "none"})
        ax.set_xticks([x + 0.5 for x in range(len(columns))],
                      [charts.shorten(words, int(560 / len(columns) / 6))
                       for words, _ in columns])
        ax.set_yticks([y + 0.5 for y in range(len(jobs))],
                      [f"{n:,}" for n in jobs])
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.set_xlabel("time that the device takes for an operation (time)")
        ax.set_ylabel("jobs in flight (number)")

    return Chart(name, title, caption, draw, 70 + 52 * len(jobs),
                 ("service_time", "jobs", "best", "clear", "not_told_apart",
                  "operations_per_second"), rows, left=70)


def heat_label(best, room):
    """On as many lines as it takes: "asm+queue", "or 3 others"."""
    words, lines = best.name.split("+"), [""]
    for i, word in enumerate(words):
        piece = ("+" if i else "") + word
        if lines[-1] and len(lines[-1] + piece) > room:
            lines.append(piece)
        else:
            lines[-1] += piece
    if best.near:
        lines.append(f"or {len(best.near)} other"
                     + ("s" if len(best.near) > 1 else ""))
    return "\n".join(lines)


def heat_words(words, jobs, best):
    text = (f"{jobs} in flight, {words}: {best.name}, {rate_text(best.figure)}")
    if best.near:
        text += "; not told apart from " + ", ".join(best.near[:8])
        if len(best.near) > 8:
            text += f" and {len(best.near) - 8} more"
    return text
