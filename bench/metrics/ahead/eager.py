"""Answers begun on a predicted end of turn: how many, and what those cost that were withdrawn (20).

A trial without a prediction has no such rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.metrics.metric import Figure, Headline, Metric, TrialMeasure, Unit, in_ms
from bench.metrics.reading import TrialReading
from bench.timeline.timeline import Timeline
from pipelines.marks import Mark


@dataclass(frozen=True, slots=True)
class Work:
    """What a model did for an answer that was withdrawn."""

    begun: Mark
    """Its request."""
    over: Mark | None
    """Its end, or its cancelling; None: neither is marked."""


def withdrawn_spans(timeline: Timeline) -> list[tuple[int, int]]:
    """(prediction, withdrawal) of each answer that was withdrawn, ns."""
    spans: list[tuple[int, int]] = []
    begun_ns: int | None = None
    for mark in timeline.marks:
        if (mark.stage, mark.event) == ("turn", "predicted"):
            begun_ns = mark.t_ns
        elif (mark.stage, mark.event) == ("turn", "withdrawn") and begun_ns is not None:
            spans.append((begun_ns, mark.t_ns))
            begun_ns = None
        elif (mark.stage, mark.event) == ("turn", "release"):
            begun_ns = None
    return spans


def wasted(timeline: Timeline) -> Iterator[Work]:
    """The work of language model and synthesiser on answers that were withdrawn."""
    spans = withdrawn_spans(timeline)
    over = {
        (m.stage, m.request_id): m
        for m in reversed(timeline.marks)
        if m.event in ("end", "cancelled")
    }
    for mark in timeline.marks:
        if (mark.stage, mark.event) not in (("llm", "request"), ("tts", "ahead")):
            continue
        if any(a <= mark.t_ns <= b for a, b in spans):
            yield Work(mark, over.get((mark.stage, mark.request_id)))


def predictions(reading: TrialReading) -> list[Figure]:
    """Answers that were begun before the turn was over."""
    return _count(reading, len(reading.timeline.all("turn", "predicted")))


def withdrawals(reading: TrialReading) -> list[Figure]:
    """Those that were withdrawn."""
    return _count(reading, len(withdrawn_spans(reading.timeline)))


def _count(reading: TrialReading, n: int) -> list[Figure]:
    return [Figure(float(n))] if reading.timeline.all("turn", "predicted") else []


def wasted_tokens(reading: TrialReading) -> list[Figure]:
    """Tokens of answers that were withdrawn; of one that was cancelled they are not known."""
    if not reading.timeline.all("turn", "predicted"):
        return []
    works = [w for w in wasted(reading.timeline) if w.begun.stage == "llm"]
    known = [w.over.value for w in works if w.over is not None and w.over.value is not None]
    cut = len(works) - len(known)
    return [Figure(sum(known), f"at least: of {cut} the end is not marked" if cut else None)]


def wasted_ms(reading: TrialReading) -> list[Figure]:
    """Time that models worked on answers that were withdrawn, each on a thread of its own."""
    if not reading.timeline.all("turn", "predicted"):
        return []
    works = [w for w in wasted(reading.timeline) if w.over is not None]
    return [Figure(sum(in_ms(w.over.t_ns - w.begun.t_ns) for w in works if w.over is not None))]


def _row(
    name: str, unit: Unit, description: str, measure: TrialMeasure, place: int, head: str
) -> Metric:
    shown = Headline("ahead", place, {None: head}, over="sum")
    return Metric(20, name, unit, "machine", description, measure, headline=shown)


ROWS = (
    _row("predictions", "", "answers begun before the turn was over", predictions, 1, "begun"),
    _row("withdrawn", "", "those that were withdrawn", withdrawals, 2, "withdrawn"),
    _row(
        "wasted_tokens",
        "",
        "tokens of answers that were withdrawn, as far as they are known",
        wasted_tokens,
        3,
        "wasted tokens",
    ),
    _row(
        "wasted_ms",
        "ms",
        "request → end or cancelling of language model and synthesiser, summed over answers that "
        "were withdrawn: at most the CPU time of models of one thread",
        wasted_ms,
        4,
        "wasted ms",
    ),
)
"""The rows, in the order in which they are stored."""
