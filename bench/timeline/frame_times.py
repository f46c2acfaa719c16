"""What is read off each frame of a duplex session: its latency, stages, backlog and playout.

All values are of the frames that count, in ms: the metrics and the pictures are made from them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.timeline.frames import FRAME_MS, Floats, Frames
from pipelines.audio.jitter import JitterBuffer
from pipelines.clock import NS_PER_MS
from pipelines.marks import EventName

STAGES: dict[str, tuple[EventName, EventName]] = {
    "encode": ("start", "encoded"),
    "step": ("encoded", "stepped"),
    "decode": ("decode_start", "done"),
}
"""Stage of the model's work → the events at its start and end."""

OfSession = Callable[[Frames], Floats]
"""(m,) ms, of the frames of a session that count."""


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


def playout(frames: Frames, preroll_ms: float, *, rebuffer: bool = True) -> tuple[int, int]:
    """(missed, n): frames that came after the last one had been played, with a pre-roll.

    With none, a deadline that was missed is the same, and it is counted so.
    """
    buffer = JitterBuffer(1000, preroll_ms, rebuffer=rebuffer)
    missed = n = 0
    counts = frames.counts
    for index in frames.emitted.tolist():
        before = buffer.underruns
        buffer.push(round(float(frames.at_ms["frame_out"][index]) * NS_PER_MS), int(FRAME_MS))
        if counts[index]:
            missed += buffer.underruns - before
            n += 1
    return missed, n
