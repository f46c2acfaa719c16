"""What was said: the transcript, whether the answer was right, and whether it could be heard (18).

A recogniser listens to the answers once the run is over (`bench.recorded.listener`), and its
transcripts are marks, so that the figures about what was heard can be computed again without it.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.metrics.metric import (
    Effect,
    Figure,
    Metric,
    TrialMeasure,
    TurnMeasure,
    Unit,
    UnspokenMeasure,
    not_spoken,
)
from bench.metrics.reading import TrialReading, TurnReading, UnspokenTurn
from bench.metrics.validity import NO_LABELS, NOT_EXPECTED, NOT_SPOKEN, failure
from bench.stats.word_errors import WordErrors, raw_word_errors, word_errors
from bench.store.expectation import judge
from bench.store.labels import IGNORED, WORDLESS
from bench.store.records import FAILED
from bench.timeline.replies import broken_into
from bench.timeline.timeline import NO_RECORDING
from bench.timeline.utterances import answer_text
from pipelines.marks import EventName

NOT_MARKED = "what the agent meant to say is not marked"
NOT_LISTENED = "no recogniser has listened to it: duplex-lab listen RUN"
NOT_GIVEN = "the words that were said are not given"
CUT = "the user broke into the answer"
NO_TRANSCRIPT = "the model makes no transcript"


# What the recogniser of the agent made of the user


def _no_words(reading: TurnReading) -> str | None:
    """Why the transcript of a turn is not compared with the words said."""
    if reading.labels is None:
        return NO_LABELS
    timeline = reading.timeline
    # One model that hears and speaks need not say what it heard; a recogniser that is silent errs.
    if timeline.trial.kind in ("duplex", "speech") and not timeline.all("stt", "final"):
        return NO_TRANSCRIPT
    event = reading.labels.event
    if reading.labels.written:
        return "the turn was written, not spoken"
    if event in WORDLESS:
        return f"a {event} is not asked to be recognised"
    return None if reading.labels.text else NOT_GIVEN


def _of_transcript(
    compare: Callable[[str, str], WordErrors], figure: Callable[[WordErrors], float]
) -> TurnMeasure:
    """Makes a measure of the transcript.

    Args:
        compare: How the words said and those of the transcript are compared.
        figure: What is read off the comparison.
    """

    def measure(reading: TurnReading) -> Figure:
        reason = _no_words(reading)
        if reading.labels is None or reason is not None:
            return Figure(None, reason)
        return Figure(figure(compare(reading.labels.text, reading.turn.transcript)))

    return measure


def _percent(found: WordErrors) -> float:
    return 100 * found.rate


stt_wer = _of_transcript(word_errors, _percent)
"""Word errors per word said, in %, numbers and contractions spelt alike."""
stt_wer_raw = _of_transcript(raw_word_errors, _percent)
"""The same of the words as they are spelt."""
stt_words = _of_transcript(word_errors, lambda found: float(found.words))
"""How many words the user said."""
stt_word_errors = _of_transcript(word_errors, lambda found: float(found.errors))
"""How many of them, and of those added, are wrong in the transcript."""


def success(words_of: Callable[[TurnReading], str | None], missing: str) -> TurnMeasure:
    """Makes the measure of whether the agent did what a good agent does: 100, else 0.

    Where an answer is expected, one must have been heard, and its words must be right; where none
    is, nothing may have been heard, and the silence may not be that of an agent that died. Without
    committed slots there is nothing to judge by.

    Args:
        words_of: Words of the agent's answer; None where they are unknown.
        missing: Why they are unknown.
    """
    return lambda reading: _success(reading, words_of, missing)


def _success(
    reading: TurnReading, words_of: Callable[[TurnReading], str | None], missing: str
) -> Figure:
    if reading.labels is None:
        return Figure(None, NO_LABELS)
    trial, heard = reading.timeline.trial, reading.turn.a_on_ns is not None
    if reading.turn.silence == NO_RECORDING and trial.status not in FAILED:
        return Figure(None, NO_RECORDING)
    if reading.labels.event in IGNORED:
        return Figure(None, f"a {reading.labels.event}: false_interruption judges it")
    if not reading.labels.expect.respond:
        if trial.status == "error":
            return Figure(0.0, failure(trial))
        spoke = heard or reading.turn.premature_starts > 0
        return Figure(0.0 if spoke else 100.0, "it spoke" if spoke else None)
    if not reading.labels.expect.slots:
        return Figure(None, "the fixture does not say what a right answer names")
    if not heard:
        return Figure(0.0, reading.turn.silence)
    answer = words_of(reading)
    if answer is None:
        return Figure(None, missing)
    verdict = judge(reading.labels.expect, answer)
    if verdict.right:
        return Figure(100.0)
    wrong = [f"lacks {slot}" for slot in verdict.missing]
    wrong += [f"says {wording!r}" for wording in verdict.forbidden]
    return Figure(0.0, ", ".join(wrong) or "an empty answer")


def unspoken_success(turn: UnspokenTurn) -> Figure:
    """Counts a turn that was never spoken as a failure, where there is something to judge it by."""
    labels = turn.labels
    if labels is None or (labels.expect.respond and not labels.expect.slots):
        return not_spoken(turn)
    return Figure(0.0, f"{NOT_SPOKEN} ({failure(turn.trial)})")


def answer(reading: TurnReading) -> str | None:
    """What the agent meant to say; after a filler, by the utterance that carries the answer."""
    return answer_text(reading.turn, reading.content, reading.path.llm_id)


task_success = success(answer, NOT_MARKED)
"""Success by the words that the agent meant to say."""


# What a recogniser made of the agent, as heard


def transcript(reading: TurnReading) -> str | None:
    """Transcript of the answer, empty of none; None where the recogniser has not listened."""
    marks = reading.turn.all("ear", "transcript")
    return (marks[-1].text or "") if marks else None


_by_transcript = success(transcript, NOT_LISTENED)


def heard_success(reading: TurnReading) -> Figure:
    """As task_success where an answer is wanted and was not broken into, by those words."""
    if reading.labels is not None and not reading.labels.expect.respond:
        return Figure(None, NOT_EXPECTED)
    if transcript(reading) is None:
        return Figure(None, NOT_LISTENED)
    if broken_into(reading.timeline, reading.turn):
        return Figure(None, CUT)
    return _by_transcript(reading)


def _meant_and_heard(reading: TurnReading) -> tuple[str, str] | str:
    """What was meant and its transcript; or why there is no such thing."""
    turn, timeline = reading.turn, reading.timeline
    if turn.a_on_ns is None:
        return turn.silence or "nothing was heard"
    heard = transcript(reading)
    if heard is None:
        return NOT_LISTENED
    if reading.content.fillers and reading.content.utterance is None:
        return reading.content.missing or NOT_MARKED
    meant = answer(reading)
    if meant is None:
        return NOT_MARKED
    if broken_into(timeline, turn):
        return CUT
    return meant, heard


def _of_answer(
    compare: Callable[[str, str], WordErrors], figure: Callable[[WordErrors], float]
) -> TurnMeasure:
    """Makes a measure of the recogniser's transcript of the answer, see `_of_transcript`."""

    def measure(reading: TurnReading) -> Figure:
        found = _meant_and_heard(reading)
        return Figure(None, found) if isinstance(found, str) else Figure(figure(compare(*found)))

    return measure


