"""The frames of a duplex session as a table, rebuilt from the marks: one row per frame, one column
event. The metrics of bench/metrics/frames.py and the pictures are computed from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.clock import NS_PER_MS
from pipelines.marks import EventName, Mark

FRAME_MS = 80.0
"""Length of a frame, and so the time budget of one: 1920 samples at 24 kHz."""
MODEL_RATE_HZ = 24_000
FRAME_SAMPLES = 1920
DISCARDED = 25
"""Frames at a session's start that count in no statistic; their marks are kept."""
UNPACED = "unpaced"
"""Prefix of the ids of sessions that were fed all at once."""

EVENTS: tuple[EventName, ...] = (
    "frame_in",
    "handed",
    "ready",
    "start",
    "encoded",
    "depth_start",
    "stepped",
    "decode_start",
    "done",
    "frame_out",
    "dropped",
)
"""The columns, in the order of a frame's life; `pipelines.marks.EVENTS` defines them."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Frames:
    """One session, frame by frame."""

    session: str
    """Its request id."""
    at_ms: Mapping[EventName, Floats]
    """Event → (n,) time at which it happened to each frame, ms after the trial's t0; NaN where it
    did not happen."""
    doubled: int
    """Number of marks of an event that a frame had already had."""
    lost: int
    """Number of frames that were handed in, of which neither an end nor a dropping is known, though
    a later frame was done; and of frames that were done and never emitted, though an earlier and a
    later one were. The last few may still have been on their way when the caller hung up."""
    hold_back_ms: float
    """Delay of the resampler to 24 kHz."""
    restarts: tuple[int, ...] = ()
    """Frames at which the model's context was full and a new session began (reset)."""

    def __len__(self) -> int:
        return len(self.at_ms["frame_in"])

    @property
    def is_unpaced(self) -> bool:
        """True where all frames were available at once: it shows how fast the model can be."""
        return self.session.startswith(UNPACED)

    @property
    def dropped(self) -> int:
        """Number of frames that the policy ``drop`` left out."""
        return int(np.isfinite(self.at_ms["dropped"]).sum())

    @property
    def emitted(self) -> NDArray[np.intp]:
        """(m,) the input frames for which an output frame came out, in the order of output."""
        out = self.at_ms["frame_out"]
        index = np.flatnonzero(np.isfinite(out))
        return index[np.argsort(out[index], kind="stable")]

    def between(self, start: EventName, end: EventName) -> Floats:
        """(n,) ms from one event of each frame to another; NaN where one is missing."""
        return self.at_ms[end] - self.at_ms[start]

    @property
    def discarded(self) -> int:
        """Number of frames at a start that do not count: `DISCARDED`; of an unpaced session a
        quarter at most, so that something is left of a model that takes seconds for each.
        """
        if not self.is_unpaced:
            return DISCARDED
        return min(DISCARDED, int(np.isfinite(self.at_ms["done"]).sum()) // 4)

    @property
    def counts(self) -> NDArray[np.bool_]:
        """(n,) true for the frames that count: all but the first ones after a start."""
        kept = np.ones(len(self), dtype=np.bool_)
        for start in (0, *self.restarts):
            kept[start : start + self.discarded] = False
        return kept

    def counted(self, values: Floats) -> Floats:
        """The values that count and are known, of (n,) values by frame."""
        kept: Floats = values[self.counts & np.isfinite(values)]
        return kept


def sessions(marks: Sequence[Mark], t0_ns: int) -> list[Frames]:
    """The sessions of a trial, by their first mark.

    Args:
        marks: All marks of the trial.
        t0_ns: The recording's sample 0, from which all times are counted.
    """
    stamps: dict[str, dict[EventName, list[tuple[int, int]]]] = {}
    stopped: dict[str, int] = {}
    restarts: dict[str, list[int]] = {}
    held: dict[str, float] = {}
    columns = frozenset(EVENTS)
    for mark in marks:
        if mark.stage != "duplex" or not mark.request_id:
            continue
        if mark.event in columns and mark.value is not None:
            of_session = stamps.setdefault(mark.request_id, {})
            of_session.setdefault(mark.event, []).append((int(mark.value), mark.t_ns))
        elif mark.event == "context_end" and mark.text == "stop" and mark.value is not None:
            stopped.setdefault(mark.request_id, int(mark.value))
        elif mark.event == "context_end" and mark.value is not None:
            restarts.setdefault(mark.request_id, []).append(int(mark.value))
        elif mark.event == "hold_back":
            held.setdefault(mark.request_id, mark.value or 0.0)
    found = [
        replace(
            _frames(name, table, t0_ns, stopped.get(name), held.get(name, 0.0)),
            restarts=tuple(sorted(restarts.get(name, ()))),
        )
        for name, table in stamps.items()
    ]
    return sorted(found, key=_first_ms)


def _frames(
    session: str,
    stamps: Mapping[EventName, Sequence[tuple[int, int]]],
    t0_ns: int,
    stopped: int | None,
    hold_back_ms: float,
) -> Frames:
    """A session's table, up to the frame at which the model's context was finally full."""
    length = 1 + max(index for of_event in stamps.values() for index, _ in of_event)
    length = length if stopped is None else min(length, stopped)
    at_ms, doubled = {}, 0
    for event in EVENTS:
        pairs = np.array(stamps.get(event, ()), dtype=np.int64).reshape(-1, 2)
        pairs = pairs[pairs[:, 0] < length]
        # The first stamp of each frame: later ones are counted as doubled.
        index, first = np.unique(pairs[:, 0], return_index=True)
        doubled += len(pairs) - len(index)
        column = np.full(length, np.nan)
        column[index] = (pairs[first, 1] - t0_ns) / NS_PER_MS
        at_ms[event] = column
    ended = np.isfinite(at_ms["done"]) | np.isfinite(at_ms["frame_out"])
    last = int(np.flatnonzero(ended)[-1]) if ended.any() else -1
    lost = int((~ended & ~np.isfinite(at_ms["dropped"]))[: last + 1].sum())
    out = np.flatnonzero(np.isfinite(at_ms["frame_out"]))
    if len(out):
        between = slice(int(out[0]), int(out[-1]) + 1)
        done_only = np.isfinite(at_ms["done"]) & ~np.isfinite(at_ms["frame_out"])
        lost += int(done_only[between].sum())
    return Frames(session, at_ms, doubled, lost, hold_back_ms)


def _first_ms(frames: Frames) -> float:
    return float(min(np.nanmin(c) for c in frames.at_ms.values() if np.isfinite(c).any()))
