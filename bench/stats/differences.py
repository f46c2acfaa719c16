"""How far two things measured on the same conversations are apart, and how sure that is.

One value goes in per conversation: the candidate's minus the base's (or the logarithm of their
ratio). What both share, a long sentence or a slow voice, cancels in the subtraction. Every test is
its interval inverted, so that an interval excludes zero exactly where the test rejects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.stats.quantiles import CONFIDENCE, MIN_N_INTERVAL
from bench.stats.special import special

POWER = 0.8
"""Probability of seeing a difference, for the n that is said to be needed (80 % power)."""
EXACT_N = 100
"""Largest number of differences with an exact signed-rank distribution; above, a normal one."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A difference and its two-sided interval, in the unit of the differences."""

    value: float | None
    """The typical difference; None without differences."""
    n: int
    """Number of conversations."""
    low: float | None = None
    """Lower end of the interval; None where n is under `MIN_N_INTERVAL`."""
    high: float | None = None
    p: float | None = None
    """Two-sided p-value: the interval at confidence 1 − a excludes zero exactly where p ≤ a."""
    spread: float | None = None
    """Standard error of the value, from the width of its 95 % interval; None where n < 6."""

    def needed(self, effect: float, level: float) -> int | None:
        """Number of conversations that show a difference of ``effect`` with 80 % power.

        Args:
            effect: The difference, in the unit of the values, not 0.
            level: Level at which it is tested.

        Returns:
            At least `MIN_N_INTERVAL`; None where the spread is not known.
        """
        if self.spread is None:
            return None
        reach = (
            float(special().ndtri(1 - level / 2) + special().ndtri(POWER))
            * self.spread
            / abs(effect)
        )
        return max(MIN_N_INTERVAL, math.ceil(self.n * reach**2))


def typical(differences: Sequence[float], confidence: float = CONFIDENCE) -> Shift:
    """The typical difference: the median of all pairs' means (Hodges & Lehmann 1963).

    Its interval inverts Wilcoxon's signed-rank test: as many pairs' means lie below it as the test
    allows (Hollander, Wolfe & Chicken, *Nonparametric Statistical Methods*, 3rd ed., 3.3). It
    assumes that differences scatter symmetrically about the typical one; where two agents are the
    same they do, whatever their times look like, since either might have been called the base.
    """
    d = np.asarray(differences, dtype=np.float64)
    n = len(d)
    if n == 0:
        return Shift(None, 0)
    i, j = np.triu_indices(n)
    means = np.sort((d[i] + d[j]) / 2)
    value = float(np.median(means))
    ends = _ends(means, n, CONFIDENCE)
    spread = None if ends is None else (ends[1] - ends[0]) / 2 / _normal(CONFIDENCE)
    if n < MIN_N_INTERVAL:
        return Shift(value, n, spread=spread)
    low, high = _ends(means, n, confidence) or (None, None)
    # Differences of exactly 0 count on both sides, which makes the test conservative.
    fewer = min(int(np.count_nonzero(means <= 0)), int(np.count_nonzero(means >= 0)))
    p = min(1.0, 2 * _at_most(n, fewer))
    return Shift(value, n, low, high, p, spread)


def _ends(means: NDArray[np.float64], n: int, confidence: float) -> tuple[float, float] | None:
    """Those of the sorted means of all pairs that bound the typical difference; None if n is too
    small.
    """
    tail = (1 - confidence) / 2
    below = _allowed(n, tail)
    return None if below < 0 else (float(means[below]), float(means[len(means) - 1 - below]))


def _allowed(n: int, tail: float) -> int:
    """The largest count of means on one side with P(at most that count) ≤ ``tail``; −1: none."""
    low, high = -1, n * (n + 1) // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _at_most(n, middle) <= tail else (low, middle)
    return low


def _at_most(n: int, count: int) -> float:
    """P(sum of positive signed ranks ≤ count) where each of n ranks has either sign, equally
    likely.
    """
    if n <= EXACT_N:
        return float(_null(n)[min(count, n * (n + 1) // 2)])
    middle, sigma = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return float(special().ndtr((count + 0.5 - middle) / sigma))


@lru_cache(maxsize=EXACT_N)
def _null(n: int) -> NDArray[np.float64]:
    """P(sum ≤ 0), P(sum ≤ 1), …, where each rank is in the sum with probability ½."""
    chance = np.zeros(n * (n + 1) // 2 + 1)
    chance[0] = 1.0
    for rank in range(1, n + 1):
        chance[rank:] += chance[:-rank].copy()
        chance /= 2
    return np.cumsum(chance)


def share_difference(differences: Sequence[float], confidence: float = CONFIDENCE) -> Shift:
    """The mean difference of shares, each between −1 and 1, most of them 0.

    By Bonett & Price (2012): two conversations are added, one that the base won and one that the
    candidate won, so that a candidate that never failed is not certain never to fail. A
    conversation may also count in part, with the share of its repeats.
    """
    d = np.asarray(differences, dtype=np.float64)
    n = len(d)
    if n == 0:
        return Shift(None, 0)
    if np.abs(d).max() > 1:
        raise ValueError("the difference of two shares lies between −1 and 1")
    added = np.append(d, (1.0, -1.0))
    middle = float(added.mean())
    error = float(added.std() / math.sqrt(n + 2))
    if n < MIN_N_INTERVAL:
        return Shift(float(d.mean()), n, spread=error)
    z = _normal(confidence)
    p = float(2 * special().ndtr(-abs(middle) / error))
    low, high = max(-1.0, middle - z * error), min(1.0, middle + z * error)
    return Shift(float(d.mean()), n, low, high, p, error)


def _normal(confidence: float) -> float:
    return float(special().ndtri((1 + confidence) / 2))


@dataclass(frozen=True, slots=True)
class Tested:
    """What Holm's procedure says of one of several tests."""

    rejected: bool
    """True if there is a difference."""
    level: float
    """Level at which it was tested: rejected exactly where its p is at most this."""
    adjusted: float
    """Its p-value for the whole family: rejected exactly where this is at most the family's."""


def holm(p_values: Sequence[float], alpha: float = 1 - CONFIDENCE) -> list[Tested]:
    """Tests several at once, so that any of them is wrong with probability ``alpha`` at most (Holm
    1979).

    The smallest p of m is compared with alpha / m, the next with alpha / (m − 1), and so on until
    one is above; those after it keep the level of that one.
    """
    m = len(p_values)
    found: dict[int, Tested] = {}
    stopped: float | None = None
    largest = 0.0
    for step, index in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        p = p_values[index]
        largest = min(1.0, max(largest, (m - step) * p))
        level = alpha / (m - step) if stopped is None else stopped
        rejected = stopped is None and p <= level
        if not rejected:
            stopped = level
        found[index] = Tested(rejected, level, largest)
    return [found[i] for i in range(m)]
