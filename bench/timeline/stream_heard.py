"""An agent elsewhere that speaks without end, as a duplex model does: which chunks came too late.

Nothing is known of its frames but when their audio arrived. A chunk misses its deadline where all
before it had been played by then: as `bench.timeline.frame_times.playout` has it of frames that are
marked, without a pre-roll.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.timeline.frames import DISCARDED, FRAME_MS
from bench.timeline.timeline import Timeline
from pipelines.audio.jitter import JitterBuffer
from pipelines.clock import NS_PER_MS, NS_PER_S, samples_to_ns

ENDLESS_SHARE = 0.9
"""Share of the time from the first to the last chunk that an endless stream's audio fills, at
least."""
LEAST_S = 4.0
"""Audio from which on a stream can be told to be one, s: an answer is shorter, as a rule."""


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
