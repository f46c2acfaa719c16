"""The frames of a duplex model, against 80 ms for each (3, 9 to 12; 20: its warm start).

Trials without duplex marks give no row, but for the deadlines of an agent elsewhere that speaks
without end. All of them leave a session's first 25 frames out
(`DISCARDED`), but for the counts of what must never happen. Those of the group ``frames`` need the
user's audio in time; those of the group ``machine`` do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from bench.metrics.metric import Effect, Figure, Headline, Metric, Over, TrialMeasure, Unit
from bench.metrics.reading import TrialReading
from bench.metrics.validity import GroupName
from bench.stats.dip import rejects_one_mode
from bench.stats.trend import MIN_SPAN_S, Slope, theil_sen
from bench.timeline.frame_times import (
    STAGES,
    OfSession,
    added_in_ms,
    added_ms,
    added_out_ms,
    backlog_ms,
    frame_latency_ms,
    inter_frame_ms,
    playout,
    service_ms,
    stage_ms,
)
from bench.timeline.frames import DISCARDED, FRAME_MS, Floats, Frames
from bench.timeline.frames_heard import hidden_lag_ms, stream_misses
from pipelines.clock import NS_PER_MS

RAMP_MS_PER_S = 1.0
"""A drift beyond this, with its whole interval, is a ramp."""
MIN_SPREAD_MS = 1.0
"""Least distance of two modes, p95 − p5 of the sample; nearer ones are a timer's."""
MIN_N_P99 = 100
"""Least number of frames for a p99; below, it would be the largest value under another name."""
PREROLLS_MS = (0, 40, 80, 160, 300)
"""Pre-rolls whose misses are counted, ms."""
NAMED_PREROLL_MS = 80
"""The pre-roll that a run's table shows beside 0, ms."""
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

KEPT_UP = "no frame's input was there before the model was ready: it kept up"
TOO_FEW = f"no frame after the first {DISCARDED} has the marks for it"


def joined(found: Sequence[Frames], of: OfSession) -> Floats:
    """The values of all sessions, one after the other."""
    return np.concatenate([of(frames) for frames in found]) if found else np.empty(0)


def _quantile(values: Floats, p: float) -> Figure:
    if len(values) == 0:
        return Figure(None, TOO_FEW)
    if p == 0.99 and len(values) < MIN_N_P99:
        return Figure(None, f"p99 needs {MIN_N_P99} frames, there are {len(values)}")
    return Figure(float(np.quantile(values, p, method="inverted_cdf")))


def quantile_of(of: OfSession, p: float, subject: str | None = None) -> TrialMeasure:
    """Makes the measure of a quantile over the frames that count; ``p`` = 1 for the largest."""

    def measure(reading: TrialReading) -> list[Figure]:
        if not reading.paced:
            return []
        return [replace(_quantile(joined(reading.paced, of), p), subject=subject)]

    return measure


def several(*measures: TrialMeasure) -> TrialMeasure:
    """Makes one measure of several, whose figures differ in their subject."""
    return lambda reading: [figure for measure in measures for figure in measure(reading)]


def service(value: Callable[[Floats], Figure]) -> TrialMeasure:
    """Makes a measure of the service time.

    Of the frames in the conversation whose input had been waiting, and with the subject
    ``unpaced`` of the sessions that were fed all at once: these are in the trial before which the
    model was started, which as a rule is the warm-up.
    """

    def measure(reading: TrialReading) -> list[Figure]:
        by_subject = {
            None: reading.paced,
            "unpaced": [frames for frames in reading.sessions if frames.is_unpaced],
        }
        return [
            replace(_of_service(found, value), subject=subject)
            for subject, found in by_subject.items()
            if found
        ]

    return measure


def _of_service(found: Sequence[Frames], value: Callable[[Floats], Figure]) -> Figure:
    values = joined(found, service_ms)
    if len(values):
        return value(values)
    is_done = any(frames.counted(frames.at_ms["done"]).size for frames in found)
    return Figure(None, KEPT_UP if is_done else TOO_FEW)


def service_quantile(p: float) -> TrialMeasure:
    """Makes the measure of a quantile of the service time."""
    return service(lambda values: _quantile(values, p))


def _bimodal(values: Floats) -> Figure:
    spread = float(np.quantile(values, 0.95) - np.quantile(values, 0.05))
    rejects = rejects_one_mode(values)
    if rejects is None:
        return Figure(None, f"too few frames ({len(values)}) for the dip test")
    if rejects and spread < MIN_SPREAD_MS:
        return Figure(0.0, f"the modes lie within {spread:.2f} ms")
    return Figure(float(rejects))


service_mean = service(lambda values: Figure(float(values.mean())))
rtf = service(lambda values: Figure(float(values.mean()) / FRAME_MS))
bimodal = service(_bimodal)


def _headroom(values: Floats) -> Figure:
    p99 = _quantile(values, 0.99)
    return Figure(None if p99.value is None else FRAME_MS - p99.value, p99.reason)


headroom = service(_headroom)


