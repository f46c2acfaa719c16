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
    medians,
    needed_n,
    order_bounds,
    quantile,
    rate,
    rate_bounds,
)
from bench.stats.special import special

MIN_CONVERSATIONS = 5
"""Smallest number of conversations that are resampled."""
Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]


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
    grouped = by_key(values)
    number: dict[str, int] = {}
    of = [number.setdefault(fixture, len(number)) for (fixture, _), _ in grouped]
    return quantile_of_distinct(medians(grouped), of, p, confidence)


def quantile_of_distinct(
    turns: Sequence[float] | Floats,
    of: Sequence[int] | Numbers,
    p: float,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """As `quantile_of_turns`, of turns none of which is there twice.

    Args:
        turns: (turns,) the value of each.
        of: (turns,) the conversation of each, numbered from 0 without a gap.
        p: As `quantile_of_turns`.
        confidence: As `quantile_of_turns`.
    """
    found = quantile(turns, p, confidence)
    sizes = np.bincount(np.asarray(of, np.intp))
    plain = _unresampled(found, len(sizes))
    if plain is not None:
        return plain
    found = replace(found, n_conversations=len(sizes), method="conversations")
    values = np.asarray(turns, np.float64)
    if p != 0.5:
        return _tail(np.sort(values), p, confidence, found)
    if not found.bounded:
        return found
    low, high = _median_bounds(values, np.asarray(of, np.intp), sizes, confidence)
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
    plain = _unresampled(found, len(conversations))
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


def _unresampled(found: Estimate, conversations: int) -> Estimate | None:
    """The estimate from the turns, where conversations are not resampled; else None."""
    if conversations == found.n:
        return replace(found, n_conversations=conversations)
    if conversations < MIN_CONVERSATIONS:
        return replace(found, n_conversations=conversations, method="few conversations")
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
    sizes = np.array([len(of) for of in conversations])
    values = np.concatenate([np.asarray(of, np.float64) for of in conversations])
    of = np.repeat(np.arange(len(sizes)), sizes)
    return _median_bounds(values, of, sizes, confidence, widened=widened)


def _median_bounds(
    values: Floats, of: Numbers, sizes: Numbers, confidence: float, *, widened: bool = True
) -> tuple[float, float]:
    """As `resampled_median`, of (turns,) values with the conversation of each."""
    order = np.argsort(values, kind="stable")
    ordered, of = values[order], of[order]
    tail = _expanded_tail(len(sizes), confidence) if widened else (1 - confidence) / 2
    distinct = np.unique(ordered)
    shares: dict[int, float] = {}

    def share(i: int) -> float:
        if i not in shares:
            shares[i] = _share_below(ordered, of, sizes, float(distinct[i]))
        return shares[i]

    def bound(guess: int, is_enough: Callable[[float], bool]) -> float:
        rank = min(max(guess, 0), len(ordered) - 1)
        at = int(distinct.searchsorted(ordered[rank]))
        return float(distinct[_first(len(distinct), at, lambda i: is_enough(share(i)))])

    # As many independent turns would have their bounds here: the search begins there.
    reach = round(NormalDist().inv_cdf(1 - tail) * math.sqrt(len(ordered)) / 2)
    middle = len(ordered) // 2
    return bound(middle - reach, lambda x: x > tail), bound(middle + reach, lambda x: x >= 1 - tail)


def _expanded_tail(n: int, confidence: float) -> float:
    """The tail that is cut off on each side: by Student's quantile, not the normal one."""
    width = math.sqrt(n / (n - 1)) * _student(n - 1, (1 + confidence) / 2)
    return NormalDist().cdf(-width)


def _student(freedom: int, p: float) -> float:
    stdtrit = special().stdtrit

    return float(stdtrit(freedom, p))


def _first(n: int, guess: int, is_enough: Callable[[int], bool]) -> int:
    """The first of n places from which on something holds; else the last one.

    Args:
        n: Number of places.
        guess: Place about which it may be.
        is_enough: Whether it holds at a place: from some place on, and at none before.
    """
    low, high = 0, n - 1  # it lies within
    at, step = guess, 1
    while low < high:
        if is_enough(at):
            high, at = at, at - step
        else:
            low, at = at + 1, at + step
        step *= 2
        if not low <= at < high:
            at = (low + high) // 2
    return low


def _share_below(ordered: Floats, of: Numbers, sizes: Numbers, x: float) -> float:
    """Share of all resamples whose median is at most x; a tie counts half.

    Args:
        ordered: (turns,) all values, sorted.
        of: (turns,) the conversation of each.
        sizes: (conversations,) its number of turns.
        x: The value.
    """
    n, below = len(sizes), int(ordered.searchsorted(x, "right"))
    surplus = 2 * np.bincount(of[:below], minlength=n) - sizes
    least = int(surplus.min())
    one = np.bincount(surplus - least) / n
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
