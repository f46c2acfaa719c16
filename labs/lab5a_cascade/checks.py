"""The checks of lab 5a, listed openly: the same for the student and for the grader."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

import numpy as np

from bench.stats.quantiles import MIN_N_INTERVAL
from bench.store.records import MetricRow
from bench.timeline.critical_path import Path as CriticalPath
from bench.timeline.critical_path import critical_path
from bench.timeline.timeline import reconstruct
from labs.check import Check, Lab, Submission, SubmissionError, Verdict
from labs.judging import near, sentence
from labs.lab5a_cascade.measuring import ARCHITECTURE, paired_gain, turn_marks
from labs.lab5a_cascade.prosody_checks import prosody_features, prosody_spread, prosody_table
from pipelines.clock import NS_PER_MS

LEAST_TURNS = 5
BAR_MS = 0.2
"""Tolerance of a bar's end, ms."""
STAGES = ("endpointing_delay", "llm_to_clause", "tts_ttfa", "output")
SEEN_TURNS = 5
"""Number of turns on which the student's waterfall is tried."""
MARKS = "your run's marks"
PICTURE, PICTURE_MOST = (400, 200), 8000
"""Width and height of a picture, pixels: least and most."""
SATURATED, COLOURED_PERCENT = 0.2, 1.0
"""Spread of red, green and blue (of 0 to 1) that counts as a colour; least share of coloured
pixels."""


def _answered(submission: Submission) -> list[MetricRow]:
    """Voice to voice of base's turns, also where the ruler was late: no presets compete in this
    check.
    """
    rows = [r for r in submission.rows("base") if r.preset == "base" and not r.warmup]
    return [r for r in rows if r.metric == "voice_to_voice" and r.value is not None]


def answers_heard(submission: Submission) -> Verdict:
    """The student's own pipeline answers."""
    run = submission.run("base")
    made = run.info.get("presets", {}).get("base", {}).get("architecture")
    if made != ARCHITECTURE:
        return Verdict(False, f"results/base was not measured on your pipeline, but on {made!r}.")
    spoken = sum(t.turns for t in run.trials if t.preset == "base" and not t.warmup)
    heard = len(_answered(submission))
    text = f"{heard} of {spoken} turns were answered; needed: 80 % of at least 5."
    return Verdict(spoken >= LEAST_TURNS and heard >= 0.8 * spoken, text)


def metrics_on(submission: Submission) -> Verdict:
    """Pipecat's own metrics, read and summed."""
    run = submission.run("base")
    found: dict[str, list[float]] = {}
    for trial in run.trials:
        if trial.preset == "base" and not trial.warmup:
            for mark in run.marks(trial.trial_id):
                if (mark.stage, mark.event) == ("pipecat", "ttfb") and mark.value is not None:
                    service = (mark.text or "").partition("#")[0]
                    found.setdefault(service, []).append(1000 * mark.value)
    if len(found) < 3:
        return Verdict(False, f"results/base holds TTFB marks of {len(found)} services, not 3.")
    wanted = sum(map(median, found.values()))
    return near(submission, "pipecat.ttfb_sum_ms", wanted, 1.0, 0.02, MARKS)


def _paths(submission: Submission) -> list[tuple[list[dict[str, Any]], CriticalPath]]:
    """Marks of the turns that were answered, and their critical paths."""
    run = submission.run("base")
    found = []
    for trial in run.trials:
        if trial.preset != "base" or trial.warmup:
            continue
        timeline = reconstruct(trial, run.marks(trial.trial_id), run.recording(trial))
        for turn in timeline.turns:
            path = critical_path(turn, timeline.chunks, trial.rate_hz)
            if path.missing is None:
                found.append((turn_marks(timeline, turn).marks, path))
    if not found:
        raise SubmissionError("results/base holds no turn that was answered: see answers-heard.")
    return found


