"""A run while it goes on: its figures so far, by the same rules as its report's.

Each trial is computed once, when it is on disk; a trial that is being played is not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.metrics.compute import compute_trial
from bench.stats.format import number, percent, with_interval
from bench.store.atomic import StoreError
from bench.store.records import ENDED_WELL, MetricRow, Trial
from bench.store.store import Run, read_more
from bench.summary.colours import look
from bench.summary.summary import PresetSummary, summarise

LATEST = 30
"""Number of trials that are listed, the newest first."""


@dataclass(frozen=True, slots=True)
class Card:
    """A preset's figures so far, as texts."""

    preset: str
    colour: int
    weights: str
    p50: str
    """With its interval, ms."""
    slowest: str
    slow: str
    """Turns over 1 s, of how many."""
    answered: str
    late: int
    """Number of trials in which the measuring side was late."""


@dataclass(frozen=True, slots=True)
class Played:
    """A trial that was played."""

    trial_id: str
    preset: str
    colour: int
    status: str
    is_bad: bool
    took: str
    """Voice to voice of each of its turns, ms."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A run so far."""

    trials: int
    """Number of trials on disk, without warm-ups."""
    planned: int | None
    """Number of trials in its plan; None where it does not say."""
    cards: tuple[Card, ...] = ()
    latest: tuple[Played, ...] = ()


class Live:
    """One run that goes on.

    Args:
        path: Its folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._trials: dict[str, Trial] = {}
        self._rows: dict[str, list[MetricRow]] = {}
        self._last = Standing(0, None)

    def standing(self) -> Standing:
        """The run as it is on disk now; empty before its first trial.

        Raises:
            StoreError: a file is damaged.
        """
        if not any((self._path / name).exists() for name in ("parts", "trials.parquet")):
            return Standing(0, None)
        more = read_more(self._path, self._trials)
        new = [trial for trial in more.trials if trial.trial_id not in self._trials]
        if not new:
            return self._last
        for trial in new:
            self._trials[trial.trial_id] = trial
            self._rows[trial.trial_id] = _rows(more, trial)
        run = Run(self._path, more.info, tuple(self._trials.values()), {})
        rows = [row for of in self._rows.values() for row in of]
        measured = [trial for trial in run.trials if not trial.warmup]
        newest = list(reversed(measured))[:LATEST]
        self._last = Standing(
            len(measured),
            _planned(run.info),
            tuple(_card(p, measured) for p in summarise(run, rows).presets),
            tuple(_played(trial, self._rows[trial.trial_id]) for trial in newest),
        )
        return self._last


def _rows(run: Run, trial: Trial) -> list[MetricRow]:
    """A trial's metrics; none where its recording is not readable."""
    try:
        recording = run.recording(trial)
    except StoreError:
        return []
    marks, labels = run.marks(trial.trial_id), run.labels(trial.fixture)
    return compute_trial(trial, marks, recording, labels)


def _planned(info: Any) -> int | None:
    plan = info.get("plan")
    if not isinstance(plan, dict) or plan.get("only"):
        return None
    try:
        return len(plan["fixtures"]) * len(plan["presets"]) * int(plan["repeats"])
    except (KeyError, TypeError, ValueError):
        return None


def _card(p: PresetSummary, measured: Sequence[Trial]) -> Card:
    own = [trial for trial in measured if trial.preset == p.preset]
    return Card(
        p.preset,
        look(p.preset).colour,
        p.weights,
        "no figures: synthetic weights" if p.weights == "synthetic" else with_interval(p.p50),
        number(p.slowest_ms),
        f"{p.slow_answers} of {len(p.values)}",
        f"{p.answered} of {p.turns} ({percent(p.answered / p.turns if p.turns else None)})",
        sum(t.status == "ruler_late" for t in own),
    )


def _played(trial: Trial, rows: list[MetricRow]) -> Played:
    took = [number(row.value) for row in rows if row.metric == "voice_to_voice"]
    return Played(
        trial.trial_id,
        trial.preset,
        look(trial.preset).colour,
        trial.status,
        trial.status not in ENDED_WELL,
        ", ".join(took) or number(None),
    )
