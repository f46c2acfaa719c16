"""The parts of the time to an answer that a filler went before (2, 8): apart from those of the
first sound, which are the filler's.
"""

from __future__ import annotations

from bench.metrics.metric import Figure, Metric, TurnMeasure, between, in_ms
from bench.metrics.reading import TurnReading
from bench.timeline.content.path import PARTS, ContentPath, Part, residual_ns
from bench.timeline.utterances import NOT_MARKED

NO_FILLER = "no filler went before the answer: the stages are those of the first sound"
NO_FUNCTION = "the answer waited for no function"
NO_LLM = "the answer is a line of the pipeline's own: no language model is on its path"


def _path(reading: TurnReading) -> ContentPath | str:
    """The path to the turn's content; or why there is none, or why it is not whole."""
    found, path = reading.content, reading.content_path
    if path is None and found.fillers and found.utterance is not None:
        return NOT_MARKED
    if path is None:
        return (found.missing or NOT_MARKED) if found.utterance is None else NO_FILLER
    return path if path.missing is None else f"no {path.missing} on the path to the answer"


def part(row: Part, absent: str) -> TurnMeasure:
    """Makes the measure of a part of the path.

    Args:
        row: The part.
        absent: Why it may not be on the path.
    """

    def measure(reading: TurnReading) -> Figure:
        path = _path(reading)
        if isinstance(path, str):
            return Figure(None, path)
        ns = row.duration(path)
        return Figure(None, absent) if ns is None else Figure(in_ms(ns))

    return measure


def llm_ttft(reading: TurnReading) -> Figure:
    """LLM request of the answer → its first token."""
    path = _path(reading)
    if isinstance(path, str):
        return Figure(None, path)
    if path.llm_request is None:
        return Figure(None, NO_LLM)
    tokens = [m for m in reading.turn.all("llm", "first_token") if m.request_id == path.llm_id]
    return between(tokens[0].t_ns if tokens else None, path.llm_request, "llm.first_token")


def residual(reading: TurnReading) -> Figure:
    """Σ of the hand-over gaps on the way to the answer."""
    path = _path(reading)
    if isinstance(path, str):
        return Figure(None, path)
    return Figure(in_ms(residual_ns(path) or 0))


_ABSENT = {"content_functions": NO_FUNCTION}


def _row(number: int, name: str, description: str, on_turn: TurnMeasure) -> Metric:
    return Metric(number, name, "ms", "latency", description, on_turn=on_turn)


ROWS = (
    *(
        _row(8, p.name, p.description, part(p, _ABSENT.get(p.name, NO_LLM)))
        for p in PARTS
        if p.name
    ),
    _row(6, "content_llm_ttft", "the answer's own LLM request → its first token", llm_ttft),
    _row(8, "content_residual", "Σ of the hand-over gaps on the way to the answer", residual),
)
"""The rows, in the order in which they are stored."""
