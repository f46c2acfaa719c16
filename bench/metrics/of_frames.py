"""How each metric of a duplex model is read off a trial: frame by frame, against 80 ms for each.

Which there are, and what they mean, says bench/metrics/rows_frames.py. Trials without duplex marks
give no row. Everything counts from frame `DISCARDED` of a session on, but for what must never
happen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bench.metrics.of_trials import Reading, TrialMeasure, TrialView
from bench.stats.dip import rejects_one_mode
from bench.stats.trend import MIN_SPAN_S, Slope, theil_sen
from bench.timeline.frames import DISCARDED, FRAME_MS, Floats, Frames
from bench.timeline.frames_heard import hidden_lag_ms
from pipelines.audio.jitter import JitterBuffer
from pipelines.clock import NS_PER_MS
from pipelines.marks import EventName

RAMP_MS_PER_S = 1.0
"""A drift beyond this, with its whole interval, is a ramp."""
MIN_SPREAD_MS = 1.0
"""Two modes nearer than this are a timer's, and nobody's concern: p95 − p5 of what is tested."""
MIN_N_P99 = 100
"""Below this many frames a p99 would be the largest value under another name."""
PREROLLS_MS = (0, 40, 80, 160, 300)
STAGES: dict[str, tuple[EventName, EventName]] = {
    "encode": ("start", "encoded"),
    "step": ("encoded", "stepped"),
    "decode": ("decode_start", "done"),
}
"""Stage of the model's work → the events at its start and end."""
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

OfSession = Callable[[Frames], Floats]


# What is read off each frame: (m,) ms, of the frames that count


def inter_frame_ms(frames: Frames) -> Floats:
    """Between output frames that follow each other, as they are emitted."""
    emitted = frames.emitted
    gaps = np.diff(frames.at_ms["frame_out"][emitted])
    return np.asarray(gaps[frames.counts[emitted[:-1]]], dtype=np.float64)


def service_by_frame(frames: Frames) -> Floats:
    """(n,) between the ends of a frame and the one before; NaN where it was not there in time."""
    done, ready = frames.at_ms["done"], frames.at_ms["ready"]
    handed = frames.at_ms["handed"]
    interval = np.diff(done, prepend=np.nan)
    # Unpaced sessions hand all in at the start; only their first frames could be late.
    return np.where(handed <= ready, interval, np.nan)


def service_ms(frames: Frames) -> Floats:
    """Between the ends of frames that follow each other, where the next one was there in time."""
    return frames.counted(service_by_frame(frames))


def frame_latency_ms(frames: Frames) -> Floats:
    """From the frame's last input sample to the emission of the frame that it gave."""
    return frames.counted(frames.between("frame_in", "frame_out"))


def stage_ms(stage: str) -> OfSession:
    """Makes the reader of a stage's own time."""
    start, end = STAGES[stage]
    return lambda frames: frames.counted(frames.between(start, end))


def added_in_ms(frames: Frames) -> Floats:
    """From when frame and model were both there to the start of the work."""
    return frames.counted(_wait(frames))


def added_out_ms(frames: Frames) -> Floats:
    """From the end of the work to the frame's emission."""
    return frames.counted(frames.between("done", "frame_out"))


def added_ms(frames: Frames) -> Floats:
    """Both together: what carrying a frame to the model and back takes."""
    return frames.counted(_wait(frames) + frames.between("done", "frame_out"))


def _wait(frames: Frames) -> Floats:
    both = np.maximum(frames.at_ms["handed"], frames.at_ms["ready"])
    return np.asarray(frames.at_ms["start"] - both, dtype=np.float64)


def backlog_ms(frames: Frames) -> tuple[Floats, Floats]:
    """What was offered and not yet consumed each time that the model began with a frame.

    The user's audio flows evenly, so that of what was offered, that which came after frame k is as
    long as the time that has passed since frame k was whole: start − frame_in.

    Returns:
        (m,) the starts, ms after t0, and (m,) the backlog at each, ms.
    """
    start, backlog = frames.at_ms["start"], frames.between("frame_in", "start")
    return frames.counted(np.where(np.isfinite(backlog), start, np.nan)), frames.counted(backlog)


def drift_ms_per_s(frames: Frames) -> Slope | str:
    """How fast the backlog grows; or why that can't be told."""
    at_ms, backlog = backlog_ms(frames)
    span_s = (at_ms[-1] - at_ms[0]) / 1e3 if len(at_ms) else 0.0
    if span_s < MIN_SPAN_S:
        return f"it needs {MIN_SPAN_S:.0f} s, there are {span_s:.0f} s"
    return theil_sen(at_ms / 1e3, backlog) or "too few frames"


def playout(frames: Frames, preroll_ms: float, *, rebuffer: bool = True) -> tuple[int, int]:
    """(missed, n): frames that came after the last one had been played, with a pre-roll.

    With none, a deadline that was missed is the same, and it is counted so.
    """
    buffer = JitterBuffer(1000, preroll_ms, rebuffer=rebuffer)
    missed = n = 0
    counts = frames.counts
    for index in frames.emitted.tolist():
        before = buffer.underflows
        buffer.push(round(float(frames.at_ms["frame_out"][index]) * NS_PER_MS), int(FRAME_MS))
        if counts[index]:
            missed += buffer.underflows - before
            n += 1
    return missed, n


# Measures: the readings of a trial

KEPT_UP = "no frame's input was there before the model was ready: it kept up"
TOO_FEW = f"no frame after the first {DISCARDED} has the marks for it"


def paced(view: TrialView) -> list[Frames]:
    """The trial's sessions with the user's audio in real time."""
    return [frames for frames in view.sessions if not frames.is_unpaced]


