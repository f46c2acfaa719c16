"""The known causes of a run's turns, as the page's turn panel shows them."""

from __future__ import annotations

from collections.abc import Sequence

from bench.causes.table import BY_NAME
from bench.report.page.turns import Causes, KnownCause
from bench.report.text.causes import OF
from bench.store.records import CauseRow
from bench.summary.causes import of_turns


def known_causes(rows: Sequence[CauseRow]) -> Causes:
    """(trial id, turn) → its causes, the largest loss first; those that this program knows.

    Args:
        rows: The run's table of causes.
    """
    known = [row for row in rows if row.cause in BY_NAME]
    return {key: tuple(map(_shown, of)) for key, of in of_turns(known).items()}


def _shown(row: CauseRow) -> KnownCause:
    cause = BY_NAME[row.cause]
    of = "" if cause.loses == "answer" else OF[cause.loses]
    seen = ", ".join(filter(None, (row.detail, of)))
    return KnownCause(row.lost_ms, cause.sentence, cause.mend, seen)
