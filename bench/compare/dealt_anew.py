"""How often a comparison of two sides raises an alarm when nothing differs between them: their
trials are dealt anew, so that which side a trial is on is chance alone.

Each fixture's trials of both sides are mixed, and each side gets as many as it had. What remains of
a difference is the scatter of one agent on one fixture, as it was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bench.compare.compare import compare
from bench.compare.pairs import Side
from bench.store.records import MetricRow, Trial
from pipelines.errors import LabError

SEED = 20261201


@dataclass(frozen=True, slots=True)
class Dealt:
    """The comparisons of sides that were dealt anew."""

    samples: int
    """Number of them."""
    alarms: int
    """Number of those in which any metric was called faster, slower, better or worse."""
    by_metric: Mapping[str, int]
    """Metric → number of those in which it was."""


def deal(base: Side, candidate: Side, rng: np.random.Generator) -> tuple[Side, Side]:
    """Two sides of the same trials, fixture by fixture as many on each as before.

    Args:
        base: The one side.
        candidate: The other.
        rng: Chance.
    """
    own: list[Trial] = []
    theirs: list[Trial] = []
    for fixture in sorted({trial.fixture for trial in (*base.trials, *candidate.trials)}):
        first = [trial for trial in base.trials if trial.fixture == fixture]
        every = [*first, *(trial for trial in candidate.trials if trial.fixture == fixture)]
        mixed = [every[i] for i in rng.permutation(len(every))]
        own += mixed[: len(first)]
        theirs += mixed[len(first) :]
    rows = {
        metric: (*base.rows.get(metric, ()), *candidate.rows.get(metric, ()))
        for metric in {**base.rows, **candidate.rows}
    }
    return _side(base, own, rows), _side(candidate, theirs, rows)


def _side(side: Side, trials: list[Trial], rows: Mapping[str, tuple[MetricRow, ...]]) -> Side:
    known = {(trial.run_id, trial.trial_id) for trial in trials}
    kept = {
        metric: tuple(row for row in of if (row.run_id, row.trial_id) in known)
        for metric, of in rows.items()
    }
    return replace(side, trials=tuple(trials), rows=kept, shown={})


def false_alarms(base: Side, candidate: Side, samples: int, seed: int = SEED) -> Dealt:
    """Compares two sides dealt anew, again and again.

    Args:
        base: The one side.
        candidate: The other.
        samples: Number of comparisons.
        seed: Of chance.

    Raises:
        LabError: no fixture has trials on both sides.
    """
    if not {t.fixture for t in base.trials} & {t.fixture for t in candidate.trials}:
        raise LabError(f"{base.run} and {candidate.run} share no fixture: nothing can be dealt.")
    rng = np.random.default_rng(seed)
    alarms, by_metric = 0, dict[str, int]()
    for _ in range(samples):
        (found,) = compare([deal(base, candidate, rng)])
        named = [one.compared.metric for one in found.metrics if one.direction]
        alarms += bool(named)
        for metric in named:
            by_metric[metric] = by_metric.get(metric, 0) + 1
    return Dealt(samples, alarms, by_metric)
