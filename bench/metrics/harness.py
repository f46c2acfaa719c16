"""The lateness of the measuring side, and of the agent's event loop (1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.metrics.metric import Figure, Headline, Metric, TrialMeasure
from bench.metrics.reading import TrialReading
from bench.metrics.validity import GroupName
from bench.timeline.lateness import Lateness, Latenesses


@dataclass(frozen=True, slots=True)
class Late:
    """A kind of lateness, with a metric for each of `QUANTILES`."""

    name: str
    """Prefix of the metrics' names."""
    group: GroupName
    """Their group."""
    description: str
    """Their definition."""
    of: Callable[[Latenesses], Lateness]
    """Picks it from a trial's latenesses."""
    label: str
    """Its name in a trial's timeline."""
    headline: Headline | None = None
    """Column of the p99 in a run's table."""


def _worst(place: int, head: str) -> Headline:
    return Headline("quality", place, {None: head}, ".1f", "largest")


LATE = (
    Late(
        "mouth_lateness",
        "harness",
        "user chunk sent − due",
        lambda late: late.mouth,
        "mouth",
        _worst(4, "mouth worst p99"),
    ),
    Late(
        "ear_lateness",
        "harness",
        "agent chunk received − written",
        lambda late: late.ear,
        "ear",
    ),
    Late(
        "loop_lag",
        "machine",
        "user chunk seen by the pipeline − due",
        lambda late: late.loop_lag,
        "loop lag",
        _worst(5, "loop worst p99"),
    ),
)
"""The kinds of lateness, in the order in which they are stored."""
QUANTILES = {"p50": 0.5, "p99": 0.99, "max": 1.0}
"""Suffix of a name → the quantile over a trial's chunks."""


def late_quantile(of: Callable[[Latenesses], Lateness], p: float) -> TrialMeasure:
    """Makes the measure of a quantile of a lateness; ``p`` = 1 for the largest."""

    def measure(reading: TrialReading) -> list[Figure]:
        value = of(reading.late).quantile(p)
        return [Figure(value, None if value is not None else "no chunk is marked")]

    return measure


def _rows() -> Iterator[Metric]:
    for late in LATE:
        for suffix, p in QUANTILES.items():
            yield Metric(
                1,
                f"{late.name}_{suffix}",
                "ms",
                late.group,
                f"{late.description}, {suffix} of the trial",
                late_quantile(late.of, p),
                headline=late.headline if suffix == "p99" else None,
                line=f"{late.label} p99" if suffix == "p99" else "",
            )


ROWS = tuple(_rows())
"""The rows, in the order in which they are stored."""
