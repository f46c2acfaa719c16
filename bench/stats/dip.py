"""Hartigan's dip test: has a sample one mode, or more?

The dip is the largest distance between the sample's distribution function and the nearest one with
a single mode (Hartigan & Hartigan, *The dip test of unimodality*, Annals of Statistics 13, 1985).
Two modes of a service time mean that a model sometimes does something else: a cache miss, a
throttled clock, a neighbour on the core.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

CRITICAL_1_PERCENT = {
    50: 0.5730,
    100: 0.5903,
    200: 0.6036,
    500: 0.6140,
    1000: 0.6220,
    2000: 0.6243,
}
"""n → √n · dip that 1 % of uniform samples of n exceed, from 100,000 samples of each n. Of all
distributions with one mode, the uniform is the hardest to distinguish from one with two."""
MIN_N = min(CRITICAL_1_PERCENT)


def rejects_one_mode(values: ArrayLike) -> bool | None:
    """Whether the dip test rejects one mode at 1 %; None with fewer than `MIN_N` values."""
    n = np.size(np.asarray(values))
    if n < MIN_N:
        return None
    # Between the table's values of n, and above them, √n · dip hardly changes.
    known = np.log(list(CRITICAL_1_PERCENT))
    limit = np.interp(np.log(n), known, list(CRITICAL_1_PERCENT.values()))
    return bool(np.sqrt(n) * dip(values) > limit)


def dip(values: ArrayLike) -> float:
    """The dip of a sample, between 1/(2n) and 1/4.

    The nearest distribution with one mode is convex up to a modal interval and concave after it.
    The interval begins as the whole sample and is narrowed to where the greatest convex minorant
    and the least concave majorant of the distribution function are farthest apart, until what lies
    outside of it costs more than what is left inside.

    Args:
        values: (n,) without NaN, n >= 1, in any order.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.size == 0:
        raise ValueError("no values have no dip")
    x, counts = np.unique(data, return_counts=True)
    # The distribution function in steps of 1/n, just before each value and at it.
    at = np.cumsum(counts).astype(np.float64)
    before = at - counts
    low, high = 0, len(x) - 1
    widest = 1.0  # twice the dip, in steps
    while True:
        inside = np.arange(low, high + 1)
        minorant = inside[_hull(x[inside], before[inside])]
        majorant = inside[_hull(x[inside], -at[inside])]
        convex = np.interp(x[inside], x[minorant], before[minorant])
        concave = np.interp(x[inside], x[majorant], at[majorant])
        apart = concave - convex
        # Straight lines are farthest apart at a vertex of one of them.
        vertices = np.union1d(minorant, majorant)
        farthest = int(vertices[-1 - np.argmax(apart[vertices - low][::-1])])
        if apart[farthest - low] <= widest:
            break
        left = int(minorant[minorant <= farthest][-1])
        right = int(majorant[majorant >= farthest][0])
        outside = np.concatenate(
            ((at[inside] - convex)[: left - low + 1], (concave - before[inside])[right - low :])
        )
        widest = max(widest, float(outside.max()))
        if (left, right) == (low, high):
            break
        low, high = left, right
    return widest / (2 * data.size)


def _hull(x: Floats, y: Floats) -> Index:
    """Indices of the vertices of the lower convex hull of points with ascending x."""
    vertices: list[int] = []
    xs, ys = x.tolist(), y.tolist()
    for i in range(len(xs)):
        while len(vertices) >= 2:
            a, b = vertices[-2], vertices[-1]
            # b stays only if it lies below the line from a to i.
            if (ys[b] - ys[a]) * (xs[i] - xs[a]) < (ys[i] - ys[a]) * (xs[b] - xs[a]):
                break
            vertices.pop()
        vertices.append(i)
    return np.array(vertices, dtype=np.intp)
