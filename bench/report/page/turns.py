"""Turns and trials as the page's script needs them: what was said, heard and meant, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bench.metrics.validity import NOT_EXPECTED, SYNTHETIC
from bench.report.page.audio import Envelope, envelope
from bench.report.page.lanes import (
    Event,
    Moment,
    Span,
    clock_of,
    critical,
    events,
    moments,
    words,
    work,
)
from bench.store.atomic import StoreError
from bench.store.labels import TurnLabels
from bench.store.recording import Stereo
from bench.store.records import MetricRow, Trial
from bench.store.store import Run
from bench.summary.network import network_line
from bench.timeline.critical_path import critical_path
from bench.timeline.frames import Frames, sessions
from bench.timeline.timeline import Timeline, Turn, reconstruct
from pipelines.kinds import Kind
from pipelines.marks import EventName, Mark

LEAD_MS, TAIL_MS = 300.0, 600.0
"""Time that a turn's window shows before the user begins and after the agent has ended."""
CardStatus = Literal["valid", "invalid", "silent", "refused", "unasked"]
STATUSES: dict[CardStatus, str] = {
    "valid": "valid",
    "invalid": "not valid",
    "silent": "no answer",
    "refused": "refused",
    "unasked": "no answer expected",
}
"""Statuses of a turn in the statistics, and their names."""
FRAME_COLUMNS: tuple[EventName, ...] = (
    "start",
    "encoded",
    "stepped",
    "decode_start",
    "done",
    "frame_out",
)


@dataclass(frozen=True, slots=True)
class KnownCause:
    """A known cause of lost time in a turn."""

    lost_ms: float
    sentence: str
    """What happened, and why it costs time."""
    mend: str
    detail: str
    """What was seen, in a few words; may be empty."""


Causes = Mapping[tuple[str, int], Sequence[KnownCause]]
"""(trial id, turn) → its causes."""


@dataclass(frozen=True, slots=True)
class TurnCard:
    """One turn. Times are ms after the recording's first sample."""

    trial: int
    """Index among the run's cards of trials."""
    turn: int
    status: CardStatus
    reason: str
    """Why it is not valid or has no figure; otherwise empty."""
    v2v: float | None
    """voice_to_voice, ms."""
    logged: float | None
    """voice_to_voice by the event log, ms."""
    said: str
    """The user's words; empty without labels."""
    heard: str
    """The recogniser's transcript."""
    answer: str
    """The words that the agent meant to say."""
    wer: float | None
    success: float | None
    verdict: str
    """The fault of the answer."""
    network: str
    """What a simulated network did to it; empty without one."""
    window: tuple[float, float]
    u_on: float | None = None
    u_off: float | None = None
    a_on: float | None = None
    a_off: float | None = None
    missing: str | None = None
    """The first mark that the critical path lacks."""
    critical: Sequence[Span] = ()
    work: Sequence[Span] = ()
    moments: Sequence[Moment] = ()
    words: Sequence[tuple[float, str]] = ()
    events: Sequence[Event] = ()
    causes: Sequence[KnownCause] = ()
    """What is known to have made it late, the largest loss first."""


@dataclass(frozen=True, slots=True)
class TrialCard:
    """One trial: what its turns have in common."""

    trial_id: str
    preset: str
    fixture: str
    repeat: int
    kind: Kind
    length_ms: float
    envelope: Envelope | None
    frames: Mapping[str, Sequence[float | None]] | None
    """For a duplex model: event → its times for each frame that was begun, ms."""
    problem: str
    """Why there is nothing to hear; empty where there is a recording."""


@dataclass(frozen=True, slots=True)
class Cards:
    """A run's turns, and the recordings to be played with them."""

    trials: tuple[TrialCard, ...]
    turns: tuple[TurnCard, ...]


Take = Callable[[Trial, Sequence[Mark], Stereo | None], None]
"""Takes each trial's marks and recording once, while they are in memory."""
Tell = Callable[[int, int, str], None]
"""Takes progress: trials done, trials in all, and the next one's name."""


def cards(
    run: Run, rows: Sequence[MetricRow], take: Take, tell: Tell, causes: Causes | None = None
) -> Cards:
    """Puts the turns of a run's trials together; warm-ups are left out.

    Args:
        run: The run.
        rows: Its metrics.
        take: Takes each trial's marks and recording.
        tell: Takes progress.
        causes: The causes known of its turns.
    """
    known = causes or {}
    of_turn: dict[str, dict[int, dict[str, MetricRow]]] = {}
    for row in rows:
        if row.turn >= 0:
            of_turn.setdefault(row.trial_id, {}).setdefault(row.turn, {})[row.metric] = row
    trials, turns = [], []
    measured = [trial for trial in run.trials if not trial.warmup]
    for index, trial in enumerate(measured):
        tell(index, len(measured), trial.trial_id)
        recording, problem = _recording(run, trial)
        marks = run.marks(trial.trial_id)
        take(trial, marks, recording)
        timeline = reconstruct(trial, marks, recording)
        trials.append(_trial_card(trial, timeline, recording, problem))
        labels = run.labels(trial.fixture)
        for number, found in sorted(of_turn.get(trial.trial_id, {}).items()):
            label = labels.turns[number] if labels and number < len(labels.turns) else None
            card = _turn_card(index, number, timeline, found, label)
            turns.append(replace(card, causes=known.get((trial.trial_id, number), ())))
    tell(len(measured), len(measured), "")
    return Cards(tuple(trials), tuple(turns))


