"""Whether a recording is that of its marks: as long as they say, silent where they say so.

A recording that was cut, swapped with another trial's or edited gives figures that look like any.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from bench.store.recording import AGENT, Stereo
from bench.store.records import Trial
from bench.store.store import Run
from pipelines.clock import ns_to_samples
from pipelines.marks import Mark

EDGE_SAMPLES = 2
"""Rounding of times to samples at a chunk's ends."""
LENGTH_MS = 1.0
"""Difference between a recording's length and the one in its trial's row that rounding explains."""


def mismatches(run: Run) -> Iterator[tuple[str, str]]:
    """Trials whose recording is not that of their marks, each with the first thing that shows it.

    Raises:
        StoreError: a recording can't be read.
    """
    for trial in run.trials:
        recording = run.recording(trial)
        if recording is None:
            continue
        if why := disagreement(trial, run.marks(trial.trial_id), recording):
            yield trial.trial_id, why


def disagreement(trial: Trial, marks: Sequence[Mark], recording: Stereo) -> str | None:
    """The first thing that shows that a recording is not that of its marks; None if nothing does.

    Args:
        trial: The trial's row.
        marks: Its marks.
        recording: (n, 2) int16 at the trial's rate.
    """
    tests = (length_differs, sound_unmarked)
    return next(chain.from_iterable(test(trial, marks, recording) for test in tests), None)


def length_differs(trial: Trial, _: Sequence[Mark], recording: Stereo) -> Iterator[str]:
    """The recording's length against the one in the row."""
    if not trial.audio_s:
        return
    is_ms, was_ms = 1000 * len(recording) / trial.rate_hz, 1000 * trial.audio_s
    if abs(is_ms - was_ms) > LENGTH_MS:
        yield f"it lasts {is_ms / 1000:.3f} s, and {was_ms / 1000:.3f} s were recorded"


def sound_unmarked(trial: Trial, marks: Sequence[Mark], recording: Stereo) -> Iterator[str]:
    """Sound of the agent where no chunk is marked as heard."""
    agent = recording[:, AGENT]
    covered = np.zeros(len(agent) + 1, np.int32)
    for mark in marks:
        if _is_heard(mark):
            first = ns_to_samples(mark.t_ns - trial.t0_ns, trial.rate_hz) - EDGE_SAMPLES
            stop = first + int(mark.value or 0) + 2 * EDGE_SAMPLES
            covered[min(max(0, first), len(agent))] += 1
            covered[min(max(0, stop), len(agent))] -= 1
    outside = np.flatnonzero((np.cumsum(covered)[:-1] <= 0) & (agent != 0))
    if outside.size:
        at_ms, long_ms = (1000 * int(n) / trial.rate_hz for n in (outside[0], outside.size))
        yield (
            f"the agent sounds at {at_ms:.1f} ms of the recording, where no chunk is marked as "
            f"heard ({long_ms:.0f} ms in all)"
        )


def _is_heard(mark: Mark) -> bool:
    return (mark.stage, mark.event) == ("ear", "heard")
