"""Quantiles with distribution-free intervals, and means by bootstrap.

A figure that the data cannot carry is refused, with the n there is and the n needed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.stats.bootstrap import bca_of_mean
from bench.stats.special import special

CONFIDENCE = 0.95
MIN_N_INTERVAL = 20
"""Smallest number of values that gets an interval."""
QUANTILES = (0.5, 0.95, 0.99)
"""Quantiles that are reported."""

Method = Literal["turns", "conversations", "few conversations"]
"""Where an interval comes from. ``turns``: values that are independent, each a conversation of its
own. ``conversations``: conversations of several turns, resampled whole. ``few conversations``: from
the turns as if they were independent, because there are too few conversations to resample; it is
too narrow, and that is said beside it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval, in the unit of the values."""

    value: float | None
    """The point estimate; None without values, or where n is too small for it."""
    n: int
    """Number of values."""
    low: float | None = None
    """Lower end of the 95 % interval; None where there is none, or where it is one-sided."""
    high: float | None = None
    """Upper end of the 95 % interval; None where there is none."""
    need: int = 0
    """Number of independent values that the interval needs."""
    n_conversations: int = 0
    """Number of conversations that the values, then turns, are of; 0: not said."""
    method: Method = "turns"
    """What the interval comes from."""
    independent: int | None = None
    """Number of values that count as independent; None: all."""

    @property
    def bounded(self) -> bool:
        """There are enough values for the interval."""
        return self.have >= self.need

    @property
    def have(self) -> int:
        """Number of values that count as independent."""
        return self.n if self.independent is None else self.independent

    @property
    def insufficient(self) -> str | None:
        """What to print in place of a bound; None if there is one."""
        return None if self.bounded else f"insufficient n ({self.have}, {self.need})"


def needed_n(p: float, confidence: float = CONFIDENCE) -> int:
    """Number of independent values that bound a quantile, by default with 95 % confidence.

    For the median, whose interval is two-sided, `MIN_N_INTERVAL`. For a tail the bound is
    one-sided, and the largest of n values bounds it once 1 − pⁿ ≥ 0.95: 59 for p95, 299 for p99.
    """
    if not 0 < p < 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {p}")
    if p == 0.5:
        return MIN_N_INTERVAL
    return max(MIN_N_INTERVAL, math.ceil(math.log(1 - confidence) / math.log(p)))


def quantile(
    values: Sequence[float] | NDArray[np.float64], p: float, confidence: float = CONFIDENCE
) -> Estimate:
    """A quantile with its distribution-free interval from order statistics.

    The number of values below the true quantile is binomial(n, p), so that the k-th smallest
    value is a bound with a confidence that the binomial gives (David & Nagaraja, *Order
    Statistics*, 3rd ed., 7.1). The point is the median-unbiased estimate (Hyndman & Fan, type 8).

    Args:
        values: Independent values, without NaN.
        p: 0.5 for the two-sided interval of the median; above it, a one-sided upper bound.
        confidence: Confidence of the interval.

    Returns:
        The estimate. Of a tail that n can't bound, the value is None too.
    """
    need = needed_n(p, confidence)
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    if n == 0:
        return Estimate(None, 0, need=need)
    point = _point(ordered, p)
    if n < need:
        return Estimate(point if p == 0.5 else None, n, need=need)
    tail = (1 - confidence) / 2 if p == 0.5 else 1 - confidence
    low, high = order_bounds(ordered, p, tail)
    return Estimate(point, n, low if p == 0.5 else None, high, need)


def _point(ordered: NDArray[np.float64], p: float) -> float:
    """As ``np.quantile(ordered, p, method="median_unbiased")``, to the last bit, but faster."""
    at = len(ordered) * p + (1 / 3 + p * (1 - 1 / 3 - 1 / 3)) - 1
    below = min(max(math.floor(at), 0), len(ordered) - 1)
    above, share = min(below + 1, len(ordered) - 1), at - math.floor(at)
    low, high = float(ordered[below]), float(ordered[above])
    if at < 0 or below == above:
        return low
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)


def order_bounds(
    ordered: NDArray[np.float64], p: float, tail: float
) -> tuple[float | None, float | None]:
    """Those of the sorted values that bound a quantile, each side wrong with probability ``tail``
    at most.

    Returns:
        The lower and the upper bound; None on a side that so few values can't bound.
    """
    n = len(ordered)
    # The k-th smallest is above the quantile with P(fewer than k values below it) at most.
    k = _binomial_quantile(tail, n, p)
    low = float(ordered[k - 1]) if k >= 1 else None
    # And it is below it with 1 − P(fewer than k values below it).
    k = _binomial_quantile(1 - tail, n, p) + 1
    return low, float(ordered[k - 1]) if k <= n else None


@lru_cache(maxsize=4096)
def _binomial_quantile(probability: float, n: int, p: float) -> int:
    """The smallest k with P(binomial(n, p) ≤ k) ≥ ``probability``.

    As ``scipy.stats.binom.ppf``, which takes longer to import than a year of runs takes to read.
    """
    return int(np.searchsorted(special().bdtr(np.arange(n + 1), n, p), probability))


def mean(values: Sequence[float], *, seed: int = 0, confidence: float = CONFIDENCE) -> Estimate:
    """A mean with its two-sided 95 % interval by the BCa bootstrap (Efron 1987), 10,000 resamples.

    Args:
        values: Independent values, without NaN.
        seed: The same values give the same interval.
        confidence: Confidence of the interval.
    """
    data = np.asarray(values, dtype=np.float64)
    n = len(data)
    if n == 0:
        return Estimate(None, 0, need=MIN_N_INTERVAL)
    centre = float(data.mean())
    if n < MIN_N_INTERVAL:
        return Estimate(centre, n, need=MIN_N_INTERVAL)
    # BCa is undefined where nothing varies; rounding noise is no variation.
    if np.ptp(data) <= 1e-9 * abs(centre):
        return Estimate(centre, n, centre, centre, MIN_N_INTERVAL)
    low, high = bca_of_mean(data, seed, confidence)
    return Estimate(centre, n, low, high, MIN_N_INTERVAL)


def rate(hits: float, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """A rate, 0 to 1, with its exact two-sided 95 % interval (Clopper & Pearson 1934).

    Args:
        hits: Hits among the n; a fraction where the n are themselves shares of repeated trials
            (as Korn & Graubard 1998 do with an effective n).
        n: Number of independent values.
        confidence: Confidence of the interval.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"a rate needs 0 ≤ hits ≤ n, not {hits} of {n}")
    if n == 0:
        return Estimate(None, 0, need=MIN_N_INTERVAL)
    if n < MIN_N_INTERVAL:
        return Estimate(hits / n, n, need=MIN_N_INTERVAL)
    low, high = rate_bounds(hits, n, confidence)
    return Estimate(hits / n, n, low, high, MIN_N_INTERVAL)


def rate_bounds(hits: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval of Clopper & Pearson; n may be a fraction, where it is an effective one.

    The bounds are quantiles of the beta distribution, as ``scipy.stats.beta.ppf`` gives them, to
    the last bit; scipy.stats takes longer to import than a run takes to sum up.
    """
    tail, betaincinv = (1 - confidence) / 2, special().betaincinv
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if hits < n else 1.0
    return low, high


Key = tuple[str, int]
"""The turn of a fixture that a repeat belongs to."""
V = TypeVar("V")


def per_key(values: Sequence[tuple[Key, float]]) -> list[float]:
    """The median of each key's values: repeats of one turn are not independent of each other."""
    return medians(by_key(values))


def medians(grouped: Sequence[tuple[Key, Sequence[float]]]) -> list[float]:
    """The median of each group of values."""
    return [float(of[0] if len(of) == 1 else statistics.median(of)) for _, of in grouped]


def by_key(values: Sequence[tuple[Key, V]]) -> list[tuple[Key, list[V]]]:
    """Each key with its values, in the order in which keys first come."""
    grouped: dict[Key, list[V]] = {}
    for key, value in values:
        grouped.setdefault(key, []).append(value)
    return list(grouped.items())
