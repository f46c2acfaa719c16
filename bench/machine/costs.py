"""The cost of presets where they were measured (costs.toml), and an estimate for this machine.

``scripts/costs.py`` makes the file from the tables that are committed with the results; each row
names its source. This module only scales a cost by the probe of one core: an estimate, and labelled
as one.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.machine.core_speed import Speed

FILE = Path(__file__).with_name("costs.toml")

Verdict = Literal["meets", "misses", "not measured"]


@dataclass(frozen=True, slots=True)
class Budget:
    """The limit for a kind of preset."""

    ms: float
    what: str


BUDGETS: dict[str, Budget] = {
    "duplex": Budget(80.0, "a frame of 80 ms in 80 ms"),
    "cascade": Budget(900.0, "an answer heard within 900 ms, what cascades are said to take"),
}
"""Subject of the cost (`Cost.of`) → its budget (the reference lines of metrics.md)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The measured cost of one preset."""

    preset: str
    of: str
    """Key of `BUDGETS`: duplex is per frame, cascade voice to voice."""
    ms: float
    """p99 where n bounds it, else the median; of voice to voice the median."""
    quantile: str
    """p99 or p50."""
    waiting_ms: float
    """The part that takes the same time on every machine: the silence that ends the user's turn."""
    n: int
    source: str
    """Key of `Costs.sources`."""


@dataclass(frozen=True, slots=True)
class Costs:
    """The whole file."""

    costs: dict[str, Cost]
    """Preset → its cost; of two ways of running one, the quicker."""
    sources: dict[str, str]
    """Name → command, machine, commit and load, in one line."""
    speeds: dict[str, Speed]
    """Name of a source → the probe of the machine on which it was measured."""


@dataclass(frozen=True, slots=True)
class Own:
    """What a run that this machine keeps measured of a preset."""

    preset: str
    run: str
    """The run's name."""
    p50_ms: float | None = None
    """Median of voice to voice; None without one."""
    frame_ms: float | None = None
    """Time of a duplex model's frame; None of another preset."""
    frame_quantile: str = ""
    """p99 where n bounds it, else p50."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The cost of a preset on this machine: estimated, or measured here."""

    preset: str
    verdict: Verdict
    ms: float | None
    """The cost; None: it was never measured."""
    budget_ms: float | None
    why: str
    """One line, with the measured figure."""
    source: str = ""
    """Command and machine of the measurement; empty if never measured, or measured here."""
    is_own: bool = False
    """True if a run on this machine measured it."""


def load(file: Path = FILE) -> Costs:
    """Reads the table."""
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    rows = [Cost(**row) for row in table["cost"]]
    speeds = {source: Speed(**found) for source, found in table["speed"].items()}
    return Costs({row.preset: row for row in rows}, table["sources"], speeds)


def estimate(preset: str, costs: Costs, here: Speed) -> Estimate:
    """Scales a preset's cost to this machine."""
    cost = costs.costs.get(preset)
    if cost is None:
        return Estimate(preset, "not measured", None, None, "never measured on a known machine")
    budget = BUDGETS[cost.of]
    slower = here.slower_than(costs.speeds[cost.source])
    ms = cost.waiting_ms + (cost.ms - cost.waiting_ms) * slower
    why = (
        f"{cost.quantile} {cost.ms:.0f} ms (n {cost.n}) × {slower:.2f} for this machine's cores"
        f"{f', {cost.waiting_ms:.0f} ms of it waiting' if cost.waiting_ms else ''}"
    )
    return Estimate(preset, _verdict(ms, budget), ms, budget.ms, why, costs.sources[cost.source])


def measured_here(own: Own) -> Estimate | None:
    """A preset's cost as this machine measured it; None if the run has no figure of it."""
    of, ms, quantile = (
        ("cascade", own.p50_ms, "p50")
        if own.frame_ms is None
        else ("duplex", own.frame_ms, f"{own.frame_quantile} of a frame")
    )
    if ms is None:
        return None
    budget, why = BUDGETS[of], f"{quantile} in {own.run}"
    return Estimate(own.preset, _verdict(ms, budget), ms, budget.ms, why, is_own=True)


def _verdict(ms: float, budget: Budget) -> Verdict:
    return "meets" if ms <= budget.ms else "misses"
