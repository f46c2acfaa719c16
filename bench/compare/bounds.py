"""One figure of a candidate with its interval, alone or relative to a base: what a gate limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

import numpy as np

from bench.compare.compare import SCALES
from bench.compare.pairs import Pairs, Side, paired
from bench.stats.differences import Shift, typical
from bench.stats.quantiles import (
    MIN_N_INTERVAL,
    Estimate,
    mean,
    needed_n,
    order_bounds,
    quantile,
    rate,
)

Statistic = Literal["p50", "p95", "p99", "mean", "rate"]
STATISTICS: dict[Statistic, float | None] = {
    "p50": 0.5,
    "p95": 0.95,
    "p99": 0.99,
    "mean": None,
    "rate": None,
}
"""Statistic → its quantile; None where it is not a quantile."""

Relative = Literal["ratio", "difference"]
"""Comparison of a figure with the base's."""
LimitKind = Relative | Literal["value"]
"""The limited figure: ratio or difference to the base, or the candidate's own value."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A figure and its interval."""

    value: float | None
    low: float | None
    """Lower end of the interval; None where there is no interval (then ``high`` is None too)."""
    high: float | None
    n: int
    """Number of independent conversations."""
    need: int = MIN_N_INTERVAL
    """Number of conversations that the interval needs."""
    reason: str | None = None
    """Why there is no value, where the reason is not n."""


def bounds(
    base: Side,
    candidate: Side,
    metric: str,
    statistic: Statistic,
    kind: LimitKind,
    confidence: float,
) -> Bounds:
    """Finds a figure and its interval.

    Args:
        base: The side that the candidate is compared with.
        candidate: The side in question.
        metric: A metric's name.
        statistic: Which figure of it.
        kind: ``ratio`` or ``difference`` to the base; ``value``: the candidate's own.
        confidence: Confidence of the interval, two-sided; for tails, of each end by itself.
    """
    is_rate = statistic == "rate"
    # A figure of its own counts all turns, also those that the base lacks.
    against = candidate if kind == "value" else base
    pairs = paired(against, candidate, metric, is_rate=is_rate)
    n = pairs.conversations
    if not n:
        return Bounds(None, None, None, 0, reason=f"no turn has a {metric} that counts")
    if kind == "ratio" and min(*pairs.base, *pairs.candidate) <= 0:
        return Bounds(None, None, None, n, reason="a value of 0 or less has no ratio")
    p = STATISTICS[statistic]
    if p is not None and p > 0.5:
        if kind == "value":
            return _tail(pairs.candidate, n, p, 1 - confidence)
        return _tails_apart(pairs, p, kind, 1 - confidence)
    if kind == "value":
        return _own(pairs.candidate, n, statistic, confidence)
    return _apart(pairs, statistic, kind, confidence)


def _own(values: Sequence[float], n: int, statistic: Statistic, confidence: float) -> Bounds:
    """A figure of the candidate alone, as in its run's own table: each turn counts once."""
    if statistic == "p50":
        found = quantile(values, 0.5, confidence)
    elif statistic == "mean":
        found = mean(values, confidence=confidence)
    else:
        hits = sum(min(value, 100.0) for value in values) / 100
        found = rate(hits, len(values), confidence)
    shown = SCALES["rate" if statistic == "rate" else "difference"].shown
    return _shown((found.value, found.low, found.high), n, shown)


def _apart(pairs: Pairs, statistic: Statistic, kind: Relative, confidence: float) -> Bounds:
    """The difference between the two, conversation by conversation."""
    scale = SCALES["rate" if statistic == "rate" else kind]
    middle = median if statistic == "p50" else fmean
    differences = pairs.per_conversation(scale.change, middle)
    found: Estimate | Shift
    if statistic == "mean":
        found = mean(differences, confidence=confidence)
    elif statistic == "rate":
        found = scale.test(differences, confidence)
    else:
        found = typical(differences, confidence)
    return _shown((found.value, found.low, found.high), found.n, scale.shown)


def _shown(
    found: tuple[float | None, float | None, float | None], n: int, shown: Callable[[float], float]
) -> Bounds:
    """The difference in the unit shown; no interval where there are too few conversations."""
    value, low, high = (None if x is None else shown(x) for x in found)
    return Bounds(value, low, high, n) if n >= MIN_N_INTERVAL else Bounds(value, None, None, n)


def _tail(values: Sequence[float], n: int, p: float, tail: float) -> Bounds:
    """A tail quantile with a bound to either side, each wrong with probability ``tail`` at most."""
    need = needed_n(p, 1 - tail)
    if n < need:
        return Bounds(None, None, None, n, need)
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    low, high = order_bounds(ordered, p, tail)
    return Bounds(float(np.quantile(ordered, p, method="median_unbiased")), low, high, n, need)


def _tails_apart(pairs: Pairs, p: float, kind: Relative, tail: float) -> Bounds:
    """The difference of two tails, from the bounds of each, which share the error probability.

    Conservative, since it makes no use of the pairs: the tail of the differences is not the
    difference of the tails.
    """
    n = pairs.conversations
    old, new = (_tail(values, n, p, tail / 2) for values in (pairs.base, pairs.candidate))

    def apart(end: float | None, start: float | None) -> float | None:
        if end is None or start is None:
            return None
        return end / start if kind == "ratio" else end - start

    ends = (apart(new.value, old.value), apart(new.low, old.high), apart(new.high, old.low))
    return Bounds(*ends, n, old.need)
