"""Is one preset faster or slower than another, or undecided? Metric by metric, in pairs.

The metrics' rows say which are compared, and how. All metrics shown form one family: by
Holm's procedure, two measurements of the same agent differ in any of them in at most 5 % of cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Literal

from bench.compare.names import UNITS
from bench.compare.options import OptionDifference
from bench.compare.pairs import Pairs, Side, paired
from bench.metrics.metric import Metric, Share
from bench.metrics.metric import Scale as ScaleName
from bench.metrics.table import METRICS, SHARES
from bench.stats.differences import Shift, Tested, holm, share_difference, typical
from bench.stats.quantiles import CONFIDENCE, MIN_N_INTERVAL


@dataclass(frozen=True, slots=True)
class Scale:
    """How two values are compared."""

    change: Callable[[float, float], float]
    """(base, candidate) of a turn → their difference; 0: the same."""
    test: Callable[[Sequence[float], float], Shift]
    """Differences, one per conversation, and a confidence → the interval."""
    shown: Callable[[float], float]
    """A difference → the printed figure: the ratio, of a logarithm."""
    is_rate: bool = False
    """True where repeats and turns are averaged: a median would outvote one failure in three."""
    positive: bool = False
    """True where only values above 0 are allowed."""


def _identity(value: float) -> float:
    return value


SCALES: dict[ScaleName, Scale] = {
    # Signed figures, and figures that may be 0.
    "difference": Scale(lambda base, new: new - base, typical, _identity),
    # Figures above 0.
    "ratio": Scale(lambda base, new: math.log(new / base), typical, math.exp, positive=True),
    # Shares, in %: of one turn 0 or 100, as a rule.
    "rate": Scale(
        lambda base, new: (min(new, 100.0) - min(base, 100.0)) / 100,
        share_difference,
        lambda value: 100 * value,
        is_rate=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """A metric that is compared."""

    metric: str
    """Its name, of a row of ``bench.metrics.table``: of a metric or of a share."""
    scale: ScaleName
    effect: float
    """The smallest difference worth seeing, for the n that is needed: in the unit; a share, of a
    ratio."""
    better: Literal["lower", "higher"] = "lower"

    @property
    def unit(self) -> str:
        """Unit of its values."""
        return UNITS[self.metric]

    @property
    def least(self) -> float:
        """The effect as a difference of the scale."""
        return {"ratio": math.log1p(self.effect), "rate": self.effect / 100}.get(
            self.scale, self.effect
        )


_ROWS: tuple[Share | Metric, ...] = (*SHARES, *METRICS)
COMPARED: tuple[Compared, ...] = tuple(
    Compared(row.name, row.compared.scale, row.compared.least, row.compared.better)
    for row in _ROWS
    if row.compared is not None
)
"""The metrics compared, in the order shown: every row of the metrics with a comparison. Shares of
turns come first: where an agent answers less often, the speed of the other answers says nothing."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of one pair of sides."""

    compared: Compared
    base: float | None
    """Median of the turns compared (of a rate, the mean over conversations)."""
    candidate: float | None
    """The same of the candidate."""
    shown: tuple[float | None, float | None]
    """The figures of both in the tables of their runs, of all turns that count; where they are not
    known, ``base`` and ``candidate``."""
    shift: Shift
    """The difference on the metric's scale, with its interval at ``confidence``."""
    pairs: Pairs
    tested: Tested | None = None
    """The result of Holm's procedure; None where n is too small for a test."""
    reason: str | None = None
    """Why there is no difference, where the values can't be compared."""

    @property
    def confidence(self) -> float:
        """Confidence of the interval: that at which Holm's procedure tested it, 95 % or more."""
        return CONFIDENCE if self.tested is None else 1 - self.tested.level

    @property
    def change(self) -> tuple[float | None, float | None, float | None]:
        """The difference (or ratio, or points) and the interval's ends; None where there is none.

        In the unit shown.
        """
        shown = SCALES[self.compared.scale].shown
        value, low, high = (
            None if x is None else shown(x)
            for x in (self.shift.value, self.shift.low, self.shift.high)
        )
        return value, low, high

    @property
    def direction(self) -> Literal["better", "worse"] | None:
        """Of the candidate; None where it can't be decided."""
        if self.tested is None or not self.tested.rejected or self.shift.low is None:
            return None
        is_lower = self.shift.low < 0
        return "better" if is_lower == (self.compared.better == "lower") else "worse"

    @property
    def is_latency(self) -> bool:
        """True for times, which are called faster and slower."""
        return self.compared.unit == "ms"

    @property
    def same(self) -> bool:
        """True where the whole interval lies within the smallest effect worth seeing."""
        low, high, least = self.shift.low, self.shift.high, self.compared.least
        return low is not None and high is not None and -least < low and high < least

    @property
    def needed(self) -> int | None:
        """Conversations needed for a verdict; None where the spread is unknown, or there is a
        verdict.

        For the smallest effect worth seeing; where n would have shown that, for the smaller one
        found.
        """
        if self.direction or self.same:
            return None
        level = 1 - self.confidence
        n = self.shift.needed(self.compared.least, level)
        if n is not None and n <= self.shift.n and self.shift.value:
            n = self.shift.needed(self.shift.value, level)
        return n

    @property
    def verdict(self) -> str:
        """The verdict in a few words."""
        if self.reason is not None:
            return self.reason
        if self.shift.n < MIN_N_INTERVAL:
            return f"insufficient n ({self.shift.n}, {MIN_N_INTERVAL})"
        if self.direction is not None:
            words = {"better": "faster", "worse": "slower"}
            return words[self.direction] if self.is_latency else self.direction
        if self.same:
            return f"the same, within {effect_text(self.compared)}"
        return "can't tell" if self.needed is None else f"can't tell: n needed {self.needed}"


