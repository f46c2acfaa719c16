"""The parts of an answer's time: each stage, and the critical path's segments and gaps (4 to 8).

Where a filler went before the answer, the stages are those of the first sound; the parts of the
time to the answer itself stand apart, under names that begin with ``content_``.
"""

from __future__ import annotations

from statistics import median

from bench.metrics.metric import (
    Effect,
    Figure,
    Metric,
    TrialMeasure,
    TurnMeasure,
    Unit,
    between,
    in_ms,
)
from bench.metrics.reading import TrialReading, TurnReading
from bench.timeline.content.path import PARTS, ContentPath, Part
from bench.timeline.content.path import residual_ns as content_residual_ns
from bench.timeline.critical_path import PIECES, residual_ns
from bench.timeline.utterances import NOT_MARKED
from pipelines.marks import EventName, Mark

NO_LLM = "the first sound is a line of the pipeline's own: no language model is on its path"
NO_FILLER = "no filler went before the answer: the stages are those of the first sound"
NO_FUNCTION = "the answer waited for no function"
NO_LLM_OF_ANSWER = "the answer is a line of the pipeline's own: no language model is on its path"
IN_CLAUSE = "no llm.to_tts mark: it lies in llm_to_clause"


def _final(reading: TurnReading) -> Mark | None:
    """The final transcript that the answer was made from: the last before the LLM request."""
    finals = reading.turn.all("stt", "final")
    until = reading.path.llm_request
    before = [m for m in finals if until is None or m.t_ns <= until]
    known = before or finals
    return known[-1] if known else None


def stt_final(reading: TurnReading) -> Figure:
    """Final transcript − u_off."""
    final = _final(reading)
    return between(final.t_ns if final else None, reading.turn.u_off_ns, "stt.final")


def stt_tail(reading: TurnReading) -> Figure:
    """Final transcript − VAD stop, never below 0."""
    final = _final(reading)
    if final is None:
        return Figure(None, "no stt.final mark")
    until = reading.path.release or reading.path.llm_request or final.t_ns
    stops = [m.t_ns for m in reading.turn.all("vad", "speech_stop") if m.t_ns <= until]
    if not stops:
        return Figure(None, "no vad.speech_stop mark")
    return Figure(max(0.0, in_ms(final.t_ns - stops[-1])))


def endpointing_delay(reading: TurnReading) -> Figure:
    """Turn release − u_off."""
    return between(reading.path.release, reading.path.u_off, "turn.release")


def llm_until(event: EventName) -> TurnMeasure:
    """Makes the measure of LLM request → an event of the same request."""

    def measure(reading: TurnReading) -> Figure:
        path = reading.path
        if path.llm_request is None:
            return Figure(None, NO_LLM if path.is_line else "no llm.request mark")
        of_request = [m for m in reading.turn.all("llm", event) if m.request_id == path.llm_id]
        return between(of_request[0].t_ns if of_request else None, path.llm_request, f"llm.{event}")

    return measure


def llm_to_clause(reading: TurnReading) -> Figure:
    """LLM request → its first text is handed to the TTS."""
    path = reading.path
    if path.is_line:
        return Figure(None, NO_LLM)
    return between(path.handed, path.llm_request, "llm.to_tts or tts.request")


def llm_cancelled(reading: TurnReading) -> Figure:
    """Number of the turn's LLM requests that were cancelled."""
    return Figure(float(len({m.request_id for m in reading.turn.all("llm", "cancelled")})))


def tts_ttfb(reading: TurnReading) -> Figure:
    """TTS request → first byte, of the answer's first request."""
    return between(reading.path.first_byte, reading.path.tts_request, "tts.first_byte")


def piece(name: str) -> TurnMeasure:
    """Makes the measure of one piece of the critical path."""
    (row,) = [p for p in PIECES if p.name == name]

    def measure(reading: TurnReading) -> Figure:
        ns = row.duration(reading.path)
        if ns is not None:
            return Figure(in_ms(ns))
        missing = reading.path.missing
        if missing is None:
            return Figure(None, NO_LLM if reading.path.is_line else IN_CLAUSE)
        return Figure(None, f"no {missing} on the critical path")

    return measure


def resample(reading: TurnReading) -> Figure:
    """Nothing: by design there is no resampler on the path, voices speak at the link's rate.

    Others' pipelines may have one, which is not marked.
    """
    if reading.timeline.all("agent", "guest"):
        return Figure(None, "the bot's resampler is not marked: it lies between TTS and link")
    missing = reading.path.missing
    return Figure(0.0) if missing is None else Figure(None, f"no {missing} on the critical path")


def residual(reading: TurnReading) -> Figure:
    """Σ of the hand-over gaps."""
    ns = residual_ns(reading.path)
    if ns is None:
        return Figure(None, f"no {reading.path.missing} on the critical path")
    return Figure(in_ms(ns))


