"""How each metric of a turn is read off it: voice to voice, the stages, and what was said.

Which metrics there are, and what they mean, says bench/metrics/table.py. No function here looks at
validity, which is applied to all alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.metrics.of_trials import Reading
from bench.metrics.validity import NO_LABELS, NOT_EXPECTED, NOT_SPOKEN
from bench.metrics.word_errors import word_errors
from bench.store.expectation import judge
from bench.store.labels import IGNORED, WORDLESS, TurnLabels
from bench.store.records import FAILED, Trial
from bench.timeline.critical_path import PIECES, Path, residual_ns
from bench.timeline.timeline import NO_RECORDING, Timeline, Turn
from pipelines.clock import NS_PER_MS, NS_PER_S
from pipelines.marks import EventName, Mark

NOT_MARKED = "what the agent meant to say is not marked"


@dataclass(frozen=True, slots=True)
class TurnView:
    """What a metric of one turn sees."""

    timeline: Timeline
    """The trial."""
    turn: Turn
    """The turn."""
    path: Path
    """The turn's critical path, whole or not."""
    labels: TurnLabels | None
    """None where the run holds none."""


TurnMeasure = Callable[[TurnView], Reading]


def _ms(ns: int) -> float:
    return ns / NS_PER_MS


def _between(end: int | None, start: int | None, what: str) -> Reading:
    """End − start in ms, signed; ``what`` says which mark is missing."""
    if end is None or start is None:
        return Reading(None, f"no {what} mark")
    return Reading(_ms(end - start))


# 2: voice to voice


def voice_to_voice(view: TurnView) -> Reading:
    """a_on − u_off, from what was heard; signed."""
    if view.turn.a_on_ns is None:
        return Reading(None, view.turn.silence)
    return Reading(_ms(view.turn.a_on_ns - view.turn.u_off_ns))


def _logged_ns(view: TurnView) -> tuple[int, int] | str:
    """(user stopped, bot started) by the event log, or what the log lacks."""
    since = view.path.llm_request
    started = [
        m.t_ns for m in view.turn.all("pipecat", "bot_started") if since is None or m.t_ns >= since
    ]
    if not started:
        return "no pipecat.bot_started mark"
    stops = [m for m in view.turn.all("vad", "speech_stop") if m.t_ns <= started[0]]
    if not stops:
        return "no vad.speech_stop mark"
    # The VAD says so stop_secs after what it takes for the end.
    return stops[-1].t_ns - round((stops[-1].value or 0.0) * NS_PER_S), started[0]


def voice_to_voice_logged(view: TurnView) -> Reading:
    """The same by the event log: bot started − (VAD stop − stop_secs), as Pipecat's observer."""
    logged = _logged_ns(view)
    if isinstance(logged, str):
        return Reading(None, logged)
    return Reading(_ms(logged[1] - logged[0]))


def heard_minus_logged(view: TurnView) -> Reading:
    """What the event log leaves out (positive) or adds."""
    heard, logged = voice_to_voice(view), voice_to_voice_logged(view)
    if heard.value is None or logged.value is None:
        return Reading(None, heard.reason or logged.reason)
    return Reading(heard.value - logged.value)


# 15: floor


def premature_starts(view: TurnView) -> Reading:
    """How many answers began before the user had ended, and were cut before the user had."""
    if view.turn.silence == NO_RECORDING:
        return Reading(None, NO_RECORDING)
    return Reading(float(view.turn.premature_starts))


# 4 to 8: stages and the critical path


def _final(view: TurnView) -> Mark | None:
    """The final transcript that the answer was made from: the last before the LLM request."""
    finals = view.turn.all("stt", "final")
    until = view.path.llm_request
    before = [m for m in finals if until is None or m.t_ns <= until]
    known = before or finals
    return known[-1] if known else None


def stt_final(view: TurnView) -> Reading:
    """Final transcript − u_off."""
    final = _final(view)
    return _between(final.t_ns if final else None, view.turn.u_off_ns, "stt.final")


def stt_tail(view: TurnView) -> Reading:
    """Final transcript − VAD stop, never below 0."""
    final = _final(view)
    if final is None:
        return Reading(None, "no stt.final mark")
    until = view.path.release or view.path.llm_request or final.t_ns
    stops = [m.t_ns for m in view.turn.all("vad", "speech_stop") if m.t_ns <= until]
    if not stops:
        return Reading(None, "no vad.speech_stop mark")
    return Reading(max(0.0, _ms(final.t_ns - stops[-1])))


def turn_wait(view: TurnView) -> Reading:
    """Turn release − u_off."""
    return _between(view.path.release, view.path.u_off, "turn.release")


def llm_until(event: EventName) -> TurnMeasure:
    """Makes the measure of LLM request → an event of the same request."""

    def measure(view: TurnView) -> Reading:
        path = view.path
        if path.llm_request is None:
            return Reading(None, "no llm.request mark")
        of_request = [m for m in view.turn.all("llm", event) if m.request_id == path.llm_id]
        return _between(
            of_request[0].t_ns if of_request else None, path.llm_request, f"llm.{event}"
        )

    return measure


def llm_to_clause(view: TurnView) -> Reading:
    """LLM request → its first text is handed to the TTS."""
    path = view.path
    handed = path.to_tts if path.to_tts is not None else path.tts_request
    return _between(handed, path.llm_request, "llm.to_tts or tts.request")