def effect_text(compared: Compared) -> str:
    """The smallest effect worth seeing, as text."""
    if compared.scale == "ratio":
        return f"{100 * compared.effect:g} %"
    return f"{compared.effect:g} {'points' if compared.unit == '%' else compared.unit}"


@dataclass(frozen=True, slots=True)
class PairComparison:
    """All metrics of one pair of sides."""

    base: Side
    candidate: Side
    metrics: tuple[Comparison, ...]
    """Metrics with a figure for any turn on both sides."""
    one_sided: tuple[str, ...]
    """Metrics that only one side has."""
    notes: tuple[str, ...] = ()
    """Sentences that must stand beside the figures."""
    options: tuple[OptionDifference, ...] = ()
    """The options of the presets that differ."""

    @property
    def warnings(self) -> list[str]:
        """A warning where a faster side answers less often, or fewer of its turns are valid."""
        by_name = {c.compared.metric: c for c in self.metrics}
        latency = by_name.get("voice_to_voice")
        said = []
        for share in SHARES:
            rate = by_name.get(share.name)
            if latency is None or rate is None or None in (latency.direction, rate.direction):
                continue
            if latency.direction != rate.direction:
                faster = self.candidate if latency.direction == "better" else self.base
                said.append(
                    f"{faster.preset} is faster where both count, but {share.more}: don't "
                    "rank by latency alone."
                )
        return said


def compare(
    sides: Sequence[tuple[Side, Side]], metrics: Sequence[Compared] = COMPARED
) -> list[PairComparison]:
    """Compares pairs of (base, candidate); all metrics of all pairs are one family.

    Args:
        sides: The pairs.
        metrics: What is compared.
    """
    found = [[_compared(one, base, candidate) for one in metrics] for base, candidate in sides]
    tests = [
        (i, j, c.shift.p)
        for i, row in enumerate(found)
        for j, c in enumerate(row)
        if c.shift.p is not None
    ]
    for (i, j, _), tested in zip(tests, holm([p for _, _, p in tests]), strict=True):
        found[i][j] = _at_level(found[i][j], tested)
    return [
        PairComparison(
            base,
            candidate,
            tuple(c for c in row if c.pairs.keys),
            tuple(
                c.compared.metric
                for c in row
                if not c.pairs.keys and c.pairs.only_base + c.pairs.only_candidate
            ),
        )
        for (base, candidate), row in zip(sides, found, strict=True)
    ]


def _compared(compared: Compared, base: Side, candidate: Side) -> Comparison:
    scale = SCALES[compared.scale]
    pairs = paired(base, candidate, compared.metric, is_rate=scale.is_rate)
    if not pairs.keys:
        return Comparison(compared, None, None, (None, None), Shift(None, 0), pairs)
    middle = fmean if scale.is_rate else median
    if scale.is_rate:
        own = fmean(pairs.per_conversation(lambda base, _: base, fmean))
        theirs = fmean(pairs.per_conversation(lambda _, new: new, fmean))
    else:
        own, theirs = median(pairs.base), median(pairs.candidate)
    shown = (
        base.shown.get(compared.metric, own),
        candidate.shown.get(compared.metric, theirs),
    )
    if scale.positive and min(*pairs.base, *pairs.candidate) <= 0:
        no = Shift(None, pairs.conversations)
        zero = "a value of 0 has no ratio"
        return Comparison(compared, own, theirs, shown, no, pairs, reason=zero)
    shift = scale.test(pairs.per_conversation(scale.change, middle), CONFIDENCE)
    return Comparison(compared, own, theirs, shown, shift, pairs)


def _at_level(comparison: Comparison, tested: Tested) -> Comparison:
    """The same, with the interval at the level of its test."""
    scale = SCALES[comparison.compared.scale]
    middle = fmean if scale.is_rate else median
    differences = comparison.pairs.per_conversation(scale.change, middle)
    return replace(comparison, shift=scale.test(differences, 1 - tested.level), tested=tested)
