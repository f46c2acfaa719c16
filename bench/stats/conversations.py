"""Intervals for turns of conversations, where turns are not independent of each other.

They share its course (a longer prompt, a topic, a voice), so that n turns of a few conversations
say less than n turns of n. Where conversations have several turns the interval comes from
resampling conversations; where each has one it is that of `bench.stats.quantiles`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bench.stats.quantiles import (
    CONFIDENCE,
    Estimate,
    Key,
    by_key,
    needed_n,
    order_bounds,
    per_key,
    quantile,
    rate,
    rate_bounds,
)
from bench.stats.special import special

MIN_CONVERSATIONS = 5
"""Smallest number of conversations that are resampled."""
Floats = NDArray[np.float64]


def quantile_of_turns(
    values: Sequence[tuple[Key, float]], p: float, confidence: float = CONFIDENCE
) -> Estimate:
    """A quantile over turns, each once with the median of its repeats.

    The median's interval is that of resampled conversations, and never narrower than that of as
    many independent turns: few conversations may happen to be alike. A tail's bound is the order
    statistic that as many independent turns as there are conversations would need, at the same
    share of all turns: few resampled conversations know nothing of a tail.

    Args:
        values: Values with their turns; a fixture is a conversation.
        p: 0.5 for the two-sided interval of the median; above it, a one-sided upper bound.
        confidence: Confidence of the interval.
    """
    turns = per_key(values)
    found = quantile(turns, p, confidence)
    conversations = _conversations(key for key, _ in by_key(values))
    plain = _unresampled(found, conversations)
    if plain is not None:
        return plain
    n_conversations = len(conversations)
    found = replace(found, n_conversations=n_conversations, method="conversations")
    if p != 0.5:
        return _tail(np.sort(np.asarray(turns, np.float64)), p, confidence, found)
    if not found.bounded:
        return found
    low, high = resampled_median([[turns[i] for i in of] for of in conversations], confidence)
    bounds = [x for x in (low, high, found.low, found.high) if x is not None]
    return replace(found, low=min(bounds), high=max(bounds))


def rate_of_turns(hits: Sequence[tuple[Key, float]], confidence: float = CONFIDENCE) -> Estimate:
    """The share of hits over turns, each once with the share of its repeats that hit.

    The median of the repeats would hide one failure in three. In conversations of several turns
    the interval is that of Clopper and Pearson for the effective number of turns (Korn & Graubard
    1998): fewer where the turns of a conversation hit and miss together.

    Args:
        hits: Hits (1 or True; a share of one, from 0 to 1) with their turns; a fixture is a
            conversation.
        confidence: Confidence of the interval.
    """
    grouped = by_key(hits)
    shares = [sum(of_turn) / len(of_turn) for _, of_turn in grouped]
    found = rate(math.fsum(shares), len(shares), confidence)
    conversations = _conversations(key for key, _ in grouped)
    plain = _unresampled(found, conversations)
    if plain is not None:
        return plain
    found = replace(found, n_conversations=len(conversations), method="conversations")
    if not found.bounded:
        return found
    n = effective_n([[shares[i] for i in of] for of in conversations], confidence)
    low, high = rate_bounds(min(float(found.value or 0.0) * n, n), n, confidence)
    return replace(found, low=low, high=high)


def _conversations(keys: Iterable[Key]) -> list[list[int]]:
    """Which of the turns each conversation has."""
    found: dict[str, list[int]] = {}
    for i, (fixture, _) in enumerate(keys):
        found.setdefault(fixture, []).append(i)
    return list(found.values())


def _unresampled(found: Estimate, conversations: Sequence[Sequence[int]]) -> Estimate | None:
    """The estimate from the turns, where conversations are not resampled; else None."""
    n = len(conversations)
    if n == found.n:
        return replace(found, n_conversations=n)
    if n < MIN_CONVERSATIONS:
        return replace(found, n_conversations=n, method="few conversations")
    return None


def _tail(ordered: Floats, p: float, confidence: float, found: Estimate) -> Estimate:
    """The upper bound of a tail, by as many independent values as there are conversations."""
    n = found.n_conversations
    found = replace(found, independent=n, high=None)
    if n < needed_n(p, confidence):
        return replace(found, value=None)
    ranks = np.arange(1.0, n + 1)
    _, rank = order_bounds(ranks, p, 1 - confidence)
    if rank is None:
        return found
    at = math.ceil(rank / n * len(ordered))
    return replace(found, high=float(ordered[at - 1]))


def resampled_median(
    conversations: Sequence[Sequence[float]],
    confidence: float = CONFIDENCE,
    *,
    widened: bool = True,
) -> tuple[float, float]:
    """The interval of the median over all turns, by resampling whole conversations.

    The bootstrap's distribution is computed and not drawn: a resample's median lies at or below x
    where its turns up to x outnumber those above, and the sum of that surplus over drawn
    conversations is a convolution. So the same values give the same interval, without a seed. The
    percentiles are those of Hesterberg (2015, *What Teachers Should Know About the Bootstrap*,
    5.3), wider by what a bootstrap of few lacks: without that, 6 conversations cover about 87 %.

    Args:
        conversations: The turns' values of each conversation, at least 2 conversations.
        confidence: Confidence of the interval.
        widened: False for the plain percentiles.
    """
    ordered = np.sort(np.concatenate([np.asarray(of, np.float64) for of in conversations]))
    of = [np.sort(np.asarray(values, np.float64)) for values in conversations]
    tail = _expanded_tail(len(of), confidence) if widened else (1 - confidence) / 2
    low = _first(ordered, lambda x: _share_below(of, x) > tail)
    high = _first(ordered, lambda x: _share_below(of, x) >= 1 - tail)
    return low, high


def _expanded_tail(n: int, confidence: float) -> float:
    """The tail that is cut off on each side: by Student's quantile, not the normal one."""
    width = math.sqrt(n / (n - 1)) * _student(n - 1, (1 + confidence) / 2)
    return NormalDist().cdf(-width)


