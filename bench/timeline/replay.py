"""The effect of a jitter buffer on a run: its emissions played again, for any pre-roll.

Offline and pure arithmetic, from marks alone: when each piece of the agent's audio was emitted, and
its length. With stretching, audio that arrives while the queue is short is made to last longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.timeline.answers import REPLY_GAP_MS
from bench.timeline.frames import FRAME_SAMPLES, MODEL_RATE_HZ, UNPACED, Frames
from pipelines.audio.jitter import JitterBuffer
from pipelines.audio.jitter_sweep import Buffers
from pipelines.audio.stretch import BLOCK_MS, LEAST_TARGET_MS, SEARCH_MS, factor_for
from pipelines.clock import NS_PER_MS, NS_PER_S, samples_to_ns
from pipelines.marks import Mark

PREROLLS_MS = tuple(range(0, 501, 20))
STRETCH_HOLD_BACK_MS = BLOCK_MS + 2 * SEARCH_MS
"""Largest delay that the stretcher adds, ms; counted as if it always added that."""


@dataclass(frozen=True, slots=True)
class Emission:
    """A piece of the agent's audio."""

    t_ns: int
    """Time of emission."""
    samples: int
    new_reply: bool = False
    """True where the silence before it was meant."""
    clear_ns: int | None = None
    """Time at which what was queued before is cut; None where nothing was interrupted."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A trial's emissions."""

    rate_hz: int
    emissions: tuple[Emission, ...]
    """The pieces, by time."""


@dataclass(frozen=True, slots=True)
class Playout:
    """The result for one stream, or for several together."""

    preroll_ms: float
    stretched: bool
    underruns: int
    silent_ms: float
    """Silence within replies, ms."""
    heard_s: float
    """Duration played, and the silence within it."""
    delay_p50_ms: float
    """Heard − emitted of each piece's first sample: median, ms."""
    delay_max_ms: float
    factor: float
    """Extra duration of the whole, ms."""

    @property
    def underruns_per_min(self) -> float:
        """Underruns per minute of what was heard."""
        return self.underruns / (self.heard_s / 60) if self.heard_s else 0.0


def stream_of(marks: Sequence[Mark], rate_hz: int) -> Stream | None:
    """The emissions of a trial: a duplex model's frames, else what was written to the link.

    Args:
        marks: All marks of the trial, by time.
        rate_hz: Sample rate of the agent's output.

    Returns:
        None where nothing was emitted.
    """
    frames = [
        Emission(m.t_ns, FRAME_SAMPLES)
        for m in marks
        if (m.stage, m.event) == ("duplex", "frame_out") and not m.request_id.startswith(UNPACED)
    ]
    if frames:
        return Stream(MODEL_RATE_HZ, tuple(frames))
    written = tuple(_written(marks, rate_hz))
    return Stream(rate_hz, written) if written else None


def stream_of_frames(frames: Frames) -> Stream:
    """The emissions of one session, in ms after t0."""
    out_ms = frames.at_ms["frame_out"][frames.emitted]
    emissions = (Emission(round(ms * NS_PER_MS), FRAME_SAMPLES) for ms in out_ms.tolist())
    return Stream(MODEL_RATE_HZ, tuple(emissions))


def _written(marks: Sequence[Mark], rate_hz: int) -> Iterable[Emission]:
    """The chunks written to the link, with the beginnings of replies and the cuts."""
    length = {
        m.request_id: int(m.value or 0) for m in marks if (m.stage, m.event) == ("ear", "received")
    }
    clear_ns: int | None = None
    end_ns: int | None = None
    for mark in marks:
        if (mark.stage, mark.event) == ("link", "clear"):
            clear_ns = mark.t_ns
        if (mark.stage, mark.event) != ("link", "write") or mark.request_id not in length:
            continue
        samples = length[mark.request_id]
        is_new = clear_ns is not None or end_ns is None
        if end_ns is not None:
            is_new |= mark.t_ns - end_ns >= REPLY_GAP_MS * NS_PER_MS
        yield Emission(mark.t_ns, samples, is_new, clear_ns)
        begin_ns = mark.t_ns if end_ns is None or is_new else max(end_ns, mark.t_ns)
        end_ns = begin_ns + samples_to_ns(samples, rate_hz)
        clear_ns = None