def joined(found: Sequence[Frames], of: OfSession) -> Floats:
    """What is read off all sessions, one after the other."""
    return np.concatenate([of(frames) for frames in found]) if found else np.empty(0)


def _quantile(values: Floats, p: float) -> Reading:
    if len(values) == 0:
        return Reading(None, TOO_FEW)
    if p == 0.99 and len(values) < MIN_N_P99:
        return Reading(None, f"p99 needs {MIN_N_P99} frames, there are {len(values)}")
    return Reading(float(np.quantile(values, p, method="inverted_cdf")))


def quantile_of(of: OfSession, p: float, subject: str | None = None) -> TrialMeasure:
    """Makes the measure of a quantile over the frames that count; ``p`` = 1 for the largest."""

    def measure(view: TrialView) -> list[Reading]:
        found = paced(view)
        if not found:
            return []
        reading = _quantile(joined(found, of), p)
        return [Reading(reading.value, reading.reason, subject)]

    return measure


def several(*measures: TrialMeasure) -> TrialMeasure:
    """Makes one measure of several, whose readings differ in their subject."""
    return lambda view: [reading for measure in measures for reading in measure(view)]


def service(value: Callable[[Floats], Reading]) -> TrialMeasure:
    """Makes a measure of the service time.

    Of the frames in the conversation whose input had been waiting, and with the subject
    ``unpaced`` of the sessions that were fed all at once: these are in the trial before which the
    model was started, which as a rule is the warm-up.
    """

    def measure(view: TrialView) -> list[Reading]:
        readings = []
        found = view.sessions
        for subject in (None, "unpaced"):
            own = [f for f in found if f.is_unpaced == (subject is not None)]
            if own:
                values = joined(own, service_ms)
                few = KEPT_UP if any(f.counted(f.at_ms["done"]).size for f in own) else TOO_FEW
                reading = value(values) if len(values) else Reading(None, few)
                readings.append(Reading(reading.value, reading.reason, subject))
        return readings

    return measure


def service_quantile(p: float) -> TrialMeasure:
    """Makes the measure of a quantile of the service time."""
    return service(lambda values: _quantile(values, p))


def _bimodal(values: Floats) -> Reading:
    spread = float(np.quantile(values, 0.95) - np.quantile(values, 0.05))
    rejects = rejects_one_mode(values)
    if rejects is None:
        return Reading(None, f"too few frames ({len(values)}) for the dip test")
    if rejects and spread < MIN_SPREAD_MS:
        return Reading(0.0, f"the modes lie within {spread:.2f} ms")
    return Reading(float(rejects))


service_mean = service(lambda values: Reading(float(values.mean())))
rtf = service(lambda values: Reading(float(values.mean()) / FRAME_MS))
bimodal = service(_bimodal)


def _headroom(values: Floats) -> Reading:
    p99 = _quantile(values, 0.99)
    return Reading(None if p99.value is None else FRAME_MS - p99.value, p99.reason)


headroom = service(_headroom)


def hidden_lag(p: float) -> TrialMeasure:
    """Makes the measure of a quantile of the hidden lag."""

    def measure(view: TrialView) -> list[Reading]:
        found = paced(view)
        if not found:
            return []
        lag = hidden_lag_ms(view.timeline, found)
        if isinstance(lag, str):
            return [Reading(None, lag)]
        return [_quantile(lag[DISCARDED:], p)]

    return measure


def misses(view: TrialView) -> list[Reading]:
    """Frames that missed their deadline, %; and those that a pre-roll of B ms would not save."""
    found = paced(view)
    readings = []
    for preroll_ms in PREROLLS_MS if found else ():
        missed = [playout(frames, preroll_ms) for frames in found]
        n = sum(of_session[1] for of_session in missed)
        share = 100 * sum(of_session[0] for of_session in missed) / n if n else None
        reason = None if n else TOO_FEW
        readings.append(Reading(share, reason, f"B={preroll_ms} ms"))
    return readings


def deadline_miss(view: TrialView) -> list[Reading]:
    """Frames emitted > 80 ms after the deadline before, %."""
    return [Reading(r.value, r.reason) for r in misses(view)[:1]]


def drift(of: Callable[[Slope], float]) -> TrialMeasure:
    """Makes a measure of the drift of the trial's longest session."""

    def measure(view: TrialView) -> list[Reading]:
        found = paced(view)
        if not found:
            return []
        slope = drift_ms_per_s(max(found, key=len))
        if isinstance(slope, str):
            return [Reading(None, slope)]
        return [Reading(of(slope), f"95 % interval {slope.low:.2f} to {slope.high:.2f} ms/s")]

    return measure


def counted(of: Callable[[Frames], int]) -> TrialMeasure:
    """Makes the measure of how many of something there are, in all frames of a conversation."""

    def measure(view: TrialView) -> list[Reading]:
        found = paced(view)
        return [Reading(float(sum(of(f) for f in found)))] if found else []

    return measure


def warm_start(view: TrialView) -> list[Reading]:
    """Conversation opened → the model's thread ready for its first frame, by model.

    A conversation waits for a model that is still loading: that is its cold start, and not this.
    """
    opened = {mark.request_id: mark for mark in reversed(view.timeline.all("duplex", "session"))}
    readings = []
    for frames in paced(view):
        mark, ready = opened.get(frames.session), frames.at_ms["ready"]
        if mark is not None and np.isfinite(ready[0]):
            since_ms = (mark.t_ns - view.timeline.trial.t0_ns) / NS_PER_MS
            readings.append(Reading(float(ready[0]) - since_ms, subject=mark.text))
    return readings
