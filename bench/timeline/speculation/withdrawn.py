"""Answers begun on a predicted end of turn that was withdrawn, and the work done for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
    if not timeline.all("turn", "withdrawn"):
        return spans
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
    if not spans:
        return
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