def hidden_lag(p: float) -> TrialMeasure:
    """Makes the measure of a quantile of the hidden lag."""

    def measure(reading: TrialReading) -> list[Figure]:
        if not reading.paced:
            return []
        lag = hidden_lag_ms(reading.timeline, reading.paced)
        return [Figure(None, lag) if isinstance(lag, str) else _quantile(lag[DISCARDED:], p)]

    return measure


def misses(reading: TrialReading) -> list[Figure]:
    """Shares of frames that missed their deadline, and that a pre-roll of B ms would not save."""
    return [_missed(reading.paced, ms) for ms in PREROLLS_MS if reading.paced]


def _missed(found: Sequence[Frames], preroll_ms: float) -> Figure:
    played = [playout(frames, preroll_ms) for frames in found]
    missed, n = (sum(column) for column in zip(*played, strict=True))
    subject = f"B={preroll_ms} ms"
    return Figure(100 * missed / n, None, subject) if n else Figure(None, TOO_FEW, subject)


def deadline_miss(reading: TrialReading) -> list[Figure]:
    """Share of frames emitted > 80 ms after the deadline before, %: as without a pre-roll.

    Of an agent elsewhere, whose frames are not marked, by when its endless audio arrived.
    """
    if reading.paced:
        return [replace(_missed(reading.paced, 0), subject=None)]
    heard = stream_misses(reading.timeline) if reading.trial.kind == "remote" else None
    if heard is None:
        return []
    return [Figure(100 * heard.missed / heard.frames, "by the arrival of its audio")]


def drift(of: Callable[[Slope], float]) -> TrialMeasure:
    """Makes a measure of the drift of the trial's longest session."""

    def measure(reading: TrialReading) -> list[Figure]:
        if not reading.paced:
            return []
        slope = drift_ms_per_s(max(reading.paced, key=len))
        if isinstance(slope, str):
            return [Figure(None, slope)]
        return [Figure(of(slope), f"95 % interval {slope.low:.2f} to {slope.high:.2f} ms/s")]

    return measure


def counted(of: Callable[[Frames], int]) -> TrialMeasure:
    """Makes the measure of how many of something there are, in all frames of a conversation."""

    def measure(reading: TrialReading) -> list[Figure]:
        return [Figure(float(sum(map(of, reading.paced))))] if reading.paced else []

    return measure


def warm_start(reading: TrialReading) -> list[Figure]:
    """Measures conversation opened → the model's thread ready for its first frame, by model.

    A conversation waits for a model that is still loading: that is its cold start, and not this.
    """
    opened = {mark.request_id: mark for mark in reversed(reading.timeline.all("duplex", "session"))}
    found = []
    for frames in reading.paced:
        mark, ready = opened.get(frames.session), frames.at_ms["ready"]
        if mark is not None and np.isfinite(ready[0]):
            since_ms = (mark.t_ns - reading.trial.t0_ns) / NS_PER_MS
            found.append(Figure(float(ready[0]) - since_ms, subject=mark.text))
    return found


def drift_ms_per_s(frames: Frames) -> Slope | str:
    """How fast the backlog grows; or why it is not known."""
    at_ms, backlog = backlog_ms(frames)
    span_s = (at_ms[-1] - at_ms[0]) / 1e3 if len(at_ms) else 0.0
    if span_s < MIN_SPAN_S:
        return f"it needs {MIN_SPAN_S:.0f} s, there are {span_s:.0f} s"
    return theil_sen(at_ms / 1e3, backlog) or "too few frames"


def _cost(place: int, head: str, spec: str = ".1f") -> Headline:
    """Column in the table of what a frame costs."""
    return Headline("frames", place, {None: head}, spec)


def _talk(place: int, head: str, spec: str = ".1f", over: Over = "median") -> Headline:
    """Column in the table of what becomes of frames in a conversation."""
    return Headline("conversation", place, {None: head}, spec, over)


_MEDIAN = {"p50": Effect("ratio", 0.05)}
_SERVICE = {"p50": _cost(1, "service p50"), "p99": _cost(2, "service p99")}
_LATENCY = {"p50": _talk(1, "frame latency p50"), "p99": _talk(2, "p99")}
_ADDED = {"p50": _talk(3, "added p50"), "p99": _talk(4, "p99")}
_STAGES = {"p50": Headline("frames", 5, {stage: stage for stage in STAGES}, ".1f")}
_MISSES: dict[str | None, str] = {
    "B=0 ms": "miss %",
    f"B={NAMED_PREROLL_MS} ms": f"B={NAMED_PREROLL_MS} miss %",
}


def _of(
    group: GroupName,
    number: int,
    name: str,
    description: str,
    on_trial: TrialMeasure,
    unit: Unit = "ms",
    compared: Effect | None = None,
    headline: Headline | None = None,
) -> Metric:
    return Metric(
        number, name, unit, group, description, on_trial, compared=compared, headline=headline
    )


_frames, _machine = partial(_of, "frames"), partial(_of, "machine")


