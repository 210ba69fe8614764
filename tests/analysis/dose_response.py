#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Dose-response on simulated data, whose slopes are known, and what it says of
files that it cannot use.

usage: dose_response.py ANALYSIS-FOLDER [--only NAME] [--seed N]

One function per property. Exit 0 if all hold, 1 otherwise, 77 without numpy or
scipy.
"""

import contextlib
import hashlib
import io
import json
import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True
# First: it skips the test without numpy and scipy.
from properties import holds, main  # noqa: E402

import numpy as np  # noqa: E402

X = np.array([0.0, 200.0, 400.0])


def simulate(rng, truth, units=24, rounds=12, within=300.0, spikes=0.05):
    """ns[unit, round, level]: units that differ in speed, rounds that drift,
    batches that are disturbed, by a lot and in one direction."""
    truth = np.asarray(truth, dtype=float)
    shape = (units, rounds, len(truth))
    machine = rng.normal(0, 1000, (units, 1, 1))
    drift = np.cumsum(rng.normal(0, 100, (units, rounds, 1)), axis=1)
    layout = rng.normal(0, 60, (units, 1, len(truth)))
    noise = within * rng.standard_t(4, shape)
    hit = (rng.random(shape) < spikes) * rng.exponential(20000, shape)
    return 20000 + truth + machine + drift + layout + noise + hit


def located(d, ns):
    return d.estimate.locations(ns)


@holds
def a_slope_without_noise_is_exact(d, rng):
    y = 5000 + 3.25 * X + rng.normal(0, 1000, (6, 1))
    return np.allclose(d.slopes(X, y), 3.25, rtol=1e-9)


@holds
def the_slope_is_least_squares(d, rng):
    """By another way: numpy's polyfit, for each row; uneven doses."""
    x = np.array([0.0, 100.0, 250.0, 900.0])
    y = rng.normal(0, 1, (20, 4))
    wanted = [np.polyfit(x, row, 1)[0] for row in y]
    return np.allclose(d.slopes(x, y), wanted)


@holds
def what_is_missing_is_left_out(d, rng):
    """A row without its highest dose gives the slope of the rest; a row with
    one dose gives none."""
    y = 1000 + 2.0 * X + np.zeros((5, 1))
    y[0, 2] = np.nan
    y[1, 1:] = np.nan
    found = d.slopes(X, y)
    return (np.allclose(found[[0, 2, 3, 4]], 2.0) and np.isnan(found[1])
            and d.interval(found, 1)[0] == 2.0)


@holds
def intervals_hold_the_true_slopes_at_once(d, rng):
    """95 % of three slopes together, over machines with disturbances."""
    truth = (4.0, 0.9, 0.0)
    inside, tries = 0, 300
    for _ in range(tries):
        good = True
        for slope in truth:
            y = located(d, simulate(rng, slope * X, 16))
            _, low, high = d.interval(d.slopes(X, y), len(truth))
            good &= low <= slope <= high
        inside += good
    print(f"  {inside} of {tries} hold all three")
    return inside >= 0.93 * tries


@holds
def simultaneous_is_wider_than_single(d, rng):
    values = rng.normal(0, 1, 12)
    one, three = d.interval(values, 1), d.interval(values, 3)
    width = d.critical(11, 1) - d.estimate.student_quantile(0.975, 11)
    return abs(width) < 1e-12 and three[2] - three[1] > one[2] - one[1]


@holds
def disturbed_batches_move_the_slope_little(d, rng):
    """One dose has a tenth of its batches disturbed, by the tenfold."""
    ns = simulate(rng, 4.0 * X, 40, spikes=0)
    ns[:, :, 2] += 200000 * (rng.random(ns[:, :, 2].shape) < 0.1)
    mean, low, high = d.interval(d.slopes(X, located(d, ns)), 1)
    print(f"  slope {mean:.2f} ({low:.2f} .. {high:.2f}) for 4")
    return low <= 4.3 and high >= 3.7 and abs(mean - 4) < 0.4


@holds
def a_line_is_seldom_called_bent(d, rng):
    alarms, tries = 0, 300
    for _ in range(tries):
        y = located(d, simulate(rng, 4.0 * X, 16))
        alarms += d.bend(X, y, 1)["is_bent"]
    print(f"  {alarms} of {tries} lines called bent")
    return alarms <= 0.08 * tries


@holds
def a_bend_is_found_and_its_side(d, rng):
    """Slack that is used up half-way (below the line), and a cost that comes
    with the first step (above)."""
    below = above = 0
    for _ in range(30):
        y = located(d, simulate(rng, [0, 0, 800], 40))
        found = d.response(X, y, 1)
        below += (found["bend"]["is_bent"] and found["bend"]["off_ns"] < 0
                  and not found["bound_is_first_step"])
        y = located(d, simulate(rng, [0, 1200, 1600], 40))
        found = d.response(X, y, 1)
        above += (found["bend"]["is_bent"] and found["bend"]["off_ns"] > 0
                  and found["bound_is_first_step"]
                  and found["bound"][0] > found["slope"][0])
    print(f"  below in {below}, above in {above} of 30")
    return below >= 28 and above >= 28


