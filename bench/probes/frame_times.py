"""The service time of a duplex model when input is always there: serial, and overlapped.

A paced run can't show it: a model that is fast enough waits for the user most of the time. Blocks
of the two ways alternate in one run (ABAB), so that a machine that gets slower slows both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np

from pipelines.clock import NS_PER_MS
from pipelines.duplex.session.model import FRAME_MS
from pipelines.duplex.session.wire import Reply
from pipelines.marks import EventName

Way = Literal["serial", "pipelined"]
"""Ways to run a model's stages."""
DISCARDED = 25
"""Frames at a block's start that do not count."""
SPANS: dict[str, tuple[EventName, EventName]] = {
    "encode": ("start", "encoded"),
    "step": ("encoded", "stepped"),
    "temporal": ("encoded", "depth_start"),
    "depth": ("depth_start", "stepped"),
    "decode": ("decode_start", "done"),
}
"""Stage → the stamps at its start and end; ``temporal`` and ``depth`` are the parts of a step, of
backends that time them apart."""


@dataclass(frozen=True, slots=True)
class Block:
    """One unpaced session."""

    stages: Way
    """The way its stages were run."""
    service_ms: tuple[float, ...]
    """Intervals between completed frames, ms, of the frames that count."""
    spans_ms: Mapping[str, tuple[float, ...]]
    """Stage → its own times, ms, of the frames that count."""
    discarded: int
    """Number of frames at the start that do not count."""


def block(stages: Way, replies: Sequence[Reply], discard: int = DISCARDED) -> Block:
    """Reads a session's replies.

    Args:
        stages: ``serial`` or ``pipelined``.
        replies: In the frames' order, from frame 0; all were fed before the first was done.
        discard: Frames at the start that do not count: at most a quarter of them are, so that
            something is left of a model that takes seconds for each.
    """
    worked = [reply for reply in replies if "done" in reply.stamps]
    left_out = min(discard, len(worked) // 4)
    counted = worked[left_out:]
    done = np.array([reply.stamps["done"] for reply in worked[max(0, left_out - 1) :]])
    spans = {
        stage: tuple(
            (reply.stamps[end] - reply.stamps[start]) / NS_PER_MS
            for reply in counted
            if start in reply.stamps and end in reply.stamps
        )
        for stage, (start, end) in SPANS.items()
    }
    intervals = tuple(float(ms) for ms in np.diff(done) / NS_PER_MS)
    return Block(stages, intervals, spans, left_out)


@dataclass(frozen=True, slots=True)
class Service:
    """All blocks of one way together."""

    stages: Way
    """The way its stages were run."""
    n: int
    """Number of frames that count."""
    p50_ms: float
    p99_ms: float | None
    """99th percentile; None below 100 frames, where it would be the largest value under another
    name."""
    mean_ms: float
    spans_p50_ms: Mapping[str, float]
    """Stage → its own time, median."""

    @property
    def rtf(self) -> float:
        """Mean service over the frame's 80 ms: below 1 the model keeps up."""
        return self.mean_ms / FRAME_MS

    @property
    def headroom_ms(self) -> float | None:
        """80 ms − p99."""
        return None if self.p99_ms is None else FRAME_MS - self.p99_ms


def service(stages: Way, blocks: Iterable[Block]) -> Service | None:
    """Combines the blocks of one way; None without a frame."""
    own = [b for b in blocks if b.stages == stages]
    values = [ms for b in own for ms in b.service_ms]
    if not values:
        return None
    spans = {stage: [ms for b in own for ms in b.spans_ms[stage]] for stage in SPANS}
    p99 = float(np.quantile(values, 0.99, method="inverted_cdf")) if len(values) >= 100 else None
    return Service(
        stages,
        len(values),
        float(np.median(values)),
        p99,
        float(np.mean(values)),
        {stage: float(np.median(ms)) for stage, ms in spans.items() if ms},
    )


def paired_ratios(blocks: Sequence[Block]) -> list[float]:
    """p50 pipelined / p50 serial, for each serial block and the pipelined one beside it.

    A pair with an empty block gives none.
    """
    serial = [b.service_ms for b in blocks if b.stages == "serial"]
    overlapped = [b.service_ms for b in blocks if b.stages == "pipelined"]
    pairs = zip(serial, overlapped, strict=False)  # one way may have been left out
    return [median(b) / median(a) for a, b in pairs if a and b]
