"""How a run stands while it goes on: its figures so far, and the time that is left.

Nothing here is kept: the figures of the report are computed from the files at the end.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bench.metrics.validity import NOT_EXPECTED, SYNTHETIC
from bench.runner.late_again import late_again
from bench.runner.plan import Plan, Planned, closing_s
from bench.store.records import MetricRow

PRIOR_S = 20.0
"""Planned time that weighs as much as the plan itself before a preset's pace is known."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One preset so far."""

    preset: str
    turns: int
    """Number of distinct turns that were played and are valid."""
    planned: int
    """Number of distinct turns that the plan has for it."""
    unanswered: int
    """Number of played turns that had no answer."""
    p50_ms: float | None
    """Median of voice to voice over the valid turns; None without any."""
    slowest_ms: float | None
    """Largest of them."""
    late: int
    """Number of trials in which the measuring side was late."""


class Board:
    """The presets' figures so far.

    Args:
        plan: The run's plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rows: dict[str, list[MetricRow]] = {}
        self.statuses: dict[str, str] = {}
        """Trial → its status, of all that were played."""

    def take(self, trial_id: str, status: str, rows: Sequence[MetricRow]) -> None:
        """Adds a trial that was played.

        Args:
            trial_id: The trial.
            status: Its status.
            rows: Its metrics, warm-ups left out.
        """
        self.statuses[trial_id] = status
        self._rows[trial_id] = [
            row
            for row in rows
            if row.metric == "voice_to_voice" and row.reason not in (NOT_EXPECTED, SYNTHETIC)
        ]

    def standings(self) -> tuple[Standing, ...]:
        """The presets, in the plan's order."""
        return tuple(self._standing(spec.name) for spec in self._plan.specs)

    def _standing(self, preset: str) -> Standing:
        rows = [row for of in self._rows.values() for row in of if row.preset == preset]
        heard = [row.value for row in rows if row.valid and row.value is not None]
        fixtures = {
            t.trial_id: t.fixture for t in self._plan.trials if t.spec.name == preset
        }.values()
        return Standing(
            preset,
            turns=len({(row.fixture, row.turn) for row in rows if row.valid}),
            planned=len({(f.name, i) for f in fixtures for i in range(len(f.turns))}),
            unanswered=sum(row.value is None for row in rows),
            p50_ms=statistics.median(heard) if heard else None,
            slowest_ms=max(heard, default=None),
            late=sum(
                status == "ruler_late" and trial_id.startswith(f"{preset}.")
                for trial_id, status in self.statuses.items()
            ),
        )


class Pace:
    """The time that a run still takes: each preset's plan, scaled by its trials so far.

    Args:
        plan: The run's plan.
        retries: Number of times that a late trial may be played again.
    """

    def __init__(self, plan: Plan, retries: int) -> None:
        self._plan = plan
        self._retries = retries
        self._planned_s: dict[str, float] = {}
        self._took_s: dict[str, float] = {}

    def took(self, planned: Planned, seconds: float) -> None:
        """Takes the duration of a trial."""
        name = planned.spec.name
        plan_s = self._plan.seconds([planned])
        self._planned_s[name] = self._planned_s.get(name, 0.0) + plan_s
        self._took_s[name] = self._took_s.get(name, 0.0) + seconds

    def left_s(self, todo: Sequence[Planned], statuses: Mapping[str, str]) -> float:
        """From now to the end of the report, late trials that will be played again included.

        Args:
            todo: The trials that are planned, and not played yet.
            statuses: Trial → its status, of all that were played.
        """
        ahead: Collection[str] = {planned.trial_id for planned in todo}
        again = [
            planned
            for planned in late_again(self._plan, statuses, self._retries)
            if planned.trial_id not in ahead
        ]
        playing_s = sum(map(self._expected_s, [*todo, *again]))
        return playing_s + closing_s(len(statuses) + len(todo) + len(again))

    def _expected_s(self, planned: Planned) -> float:
        name = planned.spec.name
        took_s = self._took_s.get(name, 0.0) + PRIOR_S
        return self._plan.seconds([planned]) * took_s / (self._planned_s.get(name, 0.0) + PRIOR_S)
