"""A run's marks as spans: one trace per turn of the user, and a child span per piece of work.

Pure: plain records, without a library of OpenTelemetry. Ids follow from the run, the trial and the
turn, so that the same run always gives the same traces. Marks are taken on the machine's monotonic
clock; on the wall clock the trial's ``started_utc`` is aligned with its sample 0. So traces begin
some tens of ms early, and inside a trial all distances are exact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bench.store.atomic import StoreError
from bench.store.records import MetricRow, Trial
from bench.store.store import Run
from bench.timeline.timeline import Timeline, Turn, reconstruct
from pipelines.clock import NS_PER_S
from pipelines.marks import EventName, Mark, Stage, StageEvent

Attributes = dict[str, str | int | float | bool]

REQUESTS: dict[Stage, tuple[EventName, ...]] = {"stt": ("final",), "llm": ("end",), "tts": ("end",)}
"""Stage that works by request → the events that end one; else the request's last mark ends it."""
POINTS: tuple[StageEvent, ...] = (
    ("turn", "start"),
    ("turn", "analysis"),
    ("turn", "interruption"),
    ("vad", "speech_stop"),
)
"""Marks that are events of the turn's own span."""


@dataclass(frozen=True, slots=True)
class Event:
    """A moment within a span."""

    name: str
    t_ns: int
    """Unix time."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of work."""

    name: str
    trace_id: int
    """128 bits."""
    span_id: int
    """64 bits."""
    parent_id: int | None
    """Parent's id; None for the turn itself."""
    start_ns: int
    """Unix time."""
    end_ns: int
    attributes: Attributes = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    error: str | None = None
    """Why it did not reach its end; None if it did."""


def ident(bits: int, *parts: object) -> int:
    """An id that follows from its parts alone; never 0, which means none."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[: bits // 8], "big") or 1


def spans_of_run(
    run: Run, rows: Sequence[MetricRow], *, warmups: bool = False
) -> Iterator[list[Span]]:
    """The spans of each turn, the turn's own first.

    Args:
        run: The run.
        rows: Its metrics: a turn's figures become attributes of its span.
        warmups: True to export warm-ups too.

    Raises:
        StoreError: a recording is missing, or a trial does not say when it began.
    """
    of_turn: dict[tuple[str, int], list[MetricRow]] = {}
    for row in rows:
        of_turn.setdefault((row.trial_id, row.turn), []).append(row)
    for trial in run.trials:
        if trial.warmup and not warmups:
            continue
        marks = run.marks(trial.trial_id)
        timeline = reconstruct(trial, marks, run.recording(trial))
        models = _models(run.info, trial.preset)
        for turn in timeline.turns:
            figures = of_turn.get((trial.trial_id, turn.number), [])
            yield list(_of_turn(timeline, turn, figures, models))


def _of_turn(
    timeline: Timeline, turn: Turn, figures: Sequence[MetricRow], models: Mapping[str, str]
) -> Iterator[Span]:
    trial = timeline.trial
    at = _Clock(trial)
    key = (trial.run_id, trial.trial_id, turn.number)
    trace_id, root_id = ident(128, *key), ident(64, *key, "turn")

    def child(name: str, start_ns: int, end_ns: int, tag: str, **more: Any) -> Span:
        ids = (trace_id, ident(64, *key, tag), root_id)
        return Span(name, *ids, at(start_ns), at(max(start_ns, end_ns)), **more)

    children = [child("user speech", turn.u_on_ns, turn.u_off_ns, "user")]
    releases = [m.t_ns for m in turn.all("turn", "release")]
    if releases:
        children.append(child("endpointing delay", turn.u_off_ns, releases[-1], "wait"))
    for stage, ends in REQUESTS.items():
        for request, marks in _requests(turn, stage).items():
            model = models.get(stage, "")
            end = next((m for m in reversed(marks) if m.event in ends), marks[-1])
            cancelled = any(m.event == "cancelled" for m in marks)
            children.append(
                child(
                    _name(stage, model),
                    marks[0].t_ns,
                    end.t_ns,
                    f"{stage}/{request}",
                    attributes=_work(stage, request, model, end),
                    events=tuple(Event(f"{stage}.{m.event}", at(m.t_ns)) for m in marks[1:]),
                    error="cancelled" if cancelled else None,
                )
            )
    for session, frames in _frames(turn).items():
        attributes: Attributes = {
            "duplex_lab.stage": "duplex",
            "duplex_lab.request_id": session,
            "duplex_lab.frames": sum(m.event == "frame_out" for m in frames),
        }
        first, last = frames[0].t_ns, frames[-1].t_ns
        tag = f"duplex/{session}"
        children.append(child("duplex frames", first, last, tag, attributes=attributes))
    if turn.a_on_ns is not None and turn.a_off_ns is not None:
        children.append(child("agent speech", turn.a_on_ns, turn.a_off_ns, "agent"))
    points = [m for of in POINTS for m in turn.all(*of)]
    yield Span(
        f"turn {turn.number}",
        trace_id,
        root_id,
        None,
        min(span.start_ns for span in children),
        max(span.end_ns for span in children),
        _whose(trial, turn, figures),
        tuple(Event(f"{m.stage}.{m.event}", at(m.t_ns)) for m in points),
        None if turn.a_on_ns is not None else turn.silence,
    )
    yield from children


class _Clock:
    """Offset from the monotonic clock to Unix time, within one trial."""

    def __init__(self, trial: Trial) -> None:
        try:
            began = datetime.fromisoformat(trial.started_utc)
        except ValueError:
            raise StoreError(
                f"trial {trial.trial_id}: it does not say when it began ({trial.started_utc!r}); "
                "without that its marks have no place on the wall clock"
            ) from None
        micros = round((began - datetime.fromisoformat("1970-01-01T00:00:00Z")).total_seconds())
        self._offset_ns = micros * NS_PER_S + began.microsecond * 1000 - trial.t0_ns

    def __call__(self, t_ns: int) -> int:
        return t_ns + self._offset_ns


def _requests(turn: Turn, stage: Stage) -> dict[str, list[Mark]]:
    """Request id → its marks, by time."""
    found: dict[str, list[Mark]] = {}
    for mark in turn.marks:
        if mark.stage == stage:
            found.setdefault(mark.request_id, []).append(mark)
    return found


def _frames(turn: Turn) -> dict[str, list[Mark]]:
    """Session → when the turn's frames began and were emitted, by time."""
    found: dict[str, list[Mark]] = {}
    for mark in turn.marks:
        if mark.stage == "duplex" and mark.event in ("start", "frame_out"):
            found.setdefault(mark.request_id, []).append(mark)
    return found


