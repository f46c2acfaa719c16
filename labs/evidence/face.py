"""Did a page measure what ``face.parquet`` holds? Its times compared with each other, and with a
run's marks.

A page draws a frame's mouth once it estimates that its sound is heard, reports both times on its
one clock, and is tied to the machine's clock once. Rows that break one of these do not come from a
page.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

import numpy as np

from bench.store import store
from bench.store.face_frames import FaceFrame
from pipelines.audio.openness import FRAME_MS
from pipelines.clock import NS_PER_MS

EARLY_MS = 20.0
"""Largest time by which a mouth may seem drawn before its sound: the time of hearing is estimated
by a median of the newest clock pairs, which has moved a little when the times are reported, a
second later."""
SPACING_MS = 20.0
"""Largest time by which two frames may seem to be heard nearer than their samples say, for the same
reason."""
ROUNDING_MS = 0.001
ROUNDING_NS = 2

Said = Iterator[tuple[str, str]]
"""(trial, contradiction)."""


def face_times(frames: Sequence[FaceFrame], run: store.Run | None) -> Said:
    """All contradictions in one ``face.parquet``.

    Args:
        frames: Its rows.
        run: The run beside which they were measured; None: there is none.
    """
    for f in frames:
        if (why := _row(f)) is not None:
            yield f.trial_id, f"the frame at sample {f.at_sample}: {why}"
    if not all(map(_finite, frames)):
        return

    def page_of(f: FaceFrame) -> int:
        return f.page

    for page, own in groupby(sorted(frames, key=page_of), key=page_of):
        told = list(own)
        yield from _one_clock(page, told)
        yield from _one_voice(told)
    if run is not None:
        yield from _after_writing(frames, run)


def print_of(frames: Sequence[FaceFrame]) -> str:
    """A hash that two honest measurements never share: times differ by microseconds."""
    times = np.array([(f.heard_ms, f.drawn_ms) for f in frames], np.float64).reshape(-1, 2)
    return hashlib.sha256(np.round(times - times[:1], 3).tobytes()).hexdigest()


def _finite(f: FaceFrame) -> bool:
    return all(map(math.isfinite, (f.heard_ms, f.drawn_ms, f.offset_ms, f.mouth)))


def _row(f: FaceFrame) -> str | None:
    """The fault of one row by itself."""
    if not _finite(f):
        return "a time or the mouth is not a finite number"
    if not (0 <= f.mouth <= 1 and f.at_sample >= 0 and f.samples > 0):
        return f"mouth {f.mouth:g} of {f.samples} samples can't be"
    between = f.drawn_ms - f.heard_ms
    if abs(between - f.offset_ms) > ROUNDING_MS:
        return f"offset_ms says {f.offset_ms:.1f}, drawn − heard is {between:.1f}"
    if between < -EARLY_MS:
        return f"drawn {-between:.0f} ms before it was heard, which no page does"
    return None


def _one_clock(page: int, frames: Sequence[FaceFrame]) -> Said:
    """The page's clock is tied to the machine's by one offset, known to one error."""
    ties = [f.heard_ns - round(f.heard_ms * NS_PER_MS) for f in frames if f.heard_ns is not None]
    if len(ties) not in (0, len(frames)) or (ties and max(ties) - min(ties) > ROUNDING_NS):
        yield "", f"page {page}: heard_ns and heard_ms are tied by more than one offset"
    if len({f.sync_error_ms for f in frames}) > 1:
        yield "", f"page {page}: sync_error_ms is not one for all its frames"


def _one_voice(frames: Sequence[FaceFrame]) -> Said:
    """Frames of one stream follow each other, none twice and none sooner than it is spoken."""
    rate_hz = 1000 * max(f.samples for f in frames) / FRAME_MS

    def trial_of(f: FaceFrame) -> str:
        return f.trial_id

    for trial, own in groupby(sorted(frames, key=trial_of), key=trial_of):
        for a, b in pairwise(sorted(own, key=lambda f: f.at_sample)):
            if b.at_sample < a.at_sample + a.samples:
                yield trial, f"samples {a.at_sample} and {b.at_sample} are frames of one moment"
                return
            least_ms = 1000 * (b.at_sample - a.at_sample) / rate_hz - SPACING_MS
            if b.heard_ms - a.heard_ms < least_ms:
                yield (
                    trial,
                    f"sample {b.at_sample} was heard {b.heard_ms - a.heard_ms:.0f} ms after "
                    f"{a.at_sample}, sooner than a voice at {rate_hz:.0f} Hz says it",
                )
                return


def _after_writing(frames: Sequence[FaceFrame], run: store.Run) -> Said:
    """No frame is heard before the agent wrote it; the run's marks say when that was."""
    known = {trial.trial_id for trial in run.trials}
    written: dict[str, tuple[list[int], list[int]]] = {}
    for f in frames:
        if f.trial_id not in known:
            if f.trial_id:
                yield f.trial_id, "face.parquet names this trial, which the run has not"
                return
            continue
        if f.trial_id not in written:
            marks = run.marks(f.trial_id)
            chunks = sorted(
                (round(m.value or 0), m.t_ns)
                for m in marks
                if (m.stage, m.event) == ("link", "write")
            )
            written[f.trial_id] = [at for at, _ in chunks], [t_ns for _, t_ns in chunks]
        starts, times = written[f.trial_id]
        chunk = bisect_right(starts, f.at_sample) - 1
        if chunk < 0:
            yield f.trial_id, f"sample {f.at_sample} was never written, by the marks"
            return
        if f.heard_ns is None or f.sync_error_ms is None:
            continue
        early_ms = (times[chunk] - f.heard_ns) / NS_PER_MS - f.sync_error_ms
        if early_ms > EARLY_MS:
            yield (
                f.trial_id,
                f"sample {f.at_sample} was heard by the page {early_ms:.0f} ms before the agent "
                "wrote it",
            )
            return
