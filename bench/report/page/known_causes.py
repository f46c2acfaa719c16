"""The known causes of a run's turns, as the page's turn panel shows them."""

from __future__ import annotations

from bench.causes.table import BY_NAME
from bench.report.page.turns import Causes, KnownCause
from bench.report.text.causes import OF
from bench.store.records import CauseRow
from bench.store.store import Run, read_causes
from bench.summary.causes import of_turns


def known_causes(run: Run) -> Causes:
    """(trial id, turn) → its causes, the largest loss first; none of a run that holds no table.

    Raises:
        StoreError: the table is damaged or newer than this program.
    """
    rows = [row for row in read_causes(run.path) or () if row.cause in BY_NAME]
    return {key: tuple(map(_shown, of)) for key, of in of_turns(rows).items()}


def _shown(row: CauseRow) -> KnownCause:
    cause = BY_NAME[row.cause]
    of = "" if cause.loses == "answer" else OF[cause.loses]
    seen = ", ".join(filter(None, (row.detail, of)))
    return KnownCause(row.lost_ms, cause.sentence, cause.mend, seen)
