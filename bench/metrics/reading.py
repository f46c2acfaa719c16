"""A trial read once: its timeline, frames, critical paths, labels, and why figures are invalid.

`read_trial` computes all of it in one pass, and every metric reads from the result. Nothing in it
changes afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.metrics.validity import (
    VALID,
    Invalidations,
    not_understood,
    too_early,
    trial_failure,
)
from bench.store.labels import FixtureLabels, TurnLabels
from bench.store.recording import Stereo
from bench.store.records import Trial
from bench.timeline.content.path import ContentPath, content_path
from bench.timeline.critical_path import Path, critical_path
from bench.timeline.frames import Frames, sessions
from bench.timeline.lateness import Latenesses, broken_bound, latenesses
from bench.timeline.mark_order import check_order
from bench.timeline.playout import underruns_ns
from bench.timeline.timeline import Timeline, Turn, in_time, reconstruct
from bench.timeline.utterances import NO_CONTENT, Content, answer_text, content
from pipelines.marks import Mark


@dataclass(frozen=True, slots=True)
class TurnReading:
    """One turn that the user spoke."""

    timeline: Timeline
    """The trial."""
    turn: Turn
    """The turn."""
    path: Path
    """The turn's critical path, whole or not."""
    labels: TurnLabels | None
    """Labels of the turn; None where the run holds none."""
    content: Content = NO_CONTENT
    """The utterance that answers the turn, and the fillers before it."""
    content_path: ContentPath | None = None
    """The path to that utterance; None where no filler went before it."""
    invalid: Invalidations = VALID
    """Faults that invalidate figures of the turn."""

    @property
    def number(self) -> int:
        """The turn's number, from 0."""
        return self.turn.number


@dataclass(frozen=True, slots=True)
class UnspokenTurn:
    """One turn of the fixture that was never spoken, because the trial ended before."""

    number: int
    """The turn's number, from 0."""
    trial: Trial
    """The trial."""
    labels: TurnLabels | None
    """Labels of the turn; None where the run holds none."""
    is_listened: bool
    """True if a recogniser has listened to the trial."""


@dataclass(frozen=True, slots=True)
class TrialReading:
    """One trial, with all that its metrics are read from."""

    timeline: Timeline
    """The trial's events, turn by turn."""
    labels: FixtureLabels | None
    """Labels of the trial's fixture; None where the run holds none."""
    sessions: Sequence[Frames]
    """Sessions of a duplex model, frame by frame; none of other agents."""
    late: Latenesses
    """Lateness of the caller's mouth and ear, and the agent's loop lag."""
    underruns_ns: Sequence[int]
    """The length of each underrun, ns."""
    turns: Sequence[TurnReading | UnspokenTurn]
    """Every turn of the fixture, in order."""
    invalid: Invalidations
    """Faults that invalidate figures of the whole trial."""

    @property
    def trial(self) -> Trial:
        """The trial's row."""
        return self.timeline.trial

    @property
    def paced(self) -> list[Frames]:
        """The sessions with the user's audio in real time."""
        return [frames for frames in self.sessions if not frames.is_unpaced]


def read_trial(
    trial: Trial, marks: Sequence[Mark], recording: Stereo | None, labels: FixtureLabels | None
) -> TrialReading:
    """Reads a trial.

    Args:
        trial: Its row.
        marks: Its marks, in any order.
        recording: (n, 2) int16 at ``trial.rate_hz``; None if there is none.
        labels: Labels of its fixture; None refuses metrics that need the words.

    Raises:
        MarkOrderError: an effect is marked before its cause.
    """
    ordered = in_time(marks)
    check_order(trial.trial_id, marks, ordered.events)
    timeline = reconstruct(trial, ordered, recording)
    late = latenesses(timeline)
    invalid = Invalidations(ruler=broken_bound(timeline, late), end=trial_failure(trial))
    return TrialReading(
        timeline=timeline,
        labels=labels,
        sessions=tuple(sessions(timeline.marks, trial.t0_ns)),
        late=late,
        underruns_ns=tuple(underruns_ns(timeline)),
        turns=tuple(_read_turns(timeline, labels, invalid)),
        invalid=invalid,
    )


def _read_turns(
    timeline: Timeline, labels: FixtureLabels | None, of_trial: Invalidations
) -> list[TurnReading | UnspokenTurn]:
    trial, spoken = timeline.trial, {turn.number: turn for turn in timeline.turns}
    is_listened = bool(timeline.all("ear", "transcript"))
    found: list[TurnReading | UnspokenTurn] = []
    for number in range(trial.turns):
        turn, own = spoken.get(number), None if labels is None else labels.of(number)
        if turn is None:
            found.append(UnspokenTurn(number, trial, own, is_listened))
            continue
        path = critical_path(turn, timeline.chunks, trial.rate_hz)
        said = content(timeline, turn, () if labels is None else labels.fillers)
        # Also turns answered before the failure: a dying stage gives no time to compare.
        why = (
            of_trial.end
            or turn.doubt
            or too_early(turn)
            or not_understood(turn, own, trial, answer_text(turn, said, path.llm_id))
        )
        invalid = Invalidations(of_trial.ruler, of_trial.end, why)
        to_content = content_path(timeline, turn, said)
        found.append(TurnReading(timeline, turn, path, own, said, to_content, invalid))
    return found
