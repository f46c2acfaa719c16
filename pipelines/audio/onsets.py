"""Which samples of a recording are audible: one threshold rule, for user and agent alike.

The rule, for a mono signal x scaled to ±1 and taken as surrounded by digital silence:

1. A 5 ms window, at any sample position, is *loud* if its RMS is at least the threshold
   (0 dBFS is an RMS of 1.0; default −50 dBFS = 0.00316).
2. A sample is *audible* if it lies in at least one loud window and its own magnitude is at least
   the threshold.
3. Audible samples less than ``merge_gap_ms`` apart belong to one span. A span starts at its first
   audible sample and ends one past its last.

Step 1 keeps out noise below the threshold whose peaks stand above it; step 2 makes the limits exact
to the sample. Windows slide by one sample and sums are exact integers, so the answer does not
depend on where in a file a sound happens to lie. A constant offset (DC) counts as sound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW_MS = 5.0
THRESHOLD_DBFS = -50.0
MERGE_GAP_MS = 200.0
"""Longer than any closure inside a word (~120 ms), shorter than a pause that a listener notices."""

APART_WINDOWS = 10
"""Distance of strong samples, in windows, from which their neighbourhoods are looked at apart."""
_FULL_SCALE = 1 << 23  # 24 bits leave room for squares in int64


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of samples, half open: ``start <= i < end``."""

    start: int
    """Index of the first sample."""
    end: int
    """Index one past the last sample."""


def audible_spans(
    pcm: NDArray[Any],
    rate_hz: int,
    *,
    threshold_dbfs: float = THRESHOLD_DBFS,
    merge_gap_ms: float = MERGE_GAP_MS,
) -> list[Span]:
    """Finds the audible stretches of a mono signal by the rule above.

    Args:
        pcm: (n,) int16, or floats in ±1.
        rate_hz: Samples per second.
        threshold_dbfs: Limit of audibility, below 0.
        merge_gap_ms: Audible samples nearer than this are one span.

    Returns:
        Spans in order, apart from each other by at least ``merge_gap_ms``; none for silence.
    """
    index = _audible_samples(pcm, rate_hz, threshold_dbfs)
    if index.size == 0:
        return []
    gap = max(1.0, merge_gap_ms * rate_hz / 1000)
    # Between audible i and j lie j − i − 1 silent samples.
    cuts = np.flatnonzero(np.diff(index) - 1 >= gap)
    starts = index[np.concatenate(([0], cuts + 1))]
    ends = index[np.concatenate((cuts, [index.size - 1]))] + 1
    return [Span(int(s), int(e)) for s, e in zip(starts, ends, strict=True)]


def first_audible(
    pcm: NDArray[Any], rate_hz: int, *, threshold_dbfs: float = THRESHOLD_DBFS
) -> int | None:
    """Index of the first audible sample; None if nothing can be heard."""
    index = _audible_samples(pcm, rate_hz, threshold_dbfs)
    return int(index[0]) if index.size else None


def last_audible(
    pcm: NDArray[Any], rate_hz: int, *, threshold_dbfs: float = THRESHOLD_DBFS
) -> int | None:
    """Index of the last audible sample (not one past it); None if nothing can be heard."""
    index = _audible_samples(pcm, rate_hz, threshold_dbfs)
    return int(index[-1]) if index.size else None


def _audible_samples(pcm: NDArray[Any], rate_hz: int, threshold_dbfs: float) -> NDArray[np.intp]:
    """Indices of all audible samples, in order."""
    if pcm.ndim != 1:
        raise ValueError(f"onsets: a mono signal of shape (n,) is needed, not {pcm.shape}")
    x, scale = _integers(np.ascontiguousarray(pcm))
    limit = 10 ** (threshold_dbfs / 20) * scale
    # For integers, the least one that reaches the limit is equivalent, and compares faster.
    least = math.ceil(limit)
    strong = np.flatnonzero((x >= least) | (x <= -least))
    if strong.size == 0:
        return strong
    width = max(1, round(WINDOW_MS * rate_hz / 1000))
    power = math.ceil(limit * limit * width)
    # No window can be loud away from a strong sample, so only their neighbourhoods count.
    cuts = np.flatnonzero(np.diff(strong) > APART_WINDOWS * width) + 1
    found = [_in_loud_windows(x, near, width, power) for near in np.split(strong, cuts)]
    return np.concatenate(found)


def _in_loud_windows(
    x: NDArray[Any], strong: NDArray[np.intp], width: int, power: int
) -> NDArray[np.intp]:
    """Those of some samples that lie in a loud window.

    Args:
        x: (n,) the signal, integers.
        strong: Indices of the samples, in order.
        width: Length of a window.
        power: Least sum of the squares of a loud one.
    """
    base = max(0, int(strong[0]) - width)
    near = x[base : int(strong[-1]) + width + 1]
    near = near.astype(np.int32 if x.dtype == np.int16 else np.int64)  # squares fit
    # loud[s] says whether the window that starts at base + s − (width − 1) is loud.
    total = np.zeros(len(near) + 2 * width - 1, np.int64)
    # int64 may wrap in the running sum; the difference of two of its values is exact all the same.
    np.cumsum(near * near, dtype=np.int64, out=total[width : width + len(near)])
    total[width + len(near) :] = total[width + len(near) - 1]
    loud = total[width:] - total[:-width] >= power
    # Refine: a sample lies in the windows loud[i] … loud[i + width − 1]; so a run of loud windows
    # holds the samples from width − 1 before its first one to its last.
    edges = np.flatnonzero(np.diff(loud, prepend=False, append=False))
    index = strong - base
    first, last = index.searchsorted(edges[::2] - width + 1), index.searchsorted(edges[1::2])
    first[1:] = np.maximum(first[1:], last[:-1])  # a sample that two runs hold is there once
    return np.concatenate([strong[a:b] for a, b in zip(first, last, strict=True)] or [strong[:0]])


def _integers(pcm: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """The signal in integers whose squares fit into int64, and the integer that stands for 1.0.

    Floats on a 24-bit scale, int16 unchanged: the scales differ by a power of two, so that the same
    signal gives the same answer.
    """
    if pcm.dtype == np.int16:
        return pcm, 1 << 15
    if not np.issubdtype(pcm.dtype, np.floating):
        raise ValueError(f"onsets: int16 or float samples are needed, not {pcm.dtype}")
    if not np.isfinite(pcm).all():
        raise ValueError("onsets: the signal holds NaN or infinity")
    return np.rint(pcm.astype(np.float64) * _FULL_SCALE).astype(np.int64), _FULL_SCALE
