"""The duplex presets of a run in one look: what a frame costs, and whether the model keeps up.

A conversation is the unit, because consecutive frames are alike: a figure is the median, over the
valid trials, of each trial's figure. Where some trials are long enough for a p99, it is of these
alone, so that all figures of a row describe the same conversations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import overload

from bench.metrics.metric import Over
from bench.store.records import MetricRow, Trial
from bench.store.store import Run
from bench.summary.headlines import Column, columns, figure_key
from bench.timeline.frame_times import STAGES
from bench.timeline.frames import Frames, sessions
from pipelines.kinds import Weights

WHOLE: frozenset[Over] = frozenset(("largest", "sum"))
"""Figures that are of all trials, however short."""
MIDDLE: Mapping[Over, Callable[[Sequence[float]], float]] = {
    "median": median,
    "mean": fmean,
    "largest": max,
    "sum": sum,
}
"""Rules that make a preset's figure from its trials' figures."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One paced session, frame by frame, for the pictures."""

    trial_id: str
    fixture: str
    frames: Frames


class Conversations(Sequence[Conversation]):
    """Sessions of the valid trials, the longest first; read when they are first looked at.

    Pictures need them, tables don't, and they are most of a run's marks.
    """

    def __init__(self, run: Run, trials: Sequence[Trial], rows: Sequence[MetricRow]) -> None:
        valid = {row.trial_id for row in rows if row.metric == "deadline_miss" and row.valid}
        self._run = run
        self._trials = [trial for trial in trials if trial.trial_id in valid]
        self._found: tuple[Conversation, ...] | None = None

    def _read(self) -> tuple[Conversation, ...]:
        if self._found is None:
            found = [
                Conversation(trial.trial_id, trial.fixture, frames)
                for trial in self._trials
                for frames in sessions(self._run.marks(trial.trial_id), trial.t0_ns)
                if not frames.is_unpaced
            ]
            self._found = tuple(sorted(found, key=lambda one: -len(one.frames)))
        return self._found

    def __len__(self) -> int:
        return len(self._read())

    @overload
    def __getitem__(self, index: int) -> Conversation: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Conversation]: ...

    def __getitem__(self, index: int | slice) -> Conversation | Sequence[Conversation]:
        return self._read()[index]


@dataclass(frozen=True, slots=True)
class DuplexSummary:
    """One duplex preset. Times are in ms; None where there is no such figure."""

    preset: str
    weights: Weights
    trials: int
    """Number of trials, without warm-ups."""
    frames: int
    """Number of input frames of these trials, all of them."""
    unpaced: bool
    """True where the service time is that of unpaced sessions, which were fed all at once; else it
    is that of frames of a conversation that had to wait."""
    figures: Mapping[str, float | None]
    """Key of a column of the tables ``frames`` and ``conversation`` → its figure."""
    drift_not_valid: bool
    """True where a trial was long enough, but is not valid."""
    ramp: bool
    """True where any trial's drift is a ramp."""
    bimodal: bool
    """True where the service time has more than one mode."""
    dropped: int
    lost: int
    doubled: int
    conversations: Sequence[Conversation]
    """Sessions of the valid trials, the longest first."""

    @property
    def service_p50(self) -> float | None:
        """What a frame takes, by the median."""
        return self.figures["service_p50"]

    @property
    def stages(self) -> dict[str, float | None]:
        """Stage → p50 of its own time."""
        return {stage: self.figures[figure_key("stage_p50", stage)] for stage in STAGES}

    @property
    def backlog_max(self) -> float | None:
        """Largest backlog of any trial."""
        return self.figures["backlog_max"]

    @property
    def drift(self) -> float | None:
        """Ms per second; None where no trial was long enough."""
        return self.figures["drift"]

    @property
    def verdict(self) -> str:
        """The verdict in a word or two."""
        said = [word for word, is_so in (("ramp", self.ramp), ("bimodal", self.bimodal)) if is_so]
        if said:
            return ", ".join(said)
        if self.drift is not None:
            return "steady"
        return "not valid" if self.drift_not_valid else "too short"


def summarise_duplex(run: Run, rows: Sequence[MetricRow]) -> tuple[DuplexSummary, ...]:
    """Sums up the presets that have frames, in the order in which they were first run."""
    by_preset: dict[str, list[MetricRow]] = {}
    for row in rows:
        by_preset.setdefault(row.preset, []).append(row)
    return tuple(
        _preset(run, name, by_preset[name])
        for name in dict.fromkeys(trial.preset for trial in run.trials)
        if any(row.metric == "frames_in" for row in by_preset.get(name, ()))
    )


def _preset(run: Run, name: str, rows: Sequence[MetricRow]) -> DuplexSummary:
    found: dict[tuple[str, str | None], list[float]] = {}
    of_long: dict[tuple[str, str | None], list[float]] = {}
    long = {
        r.trial_id
        for r in rows
        if r.metric == "inter_frame_p99" and r.value is not None and r.valid
    }
    for row in rows:
        # The unpaced session of a cold start is in the warm-up trial, as a rule.
        if row.valid and row.value is not None and (not row.warmup or row.subject == "unpaced"):
            found.setdefault((row.metric, row.subject), []).append(row.value)
            if row.trial_id in long and not row.warmup:
                of_long.setdefault((row.metric, row.subject), []).append(row.value)

    def total(metric: str) -> int:
        return round(sum(found.get((metric, None), ())))

    has_unpaced = ("service_p50", "unpaced") in found
    of_unpaced = {row.metric for row in rows if row.subject == "unpaced"} if has_unpaced else set()

    def figure(column: Column) -> float | None:
        key = (column.metric, "unpaced" if column.metric in of_unpaced else column.subject)
        of_all = found.get(key, [])
        values = of_all if column.over in WHOLE else of_long.get(key, of_all)
        return float(MIDDLE[column.over](values)) if values else None

    measured = [t for t in run.trials if t.preset == name and not t.warmup]
    return DuplexSummary(
        preset=name,
        weights=rows[0].weights,
        trials=len(measured),
        frames=total("frames_in"),
        unpaced=has_unpaced,
        figures={c.key: figure(c) for c in (*columns("frames"), *columns("conversation"))},
        drift_not_valid=any(
            r.metric == "drift" and r.value is not None and not r.valid and not r.warmup
            for r in rows
        ),
        ramp=any(found.get(("ramp", None), ())),
        bimodal=_bimodal(rows),
        dropped=total("dropped_frames"),
        lost=total("lost_frames"),
        doubled=total("doubled_frames"),
        conversations=Conversations(run, measured, rows),
    )


def _bimodal(rows: Sequence[MetricRow]) -> bool:
    """True where a trial's service time has two modes: of unpaced sessions, where there are any.

    Warm-ups do not count, for the first frames of a cold model are a mode of their own.
    """
    of = [r for r in rows if r.metric == "bimodal" and r.valid and not r.warmup]
    unpaced = [r for r in of if r.subject == "unpaced" and r.value is not None]
    return any(r.value for r in unpaced or of)
