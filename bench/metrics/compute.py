"""From a trial, or a whole run, to the rows of its metrics. Pure.

The same marks and the same recording give the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.causes.cause import Case
from bench.causes.find import causes_of_turn
from bench.metrics.metric import Figure, Metric
from bench.metrics.reading import TrialReading, TurnReading, UnspokenTurn, read_trial
from bench.metrics.table import METRICS
from bench.metrics.validity import GROUPS
from bench.store.labels import FixtureLabels
from bench.store.recording import Stereo
from bench.store.records import CauseRow, MetricRow, Trial
from bench.store.store import Run
from pipelines.marks import Mark

OF_TRIAL = tuple((m, m.on_trial) for m in METRICS if m.on_trial is not None)
OF_TURN = tuple((m, m.on_turn) for m in METRICS if m.on_turn is not None)
WHOLE_TRIAL = -1
"""Value of the column ``turn`` for a figure of a whole trial."""


@dataclass(slots=True)
class Computed:
    """What is computed of trials."""

    metrics: list[MetricRow] = field(default_factory=list)
    causes: list[CauseRow] = field(default_factory=list)
    """The causes that turns show by themselves, see `bench.causes.find.causes_of_turn`."""


def compute(
    run: Run, fixtures: Callable[[str], FixtureLabels | None] | None = None
) -> list[MetricRow]:
    """All metrics of all trials of a run, see `with_causes`."""
    return with_causes(run, fixtures).metrics


def with_causes(
    run: Run, fixtures: Callable[[str], FixtureLabels | None] | None = None
) -> Computed:
    """Computes all metrics and the causes of all trials of a run.

    Args:
        run: The run, whole or partial.
        fixtures: Fixture name → its labels; by default those stored with the run.
    """
    labels_of, found = fixtures or run.labels, Computed()
    for trial in run.trials:
        marks, recording = run.marks(trial.trial_id), run.recording(trial)
        of_trial = trial_with_causes(trial, marks, recording, labels_of(trial.fixture))
        found.metrics += of_trial.metrics
        found.causes += of_trial.causes
    return found


def compute_trial(
    trial: Trial,
    marks: Sequence[Mark],
    recording: Stereo | None,
    labels: FixtureLabels | None,
) -> list[MetricRow]:
    """All metrics of one trial, see `trial_with_causes`."""
    return trial_with_causes(trial, marks, recording, labels).metrics


def trial_with_causes(
    trial: Trial,
    marks: Sequence[Mark],
    recording: Stereo | None,
    labels: FixtureLabels | None,
) -> Computed:
    """Computes all metrics and the causes of one trial.

    Args:
        trial: Its row.
        marks: Its marks, in any order.
        recording: (n, 2) int16 at ``trial.rate_hz``; None if there is none.
        labels: Labels of its fixture; None refuses metrics that need the words.

    Raises:
        MarkOrderError: an effect is marked before its cause.
    """
    reading = read_trial(trial, marks, recording, labels)
    found = Computed(_trial_rows(reading))
    for turn in reading.turns:
        if isinstance(turn, UnspokenTurn):
            found.metrics += _unspoken_rows(turn)
        else:
            found.metrics += _turn_rows(turn)
            case = Case(turn.timeline, turn.turn, turn.path, turn.content)
            found.causes += causes_of_turn(case)
    return found


def _trial_rows(reading: TrialReading) -> list[MetricRow]:
    rows = []
    for metric, read in OF_TRIAL:
        group = GROUPS[metric.group]
        refused, invalid = group.refusal(reading.trial), group.invalidation(reading.invalid)
        for figure in [Figure(None, refused)] if refused else read(reading):
            rows.append(_row(metric, reading.trial, WHOLE_TRIAL, figure, invalid))
    return rows


def _turn_rows(turn: TurnReading) -> list[MetricRow]:
    trial, rows = turn.timeline.trial, []
    for metric, read in OF_TURN:
        group = GROUPS[metric.group]
        refused = group.refusal(trial, turn.labels)
        figure = Figure(None, refused) if refused else read(turn)
        # What is refused on a turn is refused by the turn itself, and stays valid.
        invalid = None if refused else group.invalidation(turn.invalid)
        rows.append(_row(metric, trial, turn.number, figure, invalid))
    return rows


def _unspoken_rows(turn: UnspokenTurn) -> list[MetricRow]:
    rows = []
    for metric, _ in OF_TURN:
        refused = GROUPS[metric.group].refusal(turn.trial, turn.labels)
        figure = Figure(None, refused) if refused else metric.on_unspoken(turn)
        rows.append(_row(metric, turn.trial, turn.number, figure, None))
    return rows


def _row(metric: Metric, trial: Trial, turn: int, figure: Figure, invalid: str | None) -> MetricRow:
    return row_of(trial, turn, metric.name, metric.unit, figure, invalid)


def row_of(
    trial: Trial, turn: int, name: str, unit: str, figure: Figure, invalid: str | None
) -> MetricRow:
    """Makes a figure a row of the table.

    Args:
        trial: The figure's trial.
        turn: Its number; -1 for the whole trial.
        name: Name of the metric.
        unit: Unit of its values.
        figure: The value, or the reason why there is none.
        invalid: Why the row is not valid; None if it is.
    """
    reason = figure.reason or invalid or None
    if figure.reason and invalid:
        reason = f"{figure.reason}; {invalid}"
    return MetricRow(
        trial.run_id,
        trial.trial_id,
        trial.preset,
        trial.fixture,
        trial.repeat,
        trial.warmup,
        turn,
        name,
        figure.subject,
        figure.value,
        unit,
        invalid is None,
        reason,
        trial.weights,
    )
