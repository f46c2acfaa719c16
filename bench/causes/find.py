"""From a turn, or a whole run, to the rows of its causes. Pure.

The same marks and the same recording give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.causes.cause import Case, Cause, Evidence
from bench.causes.table import CAUSES
from bench.store.records import CauseRow, MetricRow, Trial, whose

REFUSED = frozenset({"synthetic"})
"""Weights whose turns have no causes: their stages' times mean nothing."""


def causes_of_turn(case: Case) -> list[CauseRow]:
    """The causes that one turn shows by itself, the largest first.

    A turn without an answer has no time to be explained, but for causes of another kind.
    """
    trial = case.timeline.trial
    if trial.weights in REFUSED:
        return []
    found = []
    for cause in CAUSES:
        if cause.on_turn is None or (case.turn.a_on_ns is None and cause.loses != "stop"):
            continue
        evidence = cause.on_turn(case)
        if evidence is not None:
            found.append(_row(cause, trial, case.turn.number, evidence))
    return ordered(found)


def causes_of_run(trials: Sequence[Trial], rows: Sequence[MetricRow]) -> Iterator[CauseRow]:
    """The causes that only a run's trials together show.

    Args:
        trials: The run's trials.
        rows: The metrics of all of them.
    """
    by_id = {trial.trial_id: trial for trial in trials if trial.weights not in REFUSED}
    for cause in CAUSES:
        for one in () if cause.on_run is None else cause.on_run(trials, rows):
            if one.trial_id in by_id:
                yield _row(cause, by_id[one.trial_id], one.turn, one.evidence)


def ordered(rows: Sequence[CauseRow]) -> list[CauseRow]:
    """The same rows, the largest loss first."""
    return sorted(rows, key=lambda row: -row.lost_ms)


def _row(cause: Cause, trial: Trial, turn: int, evidence: Evidence) -> CauseRow:
    return CauseRow(
        **whose(trial),
        turn=turn,
        cause=cause.name,
        loses=cause.loses,
        lost_ms=evidence.lost_ms,
        detail=evidence.detail or None,
    )
