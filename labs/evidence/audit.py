"""Does a run agree with itself? Marks, recording, figures and the fixture's audio, compared.

Each test looks for one way of changing a run after it was measured. Findings are named, trial by
trial; a person judges them. A run that was invented as a whole, with marks, audio and figures that
fit, can't be distinguished from a measured one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench.store import store
from bench.store.records import MetricRow
from labs.evidence.agent import agent_channel
from labs.evidence.figures import figures, other_version
from labs.evidence.finding import Finding, FindingKind
from labs.evidence.row import clocks, in_order, row_agrees
from labs.evidence.trial import Evidence
from labs.evidence.user import fixture_labels, user_channel

TESTS: tuple[tuple[FindingKind, Callable[[Evidence], Iterator[str]]], ...] = (
    ("row", row_agrees),
    ("order", in_order),
    ("fixture", fixture_labels),
    ("user", user_channel),
    ("agent", agent_channel),
)
"""Kind of finding → the test of one trial that may yield it."""


def audit(run: store.Run, rows: Sequence[MetricRow], stored: Sequence[MetricRow]) -> list[Finding]:
    """All contradictions within one run.

    Args:
        run: The run.
        rows: Its metrics, computed again from marks and recordings.
        stored: The metrics in its ``metrics.parquet``.
    """
    name = run.path.name
    found = [Finding(name, *f) for f in figures(rows, stored)]
    if found and (why := other_version(run)):
        found.append(Finding(name, "", "figure", why))
    found += [Finding(name, *f) for f in clocks(run)]
    for trial in run.trials:
        evidence = Evidence(run, trial, run.marks(trial.trial_id), run.recording(trial))
        for kind, test in TESTS:
            found += [Finding(name, trial.trial_id, kind, text) for text in test(evidence)]
    return found