def _recording(run: Run, trial: Trial) -> tuple[Stereo | None, str]:
    """A trial's recording, or why it can't be read: a missing one must not cost the page."""
    try:
        recording = run.recording(trial)
    except StoreError as error:
        return None, str(error)
    if recording is None or len(recording) == 0:
        return None, "nothing was recorded"
    return recording, ""


def _trial_card(
    trial: Trial, timeline: Timeline, recording: Stereo | None, problem: str
) -> TrialCard:
    paced = [f for f in sessions(timeline.marks, trial.t0_ns) if not f.is_unpaced]
    samples = 0 if recording is None else len(recording)
    return TrialCard(
        trial.trial_id,
        trial.preset,
        trial.fixture,
        trial.repeat,
        trial.kind,
        round(samples / trial.rate_hz * 1000, 2) if samples else trial.audio_s * 1000,
        None if recording is None else envelope(recording, trial.rate_hz),
        _frames(paced) if paced else None,
        problem,
    )


def _frames(paced: Sequence[Frames]) -> dict[str, list[float | None]]:
    table = {name: np.concatenate([f.at_ms[name] for f in paced]) for name in FRAME_COLUMNS}
    begun = np.isfinite(table["start"])
    return {
        name: [round(ms, 1) if np.isfinite(ms) else None for ms in column[begun].tolist()]
        for name, column in table.items()
    }


def _status(row: MetricRow) -> CardStatus:
    if row.reason == SYNTHETIC:
        return "refused"
    if row.reason == NOT_EXPECTED:
        return "unasked"
    if not row.valid:
        return "invalid"
    return "silent" if row.value is None else "valid"


def _turn_card(
    trial: int,
    number: int,
    timeline: Timeline,
    rows: Mapping[str, MetricRow],
    label: TurnLabels | None,
) -> TurnCard:
    heard = rows["voice_to_voice"]
    said = label.text if label else ""
    turn = timeline.turn(number)

    def value(metric: str) -> float | None:
        return rows[metric].value if metric in rows else None

    judged = rows.get("task_success")
    wrong = judged is not None and judged.value is not None and judged.value <= 50
    card = TurnCard(
        trial=trial,
        turn=number,
        status=_status(heard),
        reason=heard.reason or "",
        v2v=heard.value,
        logged=value("voice_to_voice_logged"),
        said=said,
        heard="",
        answer="",
        wer=value("stt_wer"),
        success=value("task_success"),
        verdict=(judged.reason or "") if judged is not None and wrong else "",
        network="" if turn is None else network_line(timeline, turn, rows),
        window=(0.0, timeline.trial.audio_s * 1000),
    )
    return card if turn is None else _spoken(card, timeline, turn)


def _spoken(card: TurnCard, timeline: Timeline, turn: Turn) -> TurnCard:
    """The card of a turn that was spoken, as far as it is known."""
    trial = timeline.trial
    at = clock_of(trial.t0_ns)
    path = critical_path(turn, timeline.chunks, trial.rate_hz)
    last = [at(turn.u_off_ns) + 1000.0]
    last += [at(t) for t in (turn.a_on_ns, turn.a_off_ns) if t is not None]
    end = max(last) + TAIL_MS
    if turn.end_ns is not None:
        end = min(end, at(turn.end_ns))
    return replace(
        card,
        heard=turn.transcript,
        answer=turn.answer_of(path.llm_id) or "",
        window=(max(0.0, at(turn.u_on_ns) - LEAD_MS), min(end, trial.audio_s * 1000 or end)),
        u_on=at(turn.u_on_ns),
        u_off=at(turn.u_off_ns),
        a_on=None if turn.a_on_ns is None else at(turn.a_on_ns),
        a_off=None if turn.a_off_ns is None else at(turn.a_off_ns),
        missing=None if trial.kind in ("duplex", "speech") else path.missing,
        critical=critical(path, at) if path.missing is None else (),
        work=work(turn, at),
        moments=moments(turn, at),
        words=words(turn, at),
        events=events(timeline, turn, path),
    )