@holds
def the_ceiling_holds_for_convex_responses(d, rng):
    """Time is the longest of two chains; what removing a part really saves is
    no more than the ceiling says."""
    wrong = 0
    tries = 100
    for _ in range(tries):
        cost, each = 150.0, 4.0
        slack = rng.uniform(0, 3000)
        chain = lambda extra: np.maximum(
            20000, 20000 - slack + each * (cost + extra))
        truth = chain(X)
        saved = chain(0.0) - chain(-cost)
        y = located(d, simulate(rng, truth - truth[0], 40, spikes=0))
        answer = d.response(X, y, 1)
        _, _, high = d.ceiling(answer, each, cost, float(truth[0]))
        wrong += saved / truth[0] > high + 1e-9
    print(f"  exceeded in {wrong} of {tries}")
    return wrong <= 0.05 * tries


@holds
def a_ceiling_is_no_more_than_the_part_costs(d, rng):
    answer = {"bound": (6.0, -1.0, 9.0)}
    return (np.allclose(d.ceiling(answer, 4.0, 100.0, 1000.0),
                        (0.4, 0.0, 0.4))
            and np.allclose(d.ceiling(answer, 4.0, 400.0, 1000.0),
                            (1.0, 0.0, 1.0))
            and d.ceiling(None, 4.0, 100.0, 1000.0) is None
            and d.ceiling(answer, 4.0, None, 1000.0) is None)


@holds
def too_few_units_give_nothing(d, rng):
    y = np.zeros((3, 3)) + X
    return d.response(X, y, 1) is None and d.interval(np.ones(3), 1) is None


# ---- files -------------------------------------------------------------------


def write(folder, lines):
    meta = {"type": "meta", "schema": "switchyard-run/1", "run_id": "one",
            "machine": {"fingerprint": "f" * 16}, "build": {},
            "argv": ["switchyard", "dose"]}
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n"
                   for line in [meta, *lines])
    text += ('{"type":"end","records":%d,"interrupted":false,"sha256":"'
             % len(lines))
    text += hashlib.sha256(text.encode()).hexdigest() + '"}\n'
    path = pathlib.Path(folder, "shard.jsonl")
    path.write_text(text)
    return str(path)


def program_lines(rng, blocks=8, slope=4.0, lose=()):
    doses = [("as it is", False, 0), ("no dose", True, 0),
             ("switch +200ns", True, 200), ("switch +400ns", True, 400)]
    lines = [{"type": "program_doses", "program": ["server", "-x"],
              "blocks": blocks, "timeout_ns": 1, "seed": 1,
              "doses": [{"label": label, "is_dosed": is_dosed,
                         "switch_ns": ns, "wake_ns": 0, "real_ps": None}
                        for label, is_dosed, ns in doses]}]
    for block in range(blocks):
        for i, (_, is_dosed, ns) in enumerate(doses):
            lost = (block, i) in lose
            each = 20000 + slope * ns + rng.normal(0, 20)
            lines.append({
                "type": "program_run", "block": block, "position": i,
                "dose": i, "status": "timeout" if lost else "ok",
                "reason": "it did not end" if lost else None,
                "elapsed_ns": int(each * 1000), "cpu_ns": int(each * 900),
                "jobs": 0 if lost else 1000, "pauses": 1000,
                "switches": 4000 if is_dosed and not lost else 0,
                "wakes": 1000, "switch_ps": 30000 if is_dosed else None})
    return lines


def run(d, path, *options):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = d.main([*options, path])
    return code, out.getvalue(), err.getvalue()


@holds
def runs_of_a_program_give_its_slope(d, rng):
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, program_lines(rng))
        code, out, _ = run(d, path, "--json")
        factor, = json.loads(out)["factors"]
        mean, low, high = factor["time"]["slope"]
        print(f"  slope {mean:.3f} ({low:.3f} .. {high:.3f}) for 4")
        ceiling = factor["time_ceiling"][0]
        return (code == 0 and low <= 4 <= high
                and factor["applications_per_operation"] == 4.0
                and abs(ceiling - 4 * 30 / 20000) < 2e-4)


@holds
def lost_runs_are_named_and_the_rest_is_used(d, rng):
    lose = {(b, 3) for b in range(3)}
    with tempfile.TemporaryDirectory() as folder:
        code, out, err = run(d, write(folder, program_lines(rng, lose=lose)))
        return (code == 0 and "switch +400ns: 3 of 8 runs are missing (it did "
                "not end)" in out and "the slope is that of the rest" in out
                and "8 blocks, 32 runs" in out)


@holds
def files_that_say_nothing_are_refused(d, rng):
    def changed(key, value):
        lines = program_lines(rng)
        lines[5] = dict(lines[5], **{key: value})
        return lines

    all_lost = {(b, i) for b in range(8) for i in (2, 3)}
    no_jobs = [dict(line, jobs=0) if line["type"] == "program_run" else line
               for line in program_lines(rng)]
    cases = [
        (program_lines(rng)[:1], 4, "started no OpenSSL job"),
        (no_jobs, 4, "started no OpenSSL job in any run"),
        (program_lines(rng, lose=all_lost), 4, "survived no dose"),
        (program_lines(rng, blocks=3), 4, "are too few"),
        (program_lines(rng)[1:], 2, "a run in front of the doses"),
        (changed("dose", 9), 2, "there is no dose 9"),
        (changed("block", 8), 2, "there is no block 8"),
        (changed("elapsed_ns", "1"), 2, "has no number 'elapsed_ns'"),
        (changed("jobs", -1), 2, "has no number 'jobs'"),
    ]
    good = True
    for lines, code, words in cases:
        with tempfile.TemporaryDirectory() as folder:
            found, _, err = run(d, write(folder, lines))
        if found != code or words not in err:
            print(f"  wanted {code} '{words}', got {found} '{err.strip()}'")
            good = False
    return good


if __name__ == "__main__":
    sys.exit(main("dose"))
