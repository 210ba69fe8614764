# SPDX-License-Identifier: Apache-2.0
"""Charts: drawn by matplotlib, as SVG that fits into a page, or as files.

A Chart has its data as a table too, so that it can be read without it. Colours
are those of PALETTE; in a page they become CSS variables, so that it can be
light and dark. Whatever a colour says, a marker, a line style, a hatch or a
word says too.
"""

import csv
import functools
import html
import io
import logging
import math
import re

# Name: light, dark. "c" are lines and marks, "t" the fills behind text.
PALETTE = {
    "paper": ("#fefefe", "#15191e"),
    "ink": ("#1b1f24", "#e6e9ed"),
    "muted": ("#555e67", "#a3adb8"),
    "grid": ("#d3d8de", "#333b45"),
    "band": ("#e4ebdf", "#26331f"),
    "c1": ("#0b5fa5", "#6cb6ff"),
    "c2": ("#b93e0a", "#ff9a62"),
    "c3": ("#0b7a50", "#4ade9b"),
    "c4": ("#7a35a6", "#c9a2ff"),
    "c5": ("#806000", "#e3c04d"),
    "c6": ("#0f6f8a", "#4fd1e0"),
    "c7": ("#b0307c", "#ff8fc8"),
    "c8": ("#4a5462", "#b6bec8"),
    "t1": ("#d5e7f8", "#1c3a55"),
    "t2": ("#fbdccc", "#54301c"),
    "t3": ("#cdeedd", "#17432f"),
    "t4": ("#e9dcf5", "#402a58"),
    "t5": ("#f3e7bf", "#473a10"),
    "t6": ("#cfecf3", "#143f4b"),
    "t7": ("#f9d9ea", "#521f3e"),
    "t8": ("#e2e5e9", "#343b45"),
}
SERIES = 8
MARKERS = "os^Dv<>P"
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)),
          (0, (1, 1)), (0, (3, 1, 1, 1)))
# Lines only: in SVG a dot of a hatch is a circle of curves, and there are
# hundreds in a tile.
HATCHES = ("", "//", "\\\\", "||", "--", "xx", "++", "////")

WIDTH = 720  # px, as drawn; a page scales it

SETTINGS = {
    "svg.fonttype": "none", "svg.hashsalt": "switchyard", "pdf.fonttype": 42,
    "font.size": 11, "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "axes.linewidth": 0.8, "axes.spines.top": False,
    "axes.spines.right": False, "axes.unicode_minus": False,
    "lines.linewidth": 1.6, "hatch.linewidth": 0.7, "legend.frameon": False,
    "legend.fontsize": 10, "path.simplify": True, "figure.dpi": 72,
}


def light(name):
    return PALETTE[name][0]


def series(i):
    """(colour, marker, line style) of the i-th line."""
    i %= SERIES
    return light(f"c{i + 1}"), MARKERS[i], STYLES[i]


# ---- numbers as words -------------------------------------------------------


def time_text(ns):
    """"850 ns", "12.3 us", "1.20 ms"."""
    if ns is None:
        return "-"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= 0.9995 * size:  # 999.6 ns is "1.00 us"
            return f"{digits(ns / size)} {unit}"
    return f"{digits(ns)} ns"


