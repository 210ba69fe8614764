# SPDX-License-Identifier: Apache-2.0
"""The page of a report: one HTML file that needs nothing else.

No script, no request: styles, charts and downloads are in it.
"""

import base64
import gzip
import re
import urllib.parse

from . import report_charts as charts

# Text on paper must have a contrast of 4.5:1, in each colour that is used for
# text; tests/analysis/report_page.py computes it from these.
TEXT_COLOURS = {
    "ink": charts.PALETTE["ink"], "muted": charts.PALETTE["muted"],
    "link": ("#0b57a4", "#7fbfff"), "good": ("#0a6b45", "#57dfa4"),
    "beware": ("#805300", "#f0c050"), "bad": ("#b3261e", "#ff9a90"),
}
CARD = ("#f4f6f8", "#1d232a")

TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{{ title }}</title>
<style>
{{ style }}
</style>
</head>
<body>
<header>
<h1>{{ title }}</h1>
<p class="muted">{{ subtitle }}</p>
<nav aria-label="Sections"><ul>
{% for s in sections %}<li><a href="#{{ s.name }}">{{ s.title }}</a></li>
{% endfor %}<li><a href="#downloads">Downloads</a></li>
</ul></nav>
</header>
<main>
{% for s in sections %}
<section id="{{ s.name }}"{% if loop.first %} class="card"{% endif %}>
<h2>{{ s.title }}</h2>
{% for kind, text in s.paragraphs %}
{% if kind == "say" %}<p>{{ text }}</p>
{% else %}<p class="{{ kind }}"><b>{{ WORDS[kind] }}</b> {{ text }}</p>
{% endif %}
{% endfor %}
{% for text in s.commands %}
<pre tabindex="0"><code>{{ text }}</code></pre>
{% endfor %}
{% if s.is_empty %}
<p class="muted">No data. This command would measure it:
<code>{{ s.missing }}</code></p>
{% endif %}
{% for c in s.charts %}
<figure>
<figcaption><b>{{ c.title }}.</b> {{ c.caption }}</figcaption>
<div class="scroll" tabindex="0" role="group" aria-label="{{ c.title }}">
{{ svg(c) }}
</div>
<p class="data"><a download="{{ c.name }}.csv" href="{{ link(c) }}">data of \
this chart (CSV)</a></p>
</figure>
{% endfor %}
{% for t in s.tables %}
{% if t.rows | length > ROWS_OPEN %}<details><summary>{{ t.title }} \
({{ t.rows | length }} rows)</summary>{% endif %}
{% if t.rows | length <= ROWS_OPEN %}<h3>{{ t.title }}</h3>{% endif %}
<div class="scroll" tabindex="0" role="group" aria-label="{{ t.title }}">
<table>
<thead><tr>
{% for c in t.columns %}<th scope="col"{% if not c.is_text %} class="n"\
{% endif %}>{{ c.title }}{% if c.better %}<small>{{ c.better }} is better\
</small>{% endif %}</th>{% endfor %}
</tr></thead>
<tbody>
{% for row in t.rows[:ROWS_MAX] %}<tr>{% for c, v in zip(t.columns, row) %}\
{% set text = c.text(v) %}\
{% if loop.first %}<th scope="row">{% elif not c.is_text %}<td>{% else %}\
<td class="{{ text if text in STATES else "w" }}">{% endif %}{{ text | units }}\
{% endfor %}

{% endfor %}
</tbody></table></div>
{% if t.rows | length > ROWS_MAX %}<p class="muted">These are the first \
{{ ROWS_MAX }} rows; report.csv below has all.</p>{% endif %}
{% if t.note %}<p class="muted">{{ t.note }}</p>{% endif %}
{% if t.rows | length > ROWS_OPEN %}</details>{% endif %}
{% endfor %}
</section>
{% endfor %}
<section id="downloads">
<h2>Downloads</h2>
<ul>
{% for d in downloads %}
<li><a download="{{ d.name }}" href="{{ d.link }}">{{ d.name }}</a>: \
{{ d.what }}</li>
{% endfor %}
</ul>
{% for text in notes %}<p>{{ text }}</p>{% endfor %}
</section>
</main>
</body>
</html>
"""

WORDS = {"good": "✓", "beware": "⚠ Beware:", "bad": "✗ Bad:"}
# A table with more rows is folded.
ROWS_OPEN = 20

STATES = ("good", "beware", "bad")

LAYOUT = """
* { box-sizing: border-box }
html { font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif;
  background: var(--paper); color: var(--ink) }
body { margin: 0 auto; padding: 1rem; max-width: 60rem;
  overflow-wrap: break-word }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0.5rem 0 }
h2 { font-size: 1.25rem; margin: 2.2rem 0 0.6rem;
  border-bottom: 1px solid var(--grid) }
a { color: var(--link) }
a:focus-visible, summary:focus-visible, .scroll:focus-visible {
  outline: 3px solid var(--link); outline-offset: 2px }