def _bars(path: CriticalPath) -> dict[str, tuple[float, float]]:
    """Begin and end of each bar, ms after u_off."""

    def ms(t_ns: int | None) -> float:
        return ((t_ns or 0) - path.u_off) / NS_PER_MS

    leading_ms = ms(path.a_on) - ms(path.heard)
    clause = path.to_tts if path.to_tts is not None else path.tts_request
    return {
        "endpointing delay": (0.0, ms(path.release)),
        "llm": (ms(path.llm_request), ms(clause)),
        "tts": (ms(path.tts_request), ms(path.first_byte) + leading_ms),
        "output": (ms(path.write), ms(path.heard)),
    }


def waterfall_bars(submission: Submission) -> Verdict:
    """The student's waterfall() against the marks' critical path, on their own run."""
    for marks, path in _paths(submission)[:SEEN_TURNS]:
        given = submission.call("waterfall.py", "waterfall", marks)
        wanted = _bars(path)
        if not isinstance(given, list) or [_first(bar) for bar in given] != list(wanted):
            return Verdict(False, f"waterfall() must give the bars {', '.join(wanted)}.")
        for bar in given:
            start, end = wanted[bar[0]]
            for what, said, right in (("begins", bar[1], start), ("ends", bar[2], end)):
                if not isinstance(said, int | float) or abs(said - right) > BAR_MS:
                    return Verdict(False, f"the bar {bar[0]!r} {what} somewhere else.")
    return Verdict(True, "every bar begins and ends where the marks say.")


def _first(bar: object) -> object:
    return bar[0] if isinstance(bar, list) and len(bar) == 3 else None


def waterfall_picture(submission: Submission) -> Verdict:
    """A picture with bars in it; a person judges their content."""
    from matplotlib.image import imread

    path = submission.path("waterfall.png")
    data = path.read_bytes()[:33]
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 33:
        return Verdict(False, "waterfall.png is not a PNG.")
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    told = f"waterfall.png is {width} x {height} pixels"
    if not (PICTURE[0] <= width <= PICTURE_MOST and PICTURE[1] <= height <= PICTURE_MOST):
        return Verdict(False, f"{told}; {PICTURE[0]} x {PICTURE[1]} is the least that can be read.")
    try:
        colours = np.asarray(imread(path), float)[..., :3]
    except Exception as error:  # any error of a decoder on a damaged file
        return Verdict(False, f"{told} and can't be decoded ({type(error).__name__}).")
    if colours.ndim != 3:
        return Verdict(False, f"{told}, without any colour: are its bars drawn?")
    coloured = np.ptp(colours, axis=2) > SATURATED
    share = 100 * float(coloured.mean())
    if share < COLOURED_PERCENT:
        return Verdict(False, f"{told}, but only {share:.1f} % of it is coloured: are bars drawn?")
    return Verdict(True, f"{told}, {share:.0f} % of it bars.")


def floor_rule(submission: Submission) -> Verdict:
    """predict_floor() on stages whose floor is known."""
    rng = np.random.default_rng(5)
    for count in (2, 4):
        fixed = {f"stage {i}": float(rng.integers(20, 400)) for i in range(count)}
        table = {name: [value] * 7 for name, value in fixed.items()}
        said = submission.call("floor.py", "predict_floor", table)
        if not isinstance(said, int | float) or abs(said - sum(fixed.values())) > 0.01:
            return Verdict(False, "predict_floor() is wrong for stages that never vary.")
    return Verdict(True, "predict_floor() is right for stages that never vary.")


def _medians(submission: Submission) -> dict[str, float]:
    rows = [r for r in submission.rows("base") if r.preset == "base" and not r.warmup]
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.metric in STAGES and row.value is not None:
            found.setdefault(row.metric, []).append(row.value)
    if set(found) != set(STAGES):
        raise SubmissionError("results/base holds no turn whose stages are all marked.")
    return {name: median(values) for name, values in found.items()}


def floor_predicted(submission: Submission) -> Verdict:
    """The prediction of the student's own run."""
    wanted = sum(_medians(submission).values())
    return near(submission, "floor.predicted_ms", wanted, 3.0, 0.03, MARKS)