def digits(value):
    """Three significant digits, thousands apart."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}" if places < 7 else f"{value:.2e}"


def count_text(value):
    return f"{value:,}"


def rate_text(hz):
    return "-" if hz is None else f"{digits(hz)}/s"


def bytes_text(value):
    if value is None:
        return "-"
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size:
            return f"{digits(value / size)} {unit}"
    return f"{digits(value)} B"


def percent_text(ratio):
    return "-" if ratio is None else f"{100 * (ratio - 1):+.1f} %"


# ---- charts -----------------------------------------------------------------


class Chart:
    """name: unique, a word; draw(ax, tip): on axes; height: px; left: px that
    labels at the left take; header and rows: the data."""

    def __init__(self, name, title, caption, draw, height, header, rows,
                 left=70, right=18, bottom=50, top=14):
        self.name, self.title, self.caption = name, title, caption
        self.draw, self.height = draw, height
        self.header, self.rows = header, rows
        self.margins = left, right, bottom, top

    def csv(self):
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(self.rows)
        return out.getvalue()

    def figure(self):
        from matplotlib.figure import Figure
        figure = Figure(figsize=(WIDTH / 72, self.height / 72), dpi=72)
        left, right, bottom, top = self.margins
        ax = figure.add_axes((left / WIDTH, bottom / self.height,
                              (WIDTH - left - right) / WIDTH,
                              (self.height - bottom - top) / self.height))
        dress(ax)
        tips = Tips()
        self.draw(ax, tips.add)
        return figure, tips

    def render(self, kind):
        """(bytes, Tips) of the drawing, "svg" or "pdf"."""
        import matplotlib
        logging.getLogger("matplotlib").setLevel(logging.ERROR)
        with matplotlib.rc_context(SETTINGS):
            figure, tips = self.figure()
            if kind == "pdf":
                from matplotlib.backends.backend_pdf import FigureCanvasPdf
                canvas = FigureCanvasPdf(figure)
                metadata = {"CreationDate": None, "Title": self.title}
            else:
                from matplotlib.backends.backend_svg import FigureCanvasSVG
                canvas = FigureCanvasSVG(figure)
                metadata = {"Date": None}
            out = io.BytesIO()
            canvas.print_figure(out, format=kind, metadata=metadata,
                                facecolor="none")
            return out.getvalue(), tips

    @functools.cached_property
    def svg(self):
        """The SVG element of a page."""
        data, tips = self.render("svg")
        text = data.decode()
        text = tips.put_into(text[text.index("<svg "):])
        text = slim(as_variables(text), self.name)
        label = html.escape(f"{self.title}. {self.caption}")
        head = (f'<svg class="chart" id="{self.name}" role="img" '
                f'aria-label="{label}" viewBox="0 0 {WIDTH} {self.height}" '
                'xmlns="http://www.w3.org/2000/svg">')
        return head + text[text.index(">") + 1:]


# What matplotlib writes and a page does not need, or has shorter.
NEEDLESS = tuple((re.compile(pattern, re.S), short) for pattern, short in (
    (r"<metadata>.*?</metadata>", ""),
    (r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", ""),
    (r"<!--.*?-->", ""),
    (r">\s+<", "><"),
))
IN_TAGS = tuple((re.compile(pattern), short) for pattern, short in (
    (r"xlink:href", "href"),
    (r"font: ?(?:[0-9a-z]+ )?([0-9.]+px) [^;\"]*", r"font-size:\1"),
    (r' transform="rotate\(-?0 [^)]*\)"', ""),
    (r"stroke-linecap: square;? ?|stroke-linejoin: miter;? ?", ""),
    (r"(\.\d\d)\d+", r"\1"),
    (r"\.0+(?=[ \"])", ""),
    (r"; (?=[a-z-]+:)", ";"),
    (r"(?<=[a-z]): (?=[#a-z0-9])", ":"),
    (r";\"", '"'),
    (r"\s+", " "),
    (r"(?<=[0-9z]) +\"", '"'),
))


def slim_tag(found):
    tag = found[0]
    for pattern, short in IN_TAGS:
        tag = pattern.sub(short, tag)
    return tag


def slim(text, name):
    """An SVG of matplotlib's with ids that are the page's own."""
    for pattern, short in NEEDLESS:
        text = pattern.sub(short, text)
    text = re.sub(r"<[^>]+>", slim_tag, text)
    # Of groups nobody points to, the id says nothing.
    used = {}
    for found in re.finditer(r'(?:url\(#|href="#)([^")]+)', text):
        used.setdefault(found[1], f"{name}-{len(used)}")
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{used[m[1]]}"'
                  if m[1] in used else "", text)
    text = re.sub(r'(url\(#|href="#)([^")]+)', lambda m: m[1] + used[m[2]],
                  text)
    return re.sub(r"<g([^>]*)>((?:<use [^>]*/>|<use [^>]*>"
                  r"<title>[^<]*</title></use>)+)</g>", hoist_style, text)


def hoist_style(found):
    """Marks of one group look alike: the group says how."""
    styles = set(re.findall(r'<use [^>]*?( style="[^"]*")', found[2]))
    if len(styles) != 1 or " style=" in found[1]:
        return found[0]
    style = styles.pop()
    return f"<g{found[1]}{style}>{found[2].replace(style, '')}</g>"


def as_variables(text):
    """Colours become those of the page, which knows whether it is dark."""
    names = {pair[0]: name for name, pair in PALETTE.items()}
    return re.sub(r"#[0-9a-f]{6}\b",
                  lambda m: f"var(--{names[m[0]]})" if m[0] in names else m[0],
                  text)


class Tips:
    """Words that a page shows beside the pointer, for marks of a chart."""

    def __init__(self):
        self.words = {}

    def add(self, artist, words):
        """words: a text for the whole artist; or a list, one for each mark of
        a line or collection."""
        gid = f"tip{len(self.words)}"
        artist.set_gid(gid)
        self.words[gid] = words

    def put_into(self, text):
        parts, at = [], 0
        for found in re.finditer(r'<g id="(tip\d+)">', text):
            parts.append(text[at:found.start()])
            at = found.start()
            words = self.words[found[1]]
            if isinstance(words, str):
                parts.append(text[at:found.end()] + title(words))
                at = found.end()
                continue
            for one in words:
                start = text.index("<use ", at)
                end = text.index("/>", start)
                parts.append(text[at:end] + f">{title(one)}</use>")
                at = end + 2
        parts.append(text[at:])
        return "".join(parts)


def title(words):
    return f"<title>{html.escape(words)}</title>"


def dress(ax):
    """The axes of every chart."""
    ax.patch.set_visible(False)
    for spine in ax.spines.values():
        spine.set_color(light("muted"))
    ax.tick_params(colors=light("muted"), labelcolor=light("ink"), which="both")
    ax.xaxis.label.set_color(light("ink"))
    ax.yaxis.label.set_color(light("ink"))
    ax.set_axisbelow(True)


def grid(ax, axis="both"):
    ax.grid(True, axis=axis, color=light("grid"), linewidth=0.7)


def log_axis(axis, low, high, form):
    """A logarithmic axis whose ticks say numbers as form() does: at powers of
    ten, and at 2 and 5 times them where there would be few."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter
    decades = range(math.floor(math.log10(low)) - 1,
                    math.ceil(math.log10(high)) + 1)
    ratio = high / low
    steps = (1,) if ratio > 1000 else (1, 2, 5) if ratio > 8 else (
        (1, 1.5, 2, 3, 5, 7) if ratio > 3 else
        (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9))
    axis.set_major_locator(FixedLocator(
        [s * 10 ** d for d in decades for s in steps]))
    axis.set_minor_formatter(NullFormatter())
    axis.set_minor_locator(FixedLocator([]))
    axis.set_major_formatter(FuncFormatter(lambda v, _: form(v)))


def time_tick(ns):
    """As time_text(), of a round number."""
    number, unit = time_text(ns).split(" ")
    return (number.rstrip("0").rstrip(".") if "." in number else number) \
        + " " + unit if ns else "0"


def number_tick(value):
    return f"{value:,.10f}".rstrip("0").rstrip(".")


def legend(ax, entries, **more):
    handles = ax.legend(handles=entries, **more)
    for text in handles.get_texts():
        text.set_color(light("ink"))
    return handles


def label_margin(labels, most=300):
    """px that labels beside an axis take."""
    return min(most, 14 + max((6.6 * len(x) for x in labels), default=0))


def shorten(text, most=42):
    return text if len(text) <= most else text[:most - 1] + "…"
