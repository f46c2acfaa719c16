"""What presets cost where they were measured (costs.toml), and what that may mean here.

The file is made by ``scripts/costs.py`` of the tables that are committed with the results; each row
names its source. Here a cost is only scaled by the probe of one core: an estimate, said to be one.
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
    """What is asked of a kind of preset."""

    ms: float
    what: str


BUDGETS: dict[str, Budget] = {
    "duplex": Budget(80.0, "a frame of 80 ms in 80 ms"),
    "cascade": Budget(900.0, "an answer heard within 900 ms, what cascades are said to take"),
}
"""What the cost is of (`Cost.of`) → its budget (the reference lines of metrics.md)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one preset was measured to cost."""

    preset: str
    of: str
    """Key of `BUDGETS`: duplex is per frame, cascade voice to voice."""
    ms: float
    """p99 where n bounds it, else the median; of voice to voice the median."""
    quantile: str
    """p99 or p50."""
    waiting_ms: float
    """Of it, time that passes on every machine alike: the silence that ends the user's turn."""
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
    speed: Speed
    """The probe of the machine on which all was measured."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a preset may cost here."""

    preset: str
    verdict: Verdict
    ms: float | None
    """None: it was never measured."""
    budget_ms: float | None
    why: str
    """One line, with the measured figure."""
    source: str = ""
    """How it was measured; empty: it was not."""


def load(file: Path = FILE) -> Costs:
    """Reads the table."""
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    rows = [Cost(**row) for row in table["cost"]]
    return Costs({row.preset: row for row in rows}, table["sources"], Speed(**table["speed"]))


def estimate(preset: str, costs: Costs, here: Speed) -> Estimate:
    """Scales a preset's cost to this machine."""
    cost = costs.costs.get(preset)
    if cost is None:
        return Estimate(preset, "not measured", None, None, "never measured on a known machine")
    budget = BUDGETS[cost.of]
    slower = here.slower_than(costs.speed)
    ms = cost.waiting_ms + (cost.ms - cost.waiting_ms) * slower
    why = (
        f"{cost.quantile} {cost.ms:.0f} ms (n {cost.n}) × {slower:.2f} for this machine's cores"
        f"{f', {cost.waiting_ms:.0f} ms of it waiting' if cost.waiting_ms else ''}"
    )
    verdict: Verdict = "meets" if ms <= budget.ms else "misses"
    return Estimate(preset, verdict, ms, budget.ms, why, costs.sources[cost.source])