def replay(stream: Stream, preroll_ms: float, *, stretch: bool = False) -> Playout:
    """Plays a stream through a jitter buffer.

    Args:
        stream: From `stream_of`; with at least one emission.
        preroll_ms: B.
        stretch: Whether audio is stretched while less than B, or `LEAST_TARGET_MS`, is queued.
    """
    buffer = JitterBuffer(stream.rate_hz, preroll_ms)
    target_ms = max(preroll_ms, LEAST_TARGET_MS)
    held_ns = round(STRETCH_HOLD_BACK_MS * NS_PER_MS) if stretch else 0
    delays_ms, given = np.empty(len(stream.emissions)), 0
    for i, piece in enumerate(stream.emissions):
        if piece.clear_ns is not None:
            buffer.clear(piece.clear_ns + held_ns)
        samples, arrival_ns = piece.samples, piece.t_ns + held_ns
        given += samples
        if stretch and buffer.end_ns is not None:
            queued_ms = max(0, buffer.end_ns - arrival_ns) / NS_PER_MS
            samples = round(samples * factor_for(queued_ms, target_ms))
        heard_ns = buffer.push(arrival_ns, samples, new_reply=piece.new_reply)
        delays_ms[i] = (heard_ns - piece.t_ns) / NS_PER_MS
    played_s = buffer.played_samples / stream.rate_hz
    return Playout(
        preroll_ms,
        stretch,
        buffer.underruns,
        buffer.silent_ns / NS_PER_MS,
        played_s + buffer.silent_ns / NS_PER_S,
        float(np.median(delays_ms)),
        float(delays_ms.max()),
        played_s * stream.rate_hz / given,
    )


def together(playouts: Sequence[Playout]) -> Playout:
    """Several streams as one: sums, the median of the median delays, and the largest extra
    duration.
    """
    first = playouts[0]
    return Playout(
        first.preroll_ms,
        first.stretched,
        sum(p.underruns for p in playouts),
        sum(p.silent_ms for p in playouts),
        sum(p.heard_s for p in playouts),
        float(np.median([p.delay_p50_ms for p in playouts])),
        max(p.delay_max_ms for p in playouts),
        float(np.mean([p.factor for p in playouts])),
    )


def sweep(
    streams: Sequence[Stream], prerolls_ms: Iterable[float] = PREROLLS_MS
) -> list[tuple[Playout, Playout]]:
    """For each pre-roll, (as it is, stretched), over all streams together."""
    prerolls = list(prerolls_ms)
    played = [_side_by_side(stream, prerolls) for stream in streams]
    of_buffers = [together(of_one) for of_one in zip(*played, strict=True)]
    return list(zip(of_buffers[: len(prerolls)], of_buffers[len(prerolls) :], strict=True))


def _side_by_side(stream: Stream, prerolls_ms: Sequence[float]) -> list[Playout]:
    """As `replay` for each pre-roll, first as it is, then stretched."""
    n = len(prerolls_ms)
    stretched = [False] * n + [True] * n
    held_ns = round(STRETCH_HOLD_BACK_MS * NS_PER_MS)
    buffers = Buffers(stream.rate_hz, [*prerolls_ms, *prerolls_ms], stretched, held_ns)
    delays_ms = buffers.play(stream.emissions)
    given = sum(piece.samples for piece in stream.emissions)
    medians, largest = np.median(delays_ms, axis=0), delays_ms.max(axis=0)
    found = []
    for i, longer in enumerate(stretched):
        played_s = int(buffers.played[i]) / stream.rate_hz
        silent_ns = int(buffers.silent_ns[i])
        found.append(
            Playout(
                prerolls_ms[i % n],
                longer,
                int(buffers.underruns[i]),
                silent_ns / NS_PER_MS,
                played_s + silent_ns / NS_PER_S,
                float(medians[i]),
                float(largest[i]),
                played_s * stream.rate_hz / given,
            )
        )
    return found
