#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A report in a browser: opened from disk, wide and narrow, light and dark.

usage: report_browser.py ANALYSIS-FOLDER [--keep DIR]

--keep writes screenshots to look at. Chromium is driven through a pipe (its
--remote-debugging-pipe: JSON messages that end with a zero byte). Exit 0 if
all is well, 1 otherwise, 77 without chromium or the analysis' packages.
"""

import argparse
import base64
import importlib.util
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import made_runs  # noqa: E402

PATIENCE_S = 60
WIDTHS = (1280, 390)

# What the page itself says of what it shows.
LOOK = """(() => {
  const charts = [...document.querySelectorAll('svg.chart')];
  const drawn = svg => svg.getBoundingClientRect().width > 200 &&
    svg.getBoundingClientRect().height > 40 &&
    svg.querySelectorAll('path, use').length > 5 &&
    svg.querySelectorAll('text').length > 2;
  const outside = [...document.querySelectorAll('svg.chart text')].filter(t => {
    const box = t.getBoundingClientRect();
    const svg = t.ownerSVGElement.getBoundingClientRect();
    return box.left < svg.left - 1 || box.right > svg.right + 1 ||
      box.top < svg.top - 1 || box.bottom > svg.bottom + 1;
  }).map(t => t.ownerSVGElement.id + ': ' + t.textContent);
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  const twice = ids.filter((id, i) => ids.indexOf(id) !== i);
  const broken = [...document.querySelectorAll('use')].filter(u =>
    !document.getElementById(u.getAttribute('href').slice(1))).length;
  return {
    charts: charts.length,
    empty: charts.filter(c => !drawn(c)).map(c => c.id),
    outside, twice, broken,
    tips: document.querySelectorAll('svg.chart title').length,
    width: document.documentElement.scrollWidth,
    inner: window.innerWidth,
    links: document.querySelectorAll('a[href]').length,
    dead: [...document.querySelectorAll('a[href^="#"]')].filter(a =>
      !document.getElementById(a.getAttribute('href').slice(1))).length,
    background: getComputedStyle(document.documentElement).backgroundColor,
  };
})()"""


class Browser:
    """One page of a headless Chromium, and what it complained about."""

    def __init__(self, program, folder):
        to_read, self.to = os.pipe()
        self.back, to_write = os.pipe()
        # The browser expects its ends as descriptors 3 and 4.
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash",
             program, "--headless=new", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-extensions",
             f"--user-data-dir={folder}/profile", "--remote-debugging-pipe",
             "about:blank"],
            pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=dict(os.environ, HOME=folder))
        os.close(to_read)
        os.close(to_write)
        self.buffer, self.number, self.session = b"", 0, None
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")
        self.session = self.call(
            "Target.attachToTarget", targetId=target["targetId"],
            flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def message(self):
        end = time.monotonic() + PATIENCE_S
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.back], [], [],
                                        max(0, end - time.monotonic()))
            data = os.read(self.back, 1 << 20) if ready else b""
            if not data:
                raise SystemExit("FAIL: the browser said nothing for "
                                 f"{PATIENCE_S} s, or went away")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise SystemExit(f"FAIL: {method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        while not any(e.get("method") == method for e in self.events):
            self.events.append(self.message())

    def show(self, path, width, scheme):
        self.call("Emulation.setDeviceMetricsOverride", width=width,
                  height=900, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme}])
        self.events = []
        self.call("Page.navigate", url=path.as_uri())
        self.wait_for("Page.loadEventFired")

    def ask(self, expression):
        return self.call("Runtime.evaluate", expression=expression,
                         returnByValue=True, awaitPromise=True)[
                             "result"].get("value")

    def press_tab(self):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Tab",
                      code="Tab", windowsVirtualKeyCode=9)

    def picture(self, path):
        data = self.call("Page.captureScreenshot", format="png",
                         captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self):
        self.process.kill()
        self.process.wait()


FAILURES = []


def expect(is_true, words):
    if not is_true:
        FAILURES.append(words)
        print(f"FAIL: {words}")


def check_events(browser, name):
    for event in browser.events:
        method, what = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            url = what["request"]["url"]
            expect(url.startswith(("file:", "data:")),
                   f"{name}: asked the network for {url[:80]}")
        if method == "Runtime.exceptionThrown":
            expect(False, f"{name}: exception {what}")
        if method == "Log.entryAdded":
            expect(False, f"{name}: console: {what['entry'].get('text')}")
        if method == "Runtime.consoleAPICalled":
            expect(False, f"{name}: console: {what}")
    requests = [e for e in browser.events
                if e.get("method") == "Network.requestWillBeSent"]
    expect(len(requests) >= 1, f"{name}: the page itself was not seen")


def check_keyboard(browser, name, links):
    """Tab reaches every link, and what has the focus is marked."""
    browser.ask("document.body.setAttribute('data-seen', '0');"
                "document.querySelectorAll('a[href]').forEach("
                "(a, i) => a.setAttribute('data-n', i)); window.got = [];"
                "document.addEventListener('focusin', e => window.got.push("
                "[e.target.getAttribute('data-n'), "
                "getComputedStyle(e.target).outlineStyle]))")
    most = browser.ask("document.querySelectorAll("
                       "'a[href], summary, [tabindex]').length")
    for _ in range(most + 2):
        browser.press_tab()
    got = browser.ask("window.got")
    reached = {n for n, _ in got if n is not None}
    expect(len(reached) == links, f"{name}: Tab reached {len(reached)} of "
           f"{links} links")
    expect(all(style != "none" for n, style in got if n is not None),
           f"{name}: a link that has the focus does not look so")


def check_page(browser, path, charts, keep):
    backgrounds = set()
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            name = f"{path.stem}, {width} px, {scheme}"
            browser.show(path, width, scheme)
            seen = browser.ask(LOOK)
            check_events(browser, name)
            expect(seen["charts"] == charts,
                   f"{name}: {seen['charts']} charts, not {charts}")
            expect(not seen["empty"], f"{name}: not drawn: {seen['empty']}")
            expect(not seen["outside"],
                   f"{name}: text outside of its chart: {seen['outside']}")
            expect(not seen["twice"], f"{name}: ids twice: {seen['twice']}")
            expect(not seen["broken"], f"{name}: {seen['broken']} marks have "
                   "no shape")
            expect(seen["tips"] > 20, f"{name}: {seen['tips']} marks have "
                   "words")
            expect(seen["width"] <= width, f"{name}: the page is "
                   f"{seen['width']} px wide")
            expect(not seen["dead"], f"{name}: {seen['dead']} links lead "
                   "nowhere")
            backgrounds.add((scheme, seen["background"]))
            if keep:
                browser.picture(pathlib.Path(keep) /
                                f"{path.stem}-{width}-{scheme}.png")
    expect(len(backgrounds) == 2, f"{path.stem}: backgrounds {backgrounds}")
    browser.show(path, WIDTHS[0], "light")
    check_keyboard(browser, path.stem, browser.ask(LOOK)["links"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("analysis")
    parser.add_argument("--keep")
    args = parser.parse_args()
    program = shutil.which("chromium")
    if program is None:
        print("SKIP: no chromium (Debian: chromium)")
        return 77
    for module in ("numpy", "scipy", "matplotlib", "jinja2"):
        if importlib.util.find_spec(module) is None:
            print(f"SKIP: no {module}")
            return 77
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        paths = []
        for count in (3, 60):
            made = made_runs.write_everything(
                pathlib.Path(folder) / f"runs-{count}", count)
            path = pathlib.Path(folder) / f"report-{count}.html"
            subprocess.run(["/usr/bin/python3", "-I", "-B", args.analysis,
                            "report", f"--out={path}", "--",
                            *map(str, made)], check=True)
            paths.append(path)
        browser = Browser(program, folder)
        try:
            for path in paths:
                check_page(browser, path, 10, args.keep)
        finally:
            browser.close()
    print(f"{len(FAILURES)} failures")
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