nav ul { display: flex; flex-wrap: wrap; gap: 0.2rem 1rem; padding: 0;
  margin: 0.5rem 0; list-style: none; font-size: 0.9rem }
.card { background: var(--card); border: 1px solid var(--grid);
  border-radius: 8px; padding: 0.2rem 1rem 0.6rem; margin-top: 1rem }
.card h2 { margin-top: 0.6rem; border: 0 }
.muted, .data, small { color: var(--muted) }
.data { font-size: 0.85rem; margin: 0.2rem 0 }
p.good b, td.good { color: var(--good) }
p.beware b, td.beware { color: var(--beware) }
p.bad b, td.bad { color: var(--bad); font-weight: 700 }
figure { margin: 1rem 0 1.6rem }
figcaption { margin-bottom: 0.4rem; font-size: 0.95rem }
.scroll { overflow-x: auto; max-width: 100% }
svg.chart { display: block; width: 100%; min-width: 560px; max-width: 860px;
  height: auto; font-family: system-ui, "DejaVu Sans", sans-serif;
  color: var(--ink) }
svg.chart text { fill: var(--ink) }
table { border-collapse: collapse; font-size: 0.88rem; margin: 0.2rem 0 0.6rem }
h3 { font-size: 0.95rem; margin: 1rem 0 0.2rem }
th { text-align: left }
th, td { padding: 0.2rem 0.7rem 0.2rem 0;
  vertical-align: top; border-bottom: 1px solid var(--grid) }
thead th { vertical-align: bottom; border-bottom: 2px solid var(--muted) }
th[scope=row] { font-weight: 400 }
td, th.n { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap }
thead th.n { white-space: normal }
td.w, td.good, td.beware, td.bad { text-align: left; white-space: normal;
  min-width: 6.5rem }
small { display: block; font-weight: 400; font-size: 0.78rem }
details { margin: 0.8rem 0 }
summary { cursor: pointer; font-weight: 600 }
pre { white-space: pre-wrap; margin: 0.3rem 0; padding: 0.4rem 0.6rem;
  background: var(--card) }
code { overflow-wrap: anywhere }
#method td { overflow-wrap: anywhere; min-width: 6rem }
th[scope=row] { min-width: 7.5rem }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt }
  nav, .data, #downloads { display: none }
  figure, tr { break-inside: avoid }
  h2, h3 { break-after: avoid }
  .scroll { overflow: visible }
  svg.chart { min-width: 0 }
}
"""


def variables(which):
    """CSS variables of the light (0) or the dark (1) page."""
    values = {name: pair[which] for name, pair in charts.PALETTE.items()}
    values.update((name, pair[which]) for name, pair in TEXT_COLOURS.items())
    values["card"] = CARD[which]
    return " ".join(f"--{name}: {value};" for name, value in values.items())


def style():
    """Paper is white, whatever the screen was."""
    return (f":root {{ {variables(0)} }}\n"
            "@media screen and (prefers-color-scheme: dark) { :root { "
            f"{variables(1)} }} }}" + LAYOUT)


def data_link(text, kind):
    """A link that holds a file: quoted or in base64, whichever is shorter."""
    quoted = "," + urllib.parse.quote(text, safe="!$&'()*+,-./:;=?@_~[] ")
    quoted = quoted.replace(" ", "%20")
    packed = ";base64," + base64.b64encode(text.encode()).decode()
    return f"data:{kind};charset=utf-8" + min(quoted, packed, key=len)


# Before a unit, lines are not broken.
UNITS = re.compile(r"(?<=\d) (?=(?:ns|µs|ms|s|B|KiB|MiB|GiB|%)\b)")

# A file that is longer is packed.
PLAIN_BYTES_MAX = 40_000


class Download:
    def __init__(self, name, kind, text, what):
        self.name, self.what = name, what
        if len(text) <= PLAIN_BYTES_MAX:
            self.link = data_link(text, kind)
            return
        self.name += ".gz"
        self.link = "data:application/gzip;base64," + base64.b64encode(
            gzip.compress(text.encode(), 9, mtime=0)).decode()


def page(title, subtitle, sections, downloads, notes, rows_max):
    """The text of the file. Of a table, rows after rows_max are in report.csv
    only."""
    import jinja2
    from markupsafe import Markup
    environment = jinja2.Environment(autoescape=True, trim_blocks=True,
                                     undefined=jinja2.StrictUndefined)
    environment.filters["units"] = lambda text: UNITS.sub("\u00a0", text)
    environment.globals.update(
        zip=zip, WORDS=WORDS, ROWS_OPEN=ROWS_OPEN,
        ROWS_MAX=rows_max, STATES=STATES,
        svg=lambda chart: Markup(chart.svg),
        link=lambda chart: data_link(chart.csv(), "text/csv"))
    return environment.from_string(TEMPLATE).render(
        title=title, subtitle=subtitle, sections=sections,
        downloads=downloads, notes=notes, style=Markup(style()))
