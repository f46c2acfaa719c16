"""A metric: a row of the table of metrics, and its result in a trial or a turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from bench.metrics.reading import TrialReading, TurnReading, UnspokenTurn
from bench.metrics.validity import NOT_SPOKEN, GroupName
from bench.store.records import MetricRow
from pipelines.clock import NS_PER_MS

Unit = Literal[
    "ms", "%", "ms/s", "1/s", "1/min", "s/min", "MB", "J", "dBFS", "sessions", ""
]  # fmt: skip
"""Unit of a metric's values; empty for a number without one."""

Over = Literal["median", "mean", "largest", "sum"]
"""Rule that makes a preset's figure from its trials' figures."""

Scale = Literal["difference", "ratio", "rate"]
"""Comparison of two values of a metric: in its unit, as a ratio, or as percentage points."""


@dataclass(frozen=True, slots=True)
class Figure:
    """The result of a metric: a value, or why there is none."""

    value: float | None
    """The figure; None if there is none."""
    reason: str | None = None
    """Why there is none, or a remark on the figure."""
    subject: str | None = None
    """Subject, where a trial gives several figures: a model's name."""


TrialMeasure = Callable[[TrialReading], list[Figure]]
TurnMeasure = Callable[[TurnReading], Figure]
UnspokenMeasure = Callable[[UnspokenTurn], Figure]


@dataclass(frozen=True, slots=True)
class Effect:
    """How a metric of two presets is compared, and which difference is worth seeing."""

    scale: Scale
    """Key of ``bench.compare.compare.SCALES``."""
    least: float
    """The difference worth seeing: in the unit, of a ratio as a share, of a rate in points."""
    better: Literal["lower", "higher"] = "lower"
    """Direction of an improvement."""


@dataclass(frozen=True, slots=True)
class Headline:
    """Where a run's tables show a metric of whole trials, and which figure stands for a preset."""

    table: Literal["quality", "frames", "conversation", "connection", "ahead"]
    """The table."""
    place: int
    """Its place among the columns of that table, from the left."""
    heads: Mapping[str | None, str]
    """Subject → the head of its column, short: a terminal shows tables 100 columns wide. None is
    the metric without a subject."""
    spec: str = ".0f"
    """Format of the figure."""
    over: Over = "median"
    """Rule that makes a preset's figure from its trials' figures."""


def not_spoken(_: UnspokenTurn) -> Figure:
    """Finds nothing in a turn that was never spoken."""
    return Figure(None, NOT_SPOKEN)


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of `METRICS`."""

    number: int
    """Its row in the list of definitions; several figures may share one."""
    name: str
    """Name in the column ``metric``."""
    unit: Unit
    """Unit of its values."""
    group: GroupName
    """Key of ``bench.metrics.validity.GROUPS``: what it needs to be valid."""
    description: str
    """Its definition, one line."""
    on_trial: TrialMeasure | None = None
    """Function on a whole trial; exactly one of the two is given."""
    on_turn: TurnMeasure | None = None
    """Function on a turn."""
    on_unspoken: UnspokenMeasure = not_spoken
    """Function on a turn that was never spoken; only for a metric of a turn."""
    compared: Effect | None = None
    """Comparison by ``duplex-lab compare``; None: it is not compared."""
    headline: Headline | None = None
    """Column in a run's tables, for a metric of whole trials; None: no column."""
    line: str = ""
    """Name in the first line of a trial's timeline; empty: it is not shown there."""

    @property
    def scope(self) -> str:
        """``trial`` or ``turn``."""
        return "trial" if self.on_trial is not None else "turn"


@dataclass(frozen=True, slots=True)
class Share:
    """A share of turns that is counted from the rows of another metric; it is not stored."""

    name: str
    """Name in comparisons and gates."""
    of: str
    """The metric whose rows are counted: one for each turn that asks for an answer."""
    counts: Callable[[MetricRow], bool]
    """True for a row that belongs to the share."""
    compared: Effect
    """Comparison of the share."""
    more: str
    """Predicate of the preset with the larger share, for a sentence."""


def in_ms(ns: int) -> float:
    """Nanoseconds as milliseconds."""
    return ns / NS_PER_MS


def between(end_ns: int | None, start_ns: int | None, what: str) -> Figure:
    """Finds end − start in ms, signed.

    Args:
        end_ns: Its end; None where that is not marked.
        start_ns: Its start; None where that is not marked.
        what: The mark that is missing where either is None, for the reason.
    """
    if end_ns is None or start_ns is None:
        return Figure(None, f"no {what} mark")
    return Figure(in_ms(end_ns - start_ns))