def _per_frame_rows() -> Iterator[Metric]:
    """The quantiles of each frame's values."""
    yield from (
        _frames(
            3,
            f"hidden_lag_{suffix}",
            "output frame j heard − (t0 + j · 80 ms), j by order of emission: where its first "
            f"sample lies in the agent's stream, against the user's; {suffix}",
            hidden_lag(p),
            compared=compared,
        )
        for suffix, p, compared in (("p50", 0.5, Effect("difference", 30)), ("max", 1.0, None))
    )
    for suffix, p in (*QUANTILES.items(), ("max", 1.0)):
        text = f"frame emitted − the one before emitted, without a jitter buffer; {suffix}"
        yield _frames(9, f"inter_frame_{suffix}", text, quantile_of(inter_frame_ms, p))
    for suffix, p in QUANTILES.items():
        text = (
            "frame done − the one before done, of frames that were there before the model was "
            f"ready (handed ≤ ready), and of unpaced sessions; {suffix}"
        )
        yield _machine(
            10,
            f"service_{suffix}",
            text,
            service_quantile(p),
            compared=_MEDIAN.get(suffix),
            headline=_SERVICE.get(suffix),
        )
    yield _machine(10, "service_mean", "its mean", service_mean)
    for suffix, p in QUANTILES.items():
        text = f"frame's last input sample there (frame_in) → its output emitted; {suffix}"
        yield _frames(
            10,
            f"frame_latency_{suffix}",
            text,
            quantile_of(frame_latency_ms, p),
            compared=_MEDIAN.get(suffix),
            headline=_LATENCY.get(suffix),
        )
    for suffix in ("p50", "p99"):
        p = QUANTILES[suffix]
        yield _machine(
            10,
            f"stage_{suffix}",
            f"a stage's own time: encode, step, decode; {suffix}",
            several(*(quantile_of(stage_ms(stage), p, stage) for stage in STAGES)),
            headline=_STAGES.get(suffix),
        )
        yield _machine(
            10,
            f"added_{suffix}",
            "(start − max(handed, ready)) + (emitted − done) of each frame; its parts in and out "
            f"as subjects; {suffix}",
            several(
                quantile_of(added_ms, p),
                quantile_of(added_in_ms, p, "in"),
                quantile_of(added_out_ms, p, "out"),
            ),
            headline=_ADDED[suffix],
        )


ROWS = (
    *_per_frame_rows(),
    _frames(
        10,
        "deadline_miss",
        "frames emitted > 80 ms after the deadline before; deadlines start at the first emission, "
        "and again at each miss",
        deadline_miss,
        "%",
        compared=Effect("difference", 1),
    ),
    _frames(
        10,
        "playout_miss",
        "frames that came after all before them had been played, with a pre-roll of B at the "
        "start and after each such miss",
        misses,
        "%",
        headline=Headline("conversation", 5, _MISSES, ".1f"),
    ),
    _machine(11, "rtf", "mean service / 80 ms", rtf, "", headline=_cost(3, "rtf", ".3f")),
    _machine(11, "headroom", "80 ms − p99 of service", headroom, headline=_cost(4, "headroom")),
    _frames(
        12,
        "backlog_p50",
        "audio offered − consumed each time that the model begins with a frame: start − frame_in; "
        "median",
        quantile_of(lambda frames: backlog_ms(frames)[1], 0.5),
    ),
    _frames(
        12,
        "backlog_max",
        "the same, largest",
        quantile_of(lambda frames: backlog_ms(frames)[1], 1.0),
        headline=_talk(6, "backlog max", ".0f", "largest"),
    ),
    _frames(
        12,
        "drift",
        "Theil–Sen slope of the backlog over ≥ 120 s, per second of the wall clock",
        drift(lambda slope: slope.value),
        "ms/s",
        headline=_talk(7, "drift ms/s"),
    ),
    _frames(12, "drift_low", "lower end of its 95 % interval", drift(lambda s: s.low), "ms/s"),
    _frames(12, "drift_high", "upper end of its 95 % interval", drift(lambda s: s.high), "ms/s"),
    _frames(
        12,
        "ramp",
        "1: the interval of the drift lies outside ±1 ms/s",
        drift(lambda slope: float(slope.excludes(RAMP_MS_PER_S))),
        "",
    ),
    _machine(
        12,
        "bimodal",
        "1: Hartigan's dip test rejects one mode of service at 1 %, and its p5 and p95 are ≥ 1 ms "
        "apart",
        bimodal,
        "",
    ),
    _machine(
        20,
        "warm_start",
        "conversation opened on a warm model → its thread ready for the first frame",
        warm_start,
    ),
    _machine(12, "frames_in", "input frames of the conversation, all of them", counted(len), ""),
    _machine(
        12,
        "dropped_frames",
        "frames that the policy drop left out",
        counted(lambda frames: frames.dropped),
        "",
    ),
    _machine(
        12,
        "lost_frames",
        "frames of which no end is marked though a later one was done; must be 0",
        counted(lambda frames: frames.lost),
        "",
    ),
    _machine(
        12,
        "doubled_frames",
        "marks that a frame had already had; must be 0",
        counted(lambda frames: frames.doubled),
        "",
    ),
)
"""The rows, in the order in which they are stored."""
