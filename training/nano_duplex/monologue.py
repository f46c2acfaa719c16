"""Turn-taking by the inner monologue alone: the definitions of the table of metrics, read off
a duplex model's stream of text in place of the recording.

So what a model understood, and when it chose to speak, can be judged before it has a voice. A
figure that is read so bears the name of the metric with ``text_`` before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.metrics import turn_taking
from bench.metrics.compute import row_of
from bench.metrics.content import CUT
from bench.metrics.metric import Figure, TurnMeasure
from bench.metrics.reading import TurnReading
from bench.store.expectation import judge
from bench.store.labels import IGNORED, FixtureLabels
from bench.store.records import MetricRow, Trial
from bench.timeline.answers import Sound
from bench.timeline.critical_path import critical_path
from bench.timeline.lateness import broken_bound
from bench.timeline.replies import broken_into
from bench.timeline.timeline import Timeline, Turn
from pipelines.clock import NS_PER_MS
from pipelines.marks import Mark, StageEvent, stamp

FRAME_NS = 80 * NS_PER_MS
GAP_NS = 12 * FRAME_NS
"""Time without text that ends a reply, as in `pipelines.duplex.utterances`."""
MEANT: StageEvent = ("agent", "answer_text")
ANEW_NS = 4 * FRAME_NS
"""The same where words of the user that want an answer ended in between: what follows answers
them."""


@dataclass(frozen=True, slots=True)
class Said:
    """One reply of the inner monologue."""

    start_ns: int
    """Its first piece of text."""
    end_ns: int
    """A frame after its last one."""
    text: str


def replies_in_text(timeline: Timeline, labels: FixtureLabels | None = None) -> Iterator[Said]:
    """What the model meant to say, reply by reply, by time.

    Args:
        timeline: Of a trial.
        labels: Say which turns want no answer: a backchannel that ends between two words of a reply
            does not part it. Without them every turn counts.
    """
    offs = [turn.u_off_ns for turn in timeline.turns if _wants_answer(turn, labels)]
    pieces: list[tuple[int, str]] = []
    for mark in timeline.all("duplex", "text"):
        if pieces:
            last = pieces[-1][0]
            pause = mark.t_ns - last
            answers = pause >= ANEW_NS and any(last < off <= mark.t_ns for off in offs)
            if pause >= GAP_NS or answers:
                yield _said(pieces)
                pieces = []
        pieces.append((mark.t_ns, mark.text or ""))
    if pieces:
        yield _said(pieces)


def _wants_answer(turn: Turn, labels: FixtureLabels | None) -> bool:
    wanted = None if labels is None else labels.of(turn.number)
    return wanted is None or wanted.event not in IGNORED


def _said(pieces: Sequence[tuple[int, str]]) -> Said:
    return Said(pieces[0][0], pieces[-1][0] + FRAME_NS, "".join(t for _, t in pieces).strip())


def as_text(timeline: Timeline, said: Sequence[Said]) -> Timeline:
    """The trial as if its text were what was heard."""
    sounds = tuple(Sound(reply.start_ns, reply.end_ns) for reply in said)
    turns = tuple(
        replace(turn, silence=None, marks=tuple(_meant(turn, said))) for turn in timeline.turns
    )
    return replace(timeline, turns=turns, sounds=sounds, replies=sounds)


def _meant(turn: Turn, said: Sequence[Said]) -> Iterator[Mark]:
    """A turn's marks, with what was meant in it taken from the text's own replies."""
    yield from (mark for mark in turn.marks if (mark.stage, mark.event) != MEANT)
    for reply in _begun_in(turn, said):
        yield stamp(*MEANT, t_ns=reply.start_ns, turn=turn.number, text=reply.text)


MEASURES: Mapping[str, TurnMeasure] = {
    "takeover_strict": turn_taking.takeover(strict=True),
    "pauses": turn_taking.pauses,
    "pause_onsets": turn_taking.pause_onsets,
    "false_interruption": turn_taking.false_interruption,
    "barge_in_stop": turn_taking.barge_in_stop,
    "barge_in_censored": turn_taking.barge_in_censored,
}
"""What is read off the text as it is off the recording."""
UNITS = {"success": "%", "takeover_strict": "%", "false_interruption": "%"}


def text_success(turn: Turn, said: Sequence[Said], labels: FixtureLabels | None) -> Figure:
    """100 if the text of the replies that began in the turn names all that a right answer does."""
    wanted = None if labels is None else labels.of(turn.number)
    if wanted is None or not wanted.expect.slots or not wanted.expect.respond:
        return Figure(None, "the fixture does not say what a right answer names")
    if wanted.event in IGNORED:
        return Figure(None, f"a {wanted.event} wants no answer")
    text = text_of(turn, said)
    if not text:
        return Figure(0.0, "no text")
    verdict = judge(wanted.expect, text)
    if verdict.right:
        return Figure(100.0)
    wrong = [f"lacks {slot}" for slot in verdict.missing]
    wrong += [f"says {wording!r}" for wording in verdict.forbidden]
    return Figure(0.0, ", ".join(wrong))


def text_of(turn: Turn, said: Sequence[Said]) -> str:
    """The text of the replies that began in a turn."""
    return " ".join(reply.text for reply in _begun_in(turn, said))


def _begun_in(turn: Turn, said: Sequence[Said]) -> list[Said]:
    until = turn.end_ns
    return [s for s in said if s.start_ns >= turn.u_on_ns and (until is None or s.start_ns < until)]


def text_rows(
    trial: Trial, timeline: Timeline, labels: FixtureLabels | None
) -> Iterator[MetricRow]:
    """The figures of a trial's text stream, as rows; none of what is no duplex model."""
    if not timeline.all("duplex", "frame_in"):
        return
    said = tuple(replies_in_text(timeline, labels))
    written = as_text(timeline, said)
    broken = broken_bound(timeline)
    for number in range(trial.turns):
        turn = written.turn(number)
        wanted = None if labels is None else labels.of(number)
        if turn is None:  # never spoken: of what it wanted, nothing was done
            asked = wanted is not None and wanted.expect.slots and wanted.expect.respond
            unspoken = Figure(0.0 if asked else None, "the turn was not spoken")
            yield _row(trial, number, "success", unspoken, None)
            continue
        path = critical_path(turn, timeline.chunks, trial.rate_hz)
        view = TurnReading(written, turn, path, wanted)
        succeeded = text_success(turn, said, labels)
        if broken_into(written, turn):
            succeeded = Figure(None, CUT)
        yield _row(trial, number, "success", succeeded, broken)
        for name, read in MEASURES.items():
            yield _row(trial, number, name, read(view), broken)


def _row(trial: Trial, turn: int, name: str, figure: Figure, invalid: str | None) -> MetricRow:
    return row_of(trial, turn, f"text_{name}", UNITS.get(name, ""), figure, invalid)
