"""A run's trials, a line each, the slowest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.report.text.listing import Column, Listing, Row
from bench.stats.format import number
from bench.store.records import ENDED_WELL, MetricRow, Trial
from bench.summary.answers import Answer, answers_of
from bench.summary.verdict import part_name

SHOWN = 10
"""Number of trials that are listed unless all are asked for."""


def _ms(row: Row) -> str:
    shown = [number(ms) for ms in row["ms"]]
    return ", ".join(shown) if shown else number(None)


def _note(row: Row) -> str:
    kind = "warm-up" if row["warmup"] else ""
    return "; ".join(part for part in (kind, row["error"] or "") if part)


COLUMNS = (
    Column("trial", "trial"),
    Column("slowest", lambda row: number(row["slowest_ms"]), is_figure=True),
    Column("largest stage", "largest_stage"),
    Column("status", "status"),
    Column("note", _note),
    Column("every answer", _ms),
)


def trials(run: Sequence[Trial], rows: Sequence[MetricRow], most: int | None = SHOWN) -> Listing:
    """The trials: the slowest first, then those without a figure that did not end well.

    Others without a figure follow, and warm-ups are the last.

    Args:
        run: The run's trials.
        rows: The run's metrics.
        most: Number of rows at most; None for all.
    """
    of_trial: dict[str, list[Answer]] = {}
    for one in answers_of(rows):
        of_trial.setdefault(one.trial_id, []).append(one)
    found = [_row(trial, of_trial.get(trial.trial_id, [])) for trial in run]
    found.sort(key=_order)
    shown = found if most is None else found[:most]
    title = "Trials, the slowest first (ms)"
    return Listing("trials", COLUMNS, tuple(shown), title, ("every answer", "largest stage"))


def not_well(run: Sequence[Trial], listed: Listing) -> str:
    """A sentence on the trials that did not end well and that the list lacks; empty for none.

    Args:
        run: The run's trials.
        listed: What is listed of them.
    """
    there = {row["trial"] for row in listed.rows}
    by_status: dict[str, list[str]] = {}
    for trial in run:
        if not (trial.warmup or trial.status in ENDED_WELL or trial.trial_id in there):
            by_status.setdefault(trial.status, []).append(trial.trial_id)
    told = [
        f"{status} {len(ids)} ({ids[0]}{', …' if len(ids) > 1 else ''})"
        for status, ids in by_status.items()
    ]
    return f"Not listed, by how they ended: {'; '.join(told)}." if told else ""


def _order(row: Row) -> tuple[bool, bool, bool, float]:
    slowest = row["slowest_ms"]
    return row["warmup"], slowest is None, row["status"] in ENDED_WELL, -(slowest or 0.0)


def _row(trial: Trial, answers: Sequence[Answer]) -> dict[str, Any]:
    slowest = max(answers, key=lambda one: one.ms, default=None)
    largest = slowest.largest if slowest else None
    return {
        "trial": trial.trial_id,
        "preset": trial.preset,
        "fixture": trial.fixture,
        "status": trial.status,
        "slowest_ms": slowest.ms if slowest else None,
        "largest_stage": part_name(largest[0]) if largest else None,
        "ms": [one.ms for one in answers],
        "warmup": trial.warmup,
        "error": trial.error,
    }
