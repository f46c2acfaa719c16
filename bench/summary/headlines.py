"""The columns of a run's tables that metrics ask for, and the figure of a preset in each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.metrics.metric import Over
from bench.metrics.table import METRICS
from bench.stats.conversations import quantile_of_turns
from bench.stats.quantiles import Estimate, Key, mean, per_key

Values = Sequence[tuple[Key, float]]
"""Figures of trials, each with what it is of."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    head: str
    """Its head."""
    metric: str
    """The metric that it shows."""
    subject: str | None
    """The metric's subject; None where it has none."""
    spec: str
    """Format of its figures."""
    over: Over
    """Rules that make a preset's figure from its trials' figures."""

    @property
    def key(self) -> str:
        """Names its figure: the metric, with its subject in brackets."""
        return figure_key(self.metric, self.subject)


def figure_key(metric: str, subject: str | None = None) -> str:
    """Names a figure of a preset: the metric, with its subject in brackets."""
    return metric if subject is None else f"{metric}[{subject}]"


def columns(table: str) -> tuple[Column, ...]:
    """The columns of a table, from the left.

    Args:
        table: A value of ``bench.metrics.metric.Headline.table``.
    """
    shown = [
        (metric.headline, metric.name)
        for metric in METRICS
        if metric.headline is not None and metric.headline.table == table
    ]
    return tuple(
        Column(head, name, subject, headline.spec, headline.over)
        for headline, name in sorted(shown, key=lambda one: one[0].place)
        for subject, head in headline.heads.items()
    )


def _largest(values: Values) -> Estimate:
    return Estimate(max((value for _, value in values), default=None), len(values))


def _sum(values: Values) -> Estimate:
    return Estimate(sum(value for _, value in values) if values else None, len(values))


OVER: dict[Over, Callable[[Values], Estimate]] = {
    "median": lambda values: quantile_of_turns(values, 0.5),
    "mean": lambda values: mean(per_key(values)),
    "largest": _largest,
    "sum": _sum,
}
"""How a preset's figure is made of its trials' figures."""