agent_wer = _of_answer(word_errors, _percent)
"""Word errors per word meant, in %, numbers and contractions spelt alike."""
agent_wer_raw = _of_answer(raw_word_errors, _percent)
"""The same of the words as they are spelt."""
agent_words = _of_answer(word_errors, lambda found: float(found.words))
"""How many words the agent meant to say."""
agent_word_errors = _of_answer(word_errors, lambda found: float(found.errors))
"""How many of them, and of those added, are wrong in the transcript."""


def unspoken_heard_success(turn: UnspokenTurn) -> Figure:
    """As `unspoken_success`, where a recogniser has listened to the trial."""
    return unspoken_success(turn) if turn.is_listened else not_spoken(turn)


# What the agent reports that it did

REPORTING = ("stream",)
"""Lines on which an agent reports its function calls, memories, fallbacks and interruptions."""


def reported(event: EventName) -> TrialMeasure:
    """Makes the measure of how often an agent elsewhere reports something.

    Gives nothing in a trial of an agent whose line has no such report.
    """

    def measure(reading: TrialReading) -> list[Figure]:
        dialled = reading.timeline.all("line", "dialled")
        if not any(mark.text in REPORTING for mark in dialled):
            return []
        return [Figure(float(len(reading.timeline.all("line", event))))]

    return measure


def _reports(name: str, event: EventName, what: str) -> Metric:
    return Metric(18, name, "", "machine", f"{what}, as it reports", reported(event))


def _row(
    name: str,
    unit: Unit,
    description: str,
    on_turn: TurnMeasure,
    on_unspoken: UnspokenMeasure = not_spoken,
    compared: Effect | None = None,
) -> Metric:
    return Metric(
        18,
        name,
        unit,
        "content",
        description,
        on_turn=on_turn,
        on_unspoken=on_unspoken,
        compared=compared,
    )


ROWS = (
    _row(
        "stt_wer",
        "%",
        "word errors of the transcript per word said, numbers and contractions spelt alike",
        stt_wer,
        compared=Effect("rate", 10),
    ),
    _row("stt_wer_raw", "%", "the same of the words as they are spelt", stt_wer_raw),
    _row("stt_words", "", "words that the user said", stt_words),
    _row("stt_word_errors", "", "word errors of the transcript", stt_word_errors),
    _row(
        "task_success",
        "%",
        "100: the agent did what a good one does",
        task_success,
        unspoken_success,
        Effect("rate", 10, better="higher"),
    ),
    _row(
        "agent_wer",
        "%",
        "word errors of a recogniser on the answer as heard, per word that the agent meant",
        agent_wer,
    ),
    _row("agent_wer_raw", "%", "the same of the words as they are spelt", agent_wer_raw),
    _row("agent_words", "", "words that the agent meant to say", agent_words),
    _row("agent_word_errors", "", "word errors of that recogniser", agent_word_errors),
    _row(
        "heard_success",
        "%",
        "task_success by that recogniser's words, where the user did not break into the answer",
        heard_success,
        unspoken_heard_success,
    ),
    _reports("interruptions", "clear", "times that the agent was interrupted"),
    _reports("tool_calls", "tool_call", "functions that the agent called"),
    _reports("memories", "memory", "times that facts were put into the agent's context"),
    _reports("fallbacks", "fallback", "times that another agent went on"),
)
"""The rows, in the order in which they are stored."""