def llm_cancelled(view: TurnView) -> Reading:
    """How many LLM requests of the turn were cancelled."""
    return Reading(float(len({m.request_id for m in view.turn.all("llm", "cancelled")})))


def tts_ttfb(view: TurnView) -> Reading:
    """TTS request → first byte, of the answer's first request."""
    return _between(view.path.first_byte, view.path.tts_request, "tts.first_byte")


def piece(name: str) -> TurnMeasure:
    """Makes the measure of one piece of the critical path."""
    (row,) = [p for p in PIECES if p.name == name]

    def measure(view: TurnView) -> Reading:
        ns = row.duration(view.path)
        if ns is not None:
            return Reading(_ms(ns))
        missing = view.path.missing
        if missing is None:
            return Reading(None, "no llm.to_tts mark: it lies in llm_to_clause")
        return Reading(None, f"no {missing} on the critical path")

    return measure


def resample(view: TurnView) -> Reading:
    """Nothing: by design there is no resampler on the path, voices speak at the link's rate."""
    missing = view.path.missing
    return Reading(0.0) if missing is None else Reading(None, f"no {missing} on the critical path")


def residual(view: TurnView) -> Reading:
    """Σ of the hand-over gaps."""
    ns = residual_ns(view.path)
    if ns is None:
        return Reading(None, f"no {view.path.missing} on the critical path")
    return Reading(_ms(ns))


# 18: content


def _no_words(view: TurnView) -> str | None:
    """Why the transcript of a turn is not held against what was said."""
    if view.labels is None:
        return NO_LABELS
    event = view.labels.event
    return f"a {event} is not asked to be recognised" if event in WORDLESS else None


def stt_words(view: TurnView) -> Reading:
    """How many words the user said."""
    reason = _no_words(view)
    if view.labels is None or reason is not None:
        return Reading(None, reason)
    return Reading(float(word_errors(view.labels.text, view.turn.transcript).words))


def stt_word_errors(view: TurnView) -> Reading:
    """How many of them, and of those added, are wrong in the transcript."""
    reason = _no_words(view)
    if view.labels is None or reason is not None:
        return Reading(None, reason)
    return Reading(float(word_errors(view.labels.text, view.turn.transcript).errors))


def stt_wer(view: TurnView) -> Reading:
    """Word errors per word said, in %."""
    reason = _no_words(view)
    if view.labels is None or reason is not None:
        return Reading(None, reason)
    return Reading(100 * word_errors(view.labels.text, view.turn.transcript).rate)


def success(words_of: Callable[[TurnView], str | None], missing: str) -> TurnMeasure:
    """Makes the measure of whether the agent did what a good agent does: 100, else 0.

    Where an answer is expected, one must have been heard, and its words must be right; where none
    is, nothing may have been heard, and the silence may not be that of an agent that died. Without
    committed slots there is nothing to judge by.

    Args:
        words_of: What the agent's answer says; None where that is not known.
        missing: Why it is not.
    """
    return lambda view: _success(view, words_of, missing)


def _success(view: TurnView, words_of: Callable[[TurnView], str | None], missing: str) -> Reading:
    if view.labels is None:
        return Reading(None, NO_LABELS)
    trial, heard = view.timeline.trial, view.turn.a_on_ns is not None
    if view.turn.silence == NO_RECORDING and trial.status not in FAILED:
        return Reading(None, NO_RECORDING)
    if view.labels.event in IGNORED:
        return Reading(None, f"a {view.labels.event}: false_interruption judges it")
    if not view.labels.expect.respond:
        if trial.status == "error":
            return Reading(0.0, failure(trial))
        spoke = heard or view.turn.premature_starts > 0
        return Reading(0.0 if spoke else 100.0, "it spoke" if spoke else None)
    if not view.labels.expect.slots:
        return Reading(None, "the fixture does not say what a right answer names")
    if not heard:
        return Reading(0.0, view.turn.silence)
    answer = words_of(view)
    if answer is None:
        return Reading(None, missing)
    verdict = judge(view.labels.expect, answer)
    if verdict.right:
        return Reading(100.0)
    wrong = [f"lacks {slot}" for slot in verdict.missing]
    wrong += [f"says {wording!r}" for wording in verdict.forbidden]
    return Reading(0.0, ", ".join(wrong) or "an empty answer")


task_success = success(lambda view: view.turn.answer_of(view.path.llm_id), NOT_MARKED)
"""By what the agent meant to say."""


def unspoken(
    metric: str, trial: Trial, labels: TurnLabels | None, *, listened: bool = False
) -> Reading:
    """What is told of a turn that was never spoken: a failure wherever failures are counted.

    Args:
        metric: Its name.
        trial: The trial.
        labels: Of the turn.
        listened: Whether a recogniser has listened to the trial.
    """
    if metric == "voice_to_voice":
        return Reading(None, f"{NOT_SPOKEN} ({failure(trial)})")
    judged = labels is not None and (labels.expect.slots or not labels.expect.respond)
    if judged and (metric == "task_success" or (metric == "heard_success" and listened)):
        return Reading(0.0, f"{NOT_SPOKEN} ({failure(trial)})")
    return Reading(None, NOT_SPOKEN)


def failure(trial: Trial) -> str:
    """How a trial ended that did not go well, in a few words."""
    return f"{trial.status}: {trial.error}" if trial.error else trial.status


def expects_answer(labels: TurnLabels | None) -> str | None:
    """Why a figure about the answer does not apply to a turn; None if it does."""
    return NOT_EXPECTED if labels is not None and not labels.expect.respond else None