def _content_path(reading: TurnReading) -> ContentPath | str:
    """The path to the turn's content; or why there is none, or why it is not whole."""
    found, path = reading.content, reading.content_path
    if path is None and found.fillers and found.utterance is not None:
        return NOT_MARKED
    if path is None:
        return (found.missing or NOT_MARKED) if found.utterance is None else NO_FILLER
    return path if path.missing is None else f"no {path.missing} on the path to the answer"


def content_part(row: Part, absent: str) -> TurnMeasure:
    """Makes the measure of a part of the path.

    Args:
        row: The part.
        absent: Why it may not be on the path.
    """

    def measure(reading: TurnReading) -> Figure:
        path = _content_path(reading)
        if isinstance(path, str):
            return Figure(None, path)
        ns = row.duration(path)
        return Figure(None, absent) if ns is None else Figure(in_ms(ns))

    return measure


def content_llm_ttft(reading: TurnReading) -> Figure:
    """LLM request of the answer → its first token."""
    path = _content_path(reading)
    if isinstance(path, str):
        return Figure(None, path)
    if path.llm_request is None:
        return Figure(None, NO_LLM_OF_ANSWER)
    tokens = [m for m in reading.turn.all("llm", "first_token") if m.request_id == path.llm_id]
    return between(tokens[0].t_ns if tokens else None, path.llm_request, "llm.first_token")


def content_residual(reading: TurnReading) -> Figure:
    """Σ of the hand-over gaps on the way to the answer."""
    path = _content_path(reading)
    if isinstance(path, str):
        return Figure(None, path)
    return Figure(in_ms(content_residual_ns(path) or 0))


def pipecats(event: EventName) -> TrialMeasure:
    """Makes the measure of one of Pipecat's own metrics, by processor: its median in the trial.

    Of pipelines that stamp their stages themselves it gives nothing: there the stages' own marks
    say more. What came before the user spoke, a greeting's for instance, is left out.
    """

    def measure(reading: TrialReading) -> list[Figure]:
        timeline = reading.timeline
        if not timeline.all("agent", "guest") or not timeline.turns:
            return []
        since = timeline.turns[0].u_on_ns
        found: dict[str, list[float]] = {}
        for mark in timeline.all("pipecat", event):
            if mark.t_ns >= since and mark.value is not None and mark.text:
                found.setdefault(mark.text.partition("#")[0], []).append(1000 * mark.value)
        return [Figure(median(values), subject=name) for name, values in found.items()]

    return measure


def _row(
    number: int,
    name: str,
    description: str,
    on_turn: TurnMeasure,
    *,
    unit: Unit = "ms",
    compared: Effect | None = None,
) -> Metric:
    return Metric(number, name, unit, "latency", description, on_turn=on_turn, compared=compared)


def _pipecats_row(event: EventName, text: str) -> Metric:
    described = f"Pipecat's own {text}, median of the trial, by processor; of pipelines not ours"
    return Metric(8, f"pipecat_{event}", "ms", "latency", described, pipecats(event))


_PIECES = {p.name: p.description for p in PIECES}
_ABSENT = {"content_functions": NO_FUNCTION}
_SIGNED, _POSITIVE = Effect("difference", 30), Effect("ratio", 0.05)

ROWS = (
    _row(
        4,
        "endpointing_delay",
        _PIECES["endpointing_delay"],
        endpointing_delay,
        compared=_SIGNED,
    ),
    _row(5, "stt_final", "final transcript − u_off; inside endpointing_delay", stt_final),
    _row(
        5,
        "stt_tail",
        "final transcript − VAD stop, never below 0",
        stt_tail,
        compared=_SIGNED,
    ),
    _row(
        6,
        "llm_ttft",
        "LLM request → its first token",
        llm_until("first_token"),
        compared=_POSITIVE,
    ),
    _row(6, "llm_ttfat", "→ its first speakable token", llm_until("first_speakable")),
    _row(6, "llm_to_clause", _PIECES["llm_to_clause"], llm_to_clause, compared=_POSITIVE),
    _row(
        6, "llm_cancelled", "LLM requests of the turn that were cancelled", llm_cancelled, unit=""
    ),
    _row(7, "tts_ttfb", "TTS request → first byte", tts_ttfb),
    _row(7, "tts_ttfa", _PIECES["tts_ttfa"], piece("tts_ttfa"), compared=_POSITIVE),
    _row(8, "resample", "resampler on the path: 0, there is none by design", resample),
    _row(8, "output", _PIECES["output"], piece("output")),
    *(_row(8, p.name, p.description, piece(p.name)) for p in PIECES if p.is_gap),
    _row(8, "residual", "Σ of the hand-over gaps", residual, compared=Effect("difference", 5)),
    _pipecats_row("ttfb", "TTFB"),
    _pipecats_row("processing", "processing time"),
    *(
        _row(8, p.name, p.description, content_part(p, _ABSENT.get(p.name, NO_LLM_OF_ANSWER)))
        for p in PARTS
        if p.name
    ),
    _row(6, "content_llm_ttft", "the answer's own LLM request → its first token", content_llm_ttft),
    _row(
        8, "content_residual", "Σ of the hand-over gaps on the way to the answer", content_residual
    ),
)
"""The rows, in the order in which they are stored."""
