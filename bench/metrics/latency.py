"""The user's wait for an answer: voice to voice, as heard and by the event log (2)."""

from __future__ import annotations

import math

from bench.metrics.metric import Effect, Figure, Metric, Share, TurnMeasure, in_ms
from bench.metrics.reading import TrialReading, TurnReading, UnspokenTurn
from bench.metrics.validity import NOT_SPOKEN, failure
from bench.timeline.timeline import NO_RECORDING, Turn
from bench.timeline.utterances import LINES_APART, content_on_ns, goes_before, has_unknown_answer
from pipelines.audio.ambience import dbfs, threshold_dbfs
from pipelines.clock import NS_PER_S


def voice_to_voice(reading: TurnReading) -> Figure:
    """Measures a_on − u_off, from what was heard; signed."""
    turn = reading.turn
    if turn.a_on_ns is None:
        return Figure(None, "; ".join(filter(None, (turn.silence, _spoke_over(turn)))))
    remarks = "; ".join(filter(None, (_above_ambience(reading), _spoke_over(turn))))
    return Figure(in_ms(turn.a_on_ns - turn.u_off_ns), remarks or None)


def _above_ambience(reading: TurnReading) -> str | None:
    """Names the threshold over which an answer was found; None of a channel that falls silent."""
    level = reading.timeline.ambience_dbfs
    if level is None:
        return None
    return f"heard above {dbfs(threshold_dbfs(level))}: the agent's ambience is {dbfs(level)}"


def _spoke_over(turn: Turn) -> str | None:
    """Says that the user did not wait for the end of the greeting; None where it ended."""
    mark = next(iter(turn.all("user", "spoke_over")), None)
    if mark is None:
        return None
    return (
        f"the agent had not fallen silent {mark.value or 0:.0f} s after the start ({mark.text} at "
        "its quietest), and the user spoke all the same"
    )


def ambience(reading: TrialReading) -> list[Figure]:
    """Measures the level of the agent's ambience; nothing of a channel that falls silent."""
    level = reading.timeline.ambience_dbfs
    return [] if level is None else [Figure(level)]


def never_answered(turn: UnspokenTurn) -> Figure:
    """Says how the trial ended before the turn was spoken."""
    return Figure(None, f"{NOT_SPOKEN} ({failure(turn.trial)})")


def time_to_content(reading: TurnReading) -> Figure:
    """Measures until the first sound of the reply that carries the answer, after any filler."""
    turn, found = reading.turn, reading.content
    if turn.a_on_ns is None:
        return Figure(None, turn.silence)
    if found.utterance is None:
        return Figure(None, found.missing)
    if has_unknown_answer(reading.timeline, turn, found.utterance):
        return Figure(None, LINES_APART)
    if not goes_before(turn, found):
        return Figure(in_ms(turn.a_on_ns - turn.u_off_ns))
    on_ns = content_on_ns(reading.timeline, turn, found)
    if on_ns is None:
        return Figure(None, "the answer after the filler was not heard")
    return Figure(in_ms(on_ns - turn.u_off_ns))


def answers_per_turn(reading: TurnReading) -> Figure:
    """Counts the replies that began after the user had ended, up to the next turn.

    An answer that followed an earlier reply at once is one of them.
    """
    turn = reading.turn
    if turn.silence == NO_RECORDING:
        return Figure(None, NO_RECORDING)
    until_ns = turn.end_ns if turn.end_ns is not None else math.inf
    replies = reading.timeline.replies
    begun = sum(turn.u_off_ns <= r.start_ns < until_ns for r in replies)
    answered = turn.a_on_ns is not None and turn.a_on_ns >= turn.u_off_ns
    return Figure(float(max(begun, int(answered))))


def _logged_ns(reading: TurnReading) -> tuple[int, int] | str:
    """(user stopped, bot started) by the event log, or what the log lacks."""
    turn, path = reading.turn, reading.path
    since = path.tts_request if path.is_line else path.llm_request
    started = [
        m.t_ns for m in turn.all("pipecat", "bot_started") if since is None or m.t_ns >= since
    ]
    if not started:
        return "no pipecat.bot_started mark"
    stops = [m for m in turn.all("vad", "speech_stop") if m.t_ns <= started[0]]
    if not stops:
        return "no vad.speech_stop mark"
    # The VAD reports the stop stop_secs after the end that it detected.
    return stops[-1].t_ns - round((stops[-1].value or 0.0) * NS_PER_S), started[0]


def voice_to_voice_logged(reading: TurnReading) -> Figure:
    """Measures the same by the event log: bot started − (VAD stop − stop_secs)."""
    logged = _logged_ns(reading)
    if isinstance(logged, str):
        return Figure(None, logged)
    return Figure(in_ms(logged[1] - logged[0]))


def heard_minus_logged(reading: TurnReading) -> Figure:
    """Measures the part that the event log leaves out (positive) or adds."""
    heard, logged = voice_to_voice(reading), voice_to_voice_logged(reading)
    if heard.value is None or logged.value is None:
        return Figure(None, heard.reason or logged.reason)
    return Figure(heard.value - logged.value)


def _row(name: str, description: str, on_turn: TurnMeasure) -> Metric:
    return Metric(2, name, "ms", "latency", description, on_turn=on_turn)


ROWS = (
    Metric(
        2,
        "voice_to_voice",
        "ms",
        "latency",
        "a_on − u_off as heard, signed",
        on_turn=voice_to_voice,
        on_unspoken=never_answered,
        compared=Effect("difference", 30),
    ),
    _row(
        "time_to_content",
        "first sound of the reply that carries the answer − u_off: after the last filler before it",
        time_to_content,
    ),
    Metric(
        2,
        "answers_per_turn",
        "",
        "turn_taking",
        "replies, 800 ms apart or more, that began after u_off and before the next turn",
        on_turn=answers_per_turn,
    ),
    _row(
        "voice_to_voice_logged",
        "the same by the event log: bot started − (VAD stop − stop_secs)",
        voice_to_voice_logged,
    ),
    _row("heard_minus_logged", "what the event log leaves out", heard_minus_logged),
    Metric(
        2,
        "ambience",
        "dBFS",
        "harness",
        "level of the agent's channel where it is never silent; no row of a channel that is",
        on_trial=ambience,
    ),
)
"""The rows, in the order in which they are stored."""

SHARES = (
    Share(
        "no_answer",
        "voice_to_voice",
        lambda row: row.value is None,
        Effect("rate", 10),
        "leaves more turns unanswered",
    ),
    Share(
        "invalid",
        "voice_to_voice",
        lambda row: not row.valid,
        Effect("rate", 10),
        "has more turns that are not valid",
    ),
)
"""Shares of the turns that ask for an answer; compared before the metrics, because the answers of
an agent that answers less often say nothing by their speed."""
