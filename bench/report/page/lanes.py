"""A turn's marks as the page draws them under its waveforms: the critical path, the work, the
moments.

All times are ms after the recording's first sample, so that they line up with the audio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.timeline.critical_path import PIECES, Path
from bench.timeline.timeline import Timeline, Turn
from pipelines.clock import NS_PER_MS
from pipelines.marks import Mark, Stage, StageEvent

LANES = {
    "vad": "VAD",
    "stt": "STT",
    "turn": "turn",
    "llm": "LLM",
    "tts": "TTS",
    "out": "output",
}
"""Lanes of a cascade, from above, and their names."""

WORK: tuple[tuple[str, StageEvent, tuple[StageEvent, ...], str], ...] = (
    ("vad", ("vad", "speech_start"), (("vad", "speech_stop"),), "speech, says the VAD"),
    ("stt", ("stt", "request"), (("stt", "final"), ("stt", "cancelled")), "recogniser at work"),
    ("llm", ("llm", "request"), (("llm", "end"), ("llm", "cancelled")), "language model at work"),
    ("tts", ("tts", "request"), (("tts", "end"), ("tts", "cancelled")), "synthesiser at work"),
)
"""Lane, the event that begins a piece of work, the event that ends it, and its name."""

MOMENTS: dict[StageEvent, tuple[str, str]] = {
    ("stt", "final"): ("stt", "final transcript"),
    ("turn", "analysis"): ("turn", "end-of-turn model asked"),
    ("turn", "release"): ("turn", "turn released"),
    ("llm", "first_token"): ("llm", "first token"),
    ("llm", "first_speakable"): ("llm", "first speakable token"),
    ("tts", "first_byte"): ("tts", "first byte"),
    ("tts", "first_audible"): ("tts", "first audible chunk"),
    ("pipecat", "bot_started"): ("out", "bot started, says the event log"),
    ("link", "clear"): ("out", "interruption: unheard audio dropped"),
}
"""(stage, event) → lane, and its text."""

At = Callable[[int], float]
"""ns of the machine's clock → ms after the recording's first sample."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time."""

    lane: str
    name: str
    start: float
    """ms."""
    end: float | None
    """ms; None where no end is marked."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened at one time."""

    lane: str
    name: str
    at: float
    """Time, ms."""


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the list of events."""

    ms: float
    """Time after u_off."""
    name: str
    text: str


def clock_of(t0_ns: int) -> At:
    """The recording's time, rounded to 10 µs."""
    return lambda t_ns: round((t_ns - t0_ns) / NS_PER_MS, 2)


def critical(path: Path, at: At) -> list[Span]:
    """The critical path as spans that follow each other; as far as its marks go."""
    spans = [
        (start_ns, end_ns, piece)
        for piece in PIECES
        for start_ns, end_ns in piece.stretches(path)
        if start_ns is not None and end_ns is not None and end_ns > start_ns
    ]
    return [
        Span(piece.lane, "gap" if piece.is_gap else piece.name, at(start_ns), at(end_ns))
        for start_ns, end_ns, piece in sorted(spans, key=lambda span: span[:2])
    ]


def work(turn: Turn, at: At) -> list[Span]:
    """The work of each component, wanted or not."""
    return [
        Span(lane, name, at(start), None if end is None else at(end))
        for lane, begin, ends, name in WORK
        for start, end in _pairs(turn.marks, begin, ends)
    ]


def _pairs(
    marks: Sequence[Mark], begin: StageEvent, ends: Sequence[StageEvent]
) -> Iterator[tuple[int, int | None]]:
    """Each beginning, with the first end of the same request after it."""
    for mark in marks:
        if (mark.stage, mark.event) != begin:
            continue
        yield (
            mark.t_ns,
            next(
                (
                    m.t_ns
                    for m in marks
                    if (m.stage, m.event) in ends
                    and m.request_id == mark.request_id
                    and m.t_ns >= mark.t_ns
                ),
                None,
            ),
        )


def moments(turn: Turn, at: At) -> list[Moment]:
    """Events with one time, for ticks."""
    return [
        Moment(*MOMENTS[mark.stage, mark.event], at(mark.t_ns))
        for mark in turn.marks
        if (mark.stage, mark.event) in MOMENTS
    ]


def words(turn: Turn, at: At) -> list[tuple[float, str]]:
    """(ms, piece of text) that a duplex model emitted."""
    return [(at(m.t_ns), m.text or "") for m in turn.all("duplex", "text")]


_LISTED: frozenset[Stage] = frozenset({"vad", "turn", "stt", "llm", "tts", "agent"})


def events(timeline: Timeline, turn: Turn, path: Path) -> list[Event]:
    """The events of a turn, in order, for readers of text.

    Of the agent's chunks only the reply's first; no frames of a duplex model.
    """

    def after(t_ns: int) -> float:
        return round((t_ns - turn.u_off_ns) / NS_PER_MS, 1)

    found = [
        Event(after(m.t_ns), f"{m.stage}.{m.event}", m.text or "")
        for m in turn.marks
        if m.stage in _LISTED and (m.stage, m.event) != ("stt", "partial")
    ]
    found += [
        Event(after(m.t_ns), f"{m.stage}.{m.event}", "")
        for m in turn.marks
        if (m.stage, m.event) in (("link", "clear"), ("pipecat", "bot_started"))
    ]
    found.append(Event(after(turn.u_on_ns), "u_on", "first audible sample of the user"))
    found.append(Event(0.0, "u_off", "last audible sample of the user"))
    for t_ns, name, text in (
        (path.write, "link.write", "the reply's first chunk"),
        (path.heard, "ear.heard", "its first sample"),
        (turn.a_on_ns, "a_on", "first audible sample of the answer"),
        (turn.a_off_ns, "a_off", "end of the agent's last sound in the turn"),
    ):
        if t_ns is not None:
            found.append(Event(after(t_ns), name, text))
    return sorted(found, key=lambda event: event.ms)
