"""When the frames of a duplex model were heard, compared with their place in its stream of
samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.timeline.frames import FRAME_MS, FRAME_SAMPLES, MODEL_RATE_HZ, Floats, Frames
from bench.timeline.timeline import Timeline
from pipelines.clock import NS_PER_MS

NOT_HEARD = "nothing of it was heard"


def hidden_lag_ms(timeline: Timeline, found: Sequence[Frames]) -> Floats | str:
    """Time at which each output frame was heard − its time by sample index.

    Output frame j, counted from 0 in the order of emission, holds the samples from j · 1920 on of
    the agent's stream. A benchmark that writes that stream to a file and lays it beside the user's
    takes its first sample to sound at t0 + j · 80 ms. This function gives how much later it did: 80
    ms of hearing the frame, and all waiting, computing and carrying up to then.

    Args:
        timeline: The trial.
        found: Its paced sessions.

    Returns:
        (m,) ms, in the order of emission, for the frames of which the first sample was heard; or
        why there are none.
    """
    rate_hz, t0_ns = timeline.trial.rate_hz, timeline.trial.t0_ns
    chunks = [c for c in timeline.chunks if c.heard_ns is not None and c.heard_samples > 0]
    emitted = sum(len(frames.emitted) for frames in found)
    if not chunks or not emitted:
        return NOT_HEARD
    chunks.sort(key=lambda chunk: chunk.index)
    first = np.array([chunk.index for chunk in chunks])
    heard_ms = np.array([((c.heard_ns or 0) - t0_ns) / NS_PER_MS for c in chunks])
    length = np.array([chunk.heard_samples for chunk in chunks])
    # The frame's first sample in the stream that the agent wrote, and the chunk that holds it.
    frame = np.arange(emitted)
    sample = frame * FRAME_SAMPLES * rate_hz / MODEL_RATE_HZ
    holder = np.searchsorted(first, sample, side="right") - 1
    inside = sample - first[np.maximum(holder, 0)]
    known = (holder >= 0) & (inside < length[np.maximum(holder, 0)])
    at_ms = heard_ms[holder] + inside / rate_hz * 1e3
    lag: Floats = (at_ms - frame * FRAME_MS)[known]
    return lag if len(lag) else NOT_HEARD