def _name(stage: Stage, model: str) -> str:
    """Span name by the semantic conventions for generative AI: the operation and the model."""
    return f"chat {model}".strip() if stage == "llm" else f"{stage} {model}".strip()


def _work(stage: Stage, request: str, model: str, end: Mark) -> Attributes:
    found: Attributes = {"duplex_lab.stage": stage, "duplex_lab.request_id": request}
    if stage == "llm":
        found["gen_ai.operation.name"] = "chat"
        if end.event == "end" and end.value is not None:
            found["gen_ai.usage.output_tokens"] = int(end.value)
    if model:
        found["gen_ai.request.model"] = model
    return found


def _whose(trial: Trial, turn: Turn, figures: Sequence[MetricRow]) -> Attributes:
    """The turn's span, with every figure of the turn that exists."""
    found: Attributes = {
        "duplex_lab.run_id": trial.run_id,
        "duplex_lab.trial_id": trial.trial_id,
        "duplex_lab.preset": trial.preset,
        "duplex_lab.fixture": trial.fixture,
        "duplex_lab.repeat": trial.repeat,
        "duplex_lab.turn": turn.number,
        "duplex_lab.weights": trial.weights,
        "duplex_lab.warmup": trial.warmup,
        "gen_ai.conversation.id": f"{trial.run_id}/{trial.trial_id}",
    }
    for row in figures:
        if row.metric == "voice_to_voice":
            found["duplex_lab.valid"] = row.valid
            if row.reason:
                found["duplex_lab.reason"] = row.reason
        if row.value is not None:
            unit = {"ms": "_ms", "%": "_percent"}.get(row.unit, "")
            found[f"duplex_lab.{row.metric}{unit}"] = row.value
    return found


def _models(info: Mapping[str, Any], preset: str) -> dict[str, str]:
    """Stage → the model or engine that the preset names for it."""
    stages = ((info.get("presets") or {}).get(preset) or {}).get("stages") or {}
    return {
        stage: str(options.get("model") or options.get("engine") or "")
        for stage, options in stages.items()
        if isinstance(options, Mapping)
    }
