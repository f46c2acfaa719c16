"""When the frames of a duplex model were heard, compared with their place in its stream of samples.

Of an agent elsewhere nothing is known of its frames but when their audio arrived. Where it speaks
without end, a chunk misses its deadline if all before it had been played by then: as
`bench.timeline.frame_times.playout` has it of frames that are marked, without a pre-roll.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.timeline.frames import (
    DISCARDED,
    FRAME_MS,
    FRAME_SAMPLES,
    MODEL_RATE_HZ,
    Floats,
    Frames,
)
from bench.timeline.timeline import Timeline
from pipelines.audio.jitter import JitterBuffer
from pipelines.clock import NS_PER_MS, NS_PER_S, samples_to_ns

NOT_HEARD = "nothing of it was heard"
ENDLESS_SHARE = 0.9
"""Share of the time from the first to the last chunk that an endless stream's audio fills, at
least."""
LEAST_S = 4.0
"""Audio from which on a stream can be told to be one, s: an answer is shorter, as a rule."""


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


@dataclass(frozen=True, slots=True)
class Misses:
    """Deadlines of a stream."""

    missed: int
    frames: float
    """Its audio in frames of 80 ms, without the first ones."""


def stream_misses(timeline: Timeline) -> Misses | None:
    """The missed deadlines of an endless stream; None where the agent's audio is none."""
    rate_hz = timeline.trial.rate_hz
    received = sorted(timeline.all("ear", "received"), key=lambda mark: mark.t_ns)
    chunks = [(mark.t_ns, int(mark.value or 0)) for mark in received]
    if not chunks or not _is_endless(chunks, rate_hz):
        return None
    buffer = JitterBuffer(rate_hz, 0)
    skipped_ns = round(DISCARDED * FRAME_MS * NS_PER_MS)
    played_ns = missed = 0
    for t_ns, samples in chunks:
        before = buffer.underruns
        buffer.push(t_ns, samples)
        missed += (buffer.underruns - before) if played_ns >= skipped_ns else 0
        played_ns += samples_to_ns(samples, rate_hz)
    counted_ns = played_ns - skipped_ns
    return Misses(missed, counted_ns / (FRAME_MS * NS_PER_MS)) if counted_ns > 0 else None


def _is_endless(chunks: Sequence[tuple[int, int]], rate_hz: int) -> bool:
    """Whether chunks, (time of arrival in ns, samples), fill the time in which they came."""
    audio_ns = samples_to_ns(sum(samples for _, samples in chunks), rate_hz)
    last_ns, samples = chunks[-1]
    span_ns = last_ns - chunks[0][0] + samples_to_ns(samples, rate_hz)
    return audio_ns >= LEAST_S * NS_PER_S and audio_ns >= ENDLESS_SHARE * span_ns
