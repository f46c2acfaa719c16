"""Does something grow? A robust slope with an interval, for autocorrelated values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.stats.quantiles import CONFIDENCE

BLOCKS = 30
"""Number of stretches of time that a series is cut into; each gives one point."""
MIN_SPAN_S = 120.0
"""Shortest span that gets a slope, s: what a busy machine does for some seconds is no trend."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope and its two-sided 95 % interval, in units of the values per unit of time."""

    value: float
    low: float
    high: float

    def excludes(self, bound: float) -> bool:
        """The whole interval lies outside ±``bound``."""
        return self.low > bound or self.high < -bound


def theil_sen(t: NDArray[np.float64], values: NDArray[np.float64]) -> Slope | None:
    """The median of the slopes between all pairs of points (Theil 1950, Sen 1968).

    Consecutive frames are alike, and Sen's interval takes points as independent. So the series is
    cut into `BLOCKS` stretches of equally many values, and each gives one point, its median time
    and median value: they are far enough apart (5 s of 150) to count as independent. A straight
    line stays one, exactly.

    Args:
        t: (n,) times, ascending.
        values: (n,) the values at these times.

    Returns:
        The slope; None with fewer than 2 values a block.
    """
    from scipy.stats import theilslopes

    size = len(t) // BLOCKS
    if size < 2:
        return None
    # Values that do not fill a block are left out at the start, where a series is least settled.
    times = np.median(t[-size * BLOCKS :].reshape(BLOCKS, size), axis=1)
    middles = np.median(values[-size * BLOCKS :].reshape(BLOCKS, size), axis=1)
    found = theilslopes(middles, times, alpha=CONFIDENCE)
    return Slope(float(found.slope), float(found.low_slope), float(found.high_slope))
