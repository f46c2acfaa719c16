"""A trial's row and clocks compared with its marks, and with the rest of its run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from statistics import median

from bench.store import store
from bench.timeline.lateness import with_lateness
from bench.timeline.mark_order import check_order
from labs.evidence.figures import same
from labs.evidence.finding import FindingKind
from labs.evidence.trial import Evidence
from pipelines.clock import NS_PER_S
from pipelines.errors import LabError

CLOCK_S = 2.0
"""Largest deviation of a trial's two clocks from those of its run."""


def clocks(run: store.Run) -> Iterator[tuple[str, FindingKind, str]]:
    """Two trials at one time, or a trial whose two clocks are another machine's."""
    if len(run.info.get("sessions", [])) > 1:
        return  # it was resumed, perhaps after a restart: its clocks may start over
    end_ns, last = 0, ""
    for trial in sorted((t for t in run.trials if t.t0_ns), key=lambda t: t.t0_ns):
        if trial.t0_ns < end_ns:
            yield trial.trial_id, "clock", f"it began before {last} had ended"
        end_ns, last = trial.t0_ns + round(trial.audio_s * NS_PER_S), trial.trial_id
    offsets: dict[str, float] = {}
    for trial in run.trials:
        try:
            began_s = datetime.fromisoformat(trial.started_utc).timestamp()
        except ValueError:
            continue
        if trial.t0_ns:
            offsets[trial.trial_id] = began_s - trial.t0_ns / NS_PER_S
    if len(offsets) < 3:
        return
    middle = median(offsets.values())
    for trial_id, offset in offsets.items():
        if abs(offset - middle) > CLOCK_S:
            yield (
                trial_id,
                "clock",
                f"its wall clock and its monotonic clock lie {offset - middle:+.1f} s from where "
                "those of the run's other trials lie",
            )


def row_agrees(e: Evidence) -> Iterator[str]:
    """The trial's row compared with its marks and its recording."""
    sent = len(e.all("user", "chunk_sent"))
    if sent != e.trial.chunks_sent:
        yield f"chunks_sent says {e.trial.chunks_sent}, but {sent} are marked"
    if e.recording is None:
        return
    heard_s = len(e.recording) / e.trial.rate_hz
    if abs(heard_s - e.trial.audio_s) > 0.002:
        yield f"audio_s says {e.trial.audio_s:.3f} s, but the recording has {heard_s:.3f} s"
    again = with_lateness(e.trial, e.marks, e.recording)
    for name in ("mouth_late_ms_p99", "mouth_late_ms_max", "ear_late_ms_p99", "ear_late_ms_max"):
        said, found = getattr(e.trial, name), getattr(again, name)
        if not same(said, found):
            yield f"{name} says {said}, but the marks give {found}"


def in_order(e: Evidence) -> Iterator[str]:
    """No effect before its cause."""
    try:
        check_order(e.trial.trial_id, e.marks)
    except LabError as error:
        yield str(error)
