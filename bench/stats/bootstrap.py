"""The BCa bootstrap interval of a mean, as ``scipy.stats.bootstrap`` gives it, to the last bit.

That module takes longer to import than a run takes to read, sum up and print; what it computes here
is a page. A test holds the two against each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.stats.special import special

RESAMPLES = 10_000
BATCH = 1000
"""Number of resamples at a time: the memory that they take."""

Floats = NDArray[np.float64]


def bca_of_mean(data: Floats, seed: int, confidence: float) -> tuple[float, float]:
    """Both ends of the bias-corrected and accelerated interval (Efron 1987), `RESAMPLES` resamples.

    Args:
        data: (n,) independent values, not all alike.
        seed: The same values give the same interval.
        confidence: Confidence of the interval.
    """
    ndtr, ndtri = special().ndtr, special().ndtri
    rng, n = np.random.default_rng(seed), len(data)
    drawn = (data[rng.integers(0, n, (BATCH, n))] for _ in range(RESAMPLES // BATCH))
    means = np.sort(np.concatenate([resamples.mean(axis=-1) for resamples in drawn]))
    centre = data.mean()
    below = np.count_nonzero(means < centre) + np.count_nonzero(means <= centre)
    bias = ndtri(below / (2 * RESAMPLES))
    acceleration = _acceleration(data)
    z = float(ndtri((1 - confidence) / 2))
    low, high = (
        ndtr(bias + (bias + side) / (1 - acceleration * (bias + side))) for side in (z, -z)
    )
    return _quantile(means, float(low)), _quantile(means, float(high))


def _acceleration(data: Floats) -> float:
    """How fast the mean's spread changes with the mean: from the means without one value each."""
    n = len(data)
    others = np.broadcast_to(np.arange(n), (n, n))[~np.eye(n, dtype=np.bool_)].reshape(n, n - 1)
    left_out = data[others].mean(axis=-1)
    pull = (n - 1.0) * (left_out.mean() - left_out)
    cubes, squares = (pull**3).sum() / float(n) ** 3, (pull**2).sum() / float(n) ** 2
    return float(1 / 6 * cubes / squares ** (3 / 2))


def _quantile(ordered: Floats, p: float) -> float:
    """Type 7 of Hyndman & Fan, with the roundings of ``scipy.stats.quantile``."""
    place = p * len(ordered) + (1 - p)
    k, part = min(len(ordered), int(place // 1)), place % 1
    return float((1 - part) * ordered[k - 1] + part * ordered[min(k, len(ordered) - 1)])