def floor_heard(submission: Submission) -> Verdict:
    """The latency heard, from the recording; and the largest stage."""
    values = [r.value for r in _answered(submission) if r.value is not None]
    if not values:
        return Verdict(False, "results/base holds no answer.")
    found = near(submission, "floor.heard_ms", median(values), 2.0, 0.02, MARKS)
    if not found.passed:
        return found
    medians = _medians(submission)
    bars = dict(zip(STAGES, ("endpointing delay", "llm", "tts", "output"), strict=True))
    largest = bars[max(medians, key=lambda name: medians[name])]
    if submission.answer("floor.largest", str) != largest:
        return Verdict(False, "floor.largest is not the largest bar.")
    return found


def _options(submission: Submission) -> tuple[str, dict[str, tuple[Any, Any]]]:
    """The other preset of the pair, and the options in which it differs from base."""
    presets = submission.run("pair").info.get("presets", {})
    others = [name for name in presets if name != "base"]
    if "base" not in presets or len(others) != 1:
        raise SubmissionError("results/pair must hold two presets: base and your faster one.")
    base, other = _flat(presets["base"]), _flat(presets[others[0]])
    keys = [*base, *(key for key in other if key not in base)]
    return others[0], {
        key: (base.get(key), other.get(key)) for key in keys if base.get(key) != other.get(key)
    }


def _flat(preset: Mapping[str, Any]) -> dict[str, Any]:
    tables = {"audio": preset.get("audio", {}), **preset.get("stages", {})}
    return {f"{table}.{key}": value for table, of in tables.items() for key, value in of.items()}


def one_change(submission: Submission) -> Verdict:
    """One wait at a time."""
    _, changed = _options(submission)
    if len(changed) != 1:
        names = ", ".join(changed) or "nothing"
        return Verdict(False, f"between base and the other preset {names} differs, not one option.")
    said = submission.answer("wait.option", str)
    return Verdict(said in changed, f"wait.option says {said}; the presets differ in one option.")


def gain_proved(submission: Submission) -> Verdict:
    """The paired comparison's interval lies on one side of zero, and is reported rightly."""
    found = paired_gain(submission.run("pair"), submission.rows("pair"))
    if found.shift.n < MIN_N_INTERVAL:
        return Verdict(False, f"{found.shift.n} turns count on both sides; 20 are needed.")
    if found.direction != "better":
        return Verdict(False, "the comparison does not show that it is faster.")
    for key, value in (
        ("wait.gain_ms", found.shift.value),
        ("wait.low_ms", found.shift.low),
        ("wait.high_ms", found.shift.high),
    ):
        said = near(submission, key, value or 0.0, 1.0, 0.02, MARKS)
        if not said.passed:
            return said
    return Verdict(True, f"faster on {found.shift.n} turns, and the interval is reported rightly.")


CHECKS = (
    Check("answers-heard", "results/base: your pipeline answers 80 % of 5 turns", answers_heard),
    Check("metrics-on", "Pipecat's own TTFB of three services, summed", metrics_on),
    Check("waterfall-bars", "waterfall() finds each bar's begin and end", waterfall_bars),
    Check("waterfall-picture", "waterfall.png shows bars, 400 x 200 or more", waterfall_picture),
    Check("floor-rule", "predict_floor() is right where stages never vary", floor_rule),
    Check("floor-predicted", "the predicted floor is that of your run", floor_predicted),
    Check("floor-heard", "what was heard, and the largest bar", floor_heard),
    Check("one-change", "results/pair: base and one preset with one option changed", one_change),
    Check("gain-proved", "the paired comparison says faster, and is reported rightly", gain_proved),
    sentence("wait.price", 40),
    Check("prosody-features", "pitch, energy and rate of known voices", prosody_features),
    Check("prosody-table", "prosody.csv agrees with the audio before and after", prosody_table),
    Check("prosody-spread", "how far the voices are apart, before and after", prosody_spread),
    sentence("prosody.deleted", 80),
)

LAB = Lab(
    "5a",
    "The cascade and its floor",
    (
        "cascade.py",
        "waterfall.py",
        "floor.py",
        "prosody.py",
        "*.toml",
        "waterfall.png",
        "prosody.csv",
        "roundtrip",
        "results/base",
        "results/pair",
    ),
    CHECKS,
)