def _student(freedom: int, p: float) -> float:
    stdtrit = special().stdtrit

    return float(stdtrit(freedom, p))


def _first(ordered: Floats, is_enough: Callable[[float], bool]) -> float:
    """The smallest of the sorted values from which on something holds; else the last."""
    first, last = 0, len(ordered) - 1
    while first < last:
        middle = (first + last) // 2
        if is_enough(float(ordered[middle])):
            last = middle
        else:
            first = middle + 1
    return float(ordered[first])


def _share_below(conversations: Sequence[Floats], x: float) -> float:
    """Share of all resamples whose median is at most x; a tie counts half."""
    n = len(conversations)
    surplus = [2 * int(np.searchsorted(of, x, "right")) - len(of) for of in conversations]
    least = min(surplus)
    one = np.bincount(np.asarray(surplus) - least) / n
    # The n-fold convolution, by the transform: rounding stays below 1e-12.
    size = (len(one) - 1) * n + 1
    resampled = np.fft.irfft(np.fft.rfft(one, size) ** n, size) if size > 1 else np.ones(1)
    tie = -least * n
    above = float(resampled[max(0, tie + 1) :].sum())
    return above + (float(resampled[tie]) / 2 if 0 <= tie < size else 0.0)


def effective_n(conversations: Sequence[Sequence[float]], confidence: float = CONFIDENCE) -> float:
    """Number of independent turns that would know a rate as well as these turns do.

    Korn & Graubard (1998): p(1 − p) over the variance between conversations, times what is lost
    by estimating that variance from so few; never more than the turns there are.

    Args:
        conversations: The turns' hits, 0 to 1, of each conversation, at least 2 conversations.
        confidence: Confidence of the interval that it is meant for.
    """
    n = sum(map(len, conversations))
    p = math.fsum(map(math.fsum, conversations)) / n
    groups = len(conversations)
    spread = math.fsum((math.fsum(of) - p * len(of)) ** 2 for of in conversations)
    variance = spread * groups / (groups - 1) / n**2
    alike = n if variance == 0 else min(n, p * (1 - p) / variance)
    side = (1 + confidence) / 2
    lost = (_student(n - 1, side) / _student(groups - 1, side)) ** 2
    return alike * lost
