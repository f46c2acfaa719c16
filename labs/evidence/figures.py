"""Stored figures compared with those that marks and recording give."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bench.machine import description as machine
from bench.store import store
from bench.store.records import MetricRow
from labs.evidence.finding import FindingKind

SAME_VALUE = 1e-6
"""Relative difference within which two figures are the same."""


def figures(
    rows: Sequence[MetricRow], stored: Sequence[MetricRow]
) -> Iterator[tuple[str, FindingKind, str]]:
    """Stored figures compared with those that are computed again; figures that one side lacks are
    left out.
    """

    def key(row: MetricRow) -> tuple[str, int, str, str]:
        return (row.trial_id, row.turn, row.metric, row.subject or "")

    again = {key(row): row for row in rows}
    for row in stored:
        found = again.get(key(row))
        if found is None:
            known = {row.metric for row in rows}
            if row.metric in known:
                what = f"{row.metric} of turn {row.turn} is of no trial that is there"
                yield row.trial_id, "figure", what
        elif not same(row.value, found.value) or row.valid != found.valid:
            yield (
                row.trial_id,
                "figure",
                f"{row.metric} of turn {row.turn}: metrics.parquet says {_told(row)}, "
                f"marks and recording give {_told(found)}",
            )


def other_version(run: store.Run) -> str | None:
    """A definition may have changed between the version that measured and this one."""
    measured = run.info.get("machine", {}).get("commit") or {}
    here = machine.describe().get("commit") or {}
    if measured.get("sha") == here.get("sha"):
        return None
    theirs, ours = (str(of.get("sha"))[:10] for of in (measured, here))
    return (
        f"measured by commit {theirs}, graded by {ours}: "
        "where a metric's definition changed between them, its figures differ for that reason"
    )


def same(a: float | None, b: float | None) -> bool:
    """True if two figures differ by rounding at most; two that are missing are the same."""
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=SAME_VALUE, abs_tol=1e-6) or (a != a and b != b)


def _told(row: MetricRow) -> str:
    value = "none" if row.value is None else f"{row.value:g} {row.unit}"
    return value if row.valid else f"{value} (not valid)"
