"""A known cause of lost time: a row of the table of causes, and what shows it in a turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from bench.store.records import MetricRow, Trial
from bench.timeline.critical_path import Path
from bench.timeline.timeline import Timeline, Turn
from bench.timeline.utterances import NO_CONTENT, Content
from pipelines.clock import NS_PER_MS

Loses = Literal["answer", "stop", "figure"]
"""What the lost milliseconds are part of. ``answer``: of voice to voice. ``stop``: of the time in
which the agent yields to the user. ``figure``: of nothing; voice to voice shows that much too
little."""
LOSES: tuple[Loses, ...] = get_args(Loses)


@dataclass(frozen=True, slots=True)
class Case:
    """One turn that the user spoke, as the detectors of causes see it."""

    timeline: Timeline
    """The trial."""
    turn: Turn
    """The turn."""
    path: Path
    """The turn's critical path, whole or not."""
    content: Content = NO_CONTENT
    """The utterance that answers the turn, and the fillers before it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What shows that a turn has a cause."""

    lost_ms: float
    """What it cost, ms; above 0."""
    detail: str = ""
    """What was seen, in a few words: ``probability 0.03``."""


@dataclass(frozen=True, slots=True)
class InRun:
    """Evidence that only the run as a whole shows, and its turn."""

    trial_id: str
    turn: int
    evidence: Evidence


OnTurn = Callable[[Case], Evidence | None]
"""The evidence of one turn; None if the turn does not have the cause."""
OnRun = Callable[[Sequence[Trial], Sequence[MetricRow]], Iterable[InRun]]
"""The evidence among a run's trials and the metrics of all of them."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A row of `bench.causes.table.CAUSES`."""

    name: str
    """Name in the column ``cause``."""
    short: str
    """What happened, in a few words, for a table: ``smart-turn said incomplete``."""
    sentence: str
    """What happened, and why it costs time: one sentence."""
    mend: str
    """What to change, in one sentence."""
    shown_by: str
    """The marks that show it, and how its milliseconds are counted."""
    versions: str
    """The software, with the version, in which it was seen."""
    source: str
    """Where that can be read or was found out."""
    loses: Loses = "answer"
    """What the lost milliseconds are part of."""
    on_turn: OnTurn | None = None
    """Detector on one turn; exactly one of the two is given."""
    on_run: OnRun | None = None
    """Detector on a whole run."""


def in_ms(ns: int) -> float:
    """Nanoseconds as milliseconds."""
    return ns / NS_PER_MS


# What the detectors share

LEAST_MS = 50.0
"""Least wait that is named, ms: below it lies what a busy event loop does by itself."""
PIPECAT = "pipecat-ai 1.14.0: pipecat"
"""Where Pipecat's files lie, for `Cause.source`: the package and its folder."""


def since(
    start_ns: int | None, end_ns: int | None, detail: str, least_ms: float = LEAST_MS
) -> Evidence | None:
    """The wait from one time to another; None if it is not worth a name, or not marked."""
    if start_ns is None or end_ns is None:
        return None
    waited_ms = in_ms(end_ns - start_ns)
    return Evidence(waited_ms, detail) if waited_ms >= least_ms else None


def voice_rate_hz(case: Case) -> float | None:
    """Rate of the answer's audio as it leaves the synthesiser; None where it is not marked.

    It is marked when the pipeline pushes the audio, which may be after its making was.
    """
    until_ns = case.path.write
    rates = [m for m in case.timeline.all("tts", "rate") if until_ns is None or m.t_ns <= until_ns]
    return rates[-1].value if rates else None
