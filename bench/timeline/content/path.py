"""The path to a turn's content: where the time until its answer goes, where a filler went before.

The critical path leads to the first sound. Where that is a filler, another chain of events leads to
the answer::

    u_off ─ endpointing ─ release ─ gap ─ functions ─ gap ─ LLM ─ gap ─ TTS ─ queued ─ gap ─
      output ─ (TTS) ─ first sound of the answer

Functions are what the language model called before it could answer, with the request that called
them. Queued is the answer's audio while the filler's is still being played. All times are integer
ns, so that the pieces and gaps add up to the time to the content exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.timeline.critical_path import release_of
from bench.timeline.timeline import Timeline, Turn
from bench.timeline.utterances import (
    Content,
    Spoken,
    Utterance,
    audio_of,
    goes_before,
    heard_from_ns,
)
from pipelines.marks import Mark


@dataclass(frozen=True, slots=True)
class ContentPath:
    """The marks on the way to a turn's content, in ns; None where there is none."""

    u_off: int
    tts_request: int
    first_byte: int
    release: int | None = None
    asked: int | None = None
    """The first LLM request on the way: the answer's, or the one that called functions."""
    functions_end: int | None = None
    """The last result that the answer waited for; None: it called none."""
    llm_request: int | None = None
    """The answer's own request; None where the answer is a line of the pipeline's own."""
    llm_id: str = ""
    to_tts: int | None = None
    free: int | None = None
    """When nothing else was to be played any more before the answer's audio."""
    write: int | None = None
    heard: int | None = None
    content_on: int | None = None
    """First audible sample of the answer."""

    @property
    def begun(self) -> int | None:
        """When work on the answer began: after the release, if the request came first."""
        if self.asked is None:
            return self.tts_request
        return self.asked if self.release is None else max(self.asked, self.release)

    @property
    def llm_start(self) -> int | None:
        """From when on the user waits for the answer's own LLM request."""
        if self.llm_request is None or self.functions_end is not None:
            return self.llm_request
        return self.begun

    @property
    def after_functions(self) -> int | None:
        """What follows the functions' results: the LLM request, or the line's TTS request."""
        return self.tts_request if self.llm_request is None else self.llm_request

    @property
    def functions_begun(self) -> int | None:
        """When the request began that called functions; None: there are none."""
        return self.begun if self.functions_end is not None else None

    @property
    def handed(self) -> int | None:
        """When the answer's first text was handed to the synthesiser."""
        return self.to_tts if self.to_tts is not None else self.tts_request

    @property
    def missing(self) -> str | None:
        """The first mark that the path lacks; None if it is whole."""
        for name, value in (
            ("turn.release", self.release),
            ("link.write", self.write),
            ("ear.heard", self.heard),
            ("audible answer", self.content_on),
        ):
            if value is None:
                return name
        return None


@dataclass(frozen=True, slots=True)
class Part:
    """A segment of the path, or a gap of it: a row of `PARTS`."""

    name: str
    """The metric's name; empty for a gap, a hand-over between components."""
    label: str
    """Short name, for a sum."""
    between: tuple[tuple[str, str], ...]
    """The stretches that it is made of: fields of `ContentPath`."""
    description: str = ""
    """Its definition, one line."""

    def duration(self, path: ContentPath) -> int | None:
        """How long it is, ns; None where it is not on the path."""
        total = 0
        for start, end in self.between:
            start_ns, end_ns = getattr(path, start), getattr(path, end)
            if start_ns is None or end_ns is None:
                return None
            total += end_ns - start_ns
        return total


PARTS: tuple[Part, ...] = (
    Part(
        "content_endpointing_delay",
        "endpointing delay",
        (("u_off", "release"),),
        "turn release − u_off, on the way to the answer after a filler",
    ),
    Part("", "turn→LLM", (("release", "begun"),)),
    Part(
        "content_functions",
        "functions",
        (("functions_begun", "functions_end"),),
        "LLM request that calls a function → the last result that the answer waits for",
    ),
    Part("", "functions→LLM", (("functions_end", "after_functions"),)),
    Part(
        "content_llm_to_clause",
        "LLM",
        (("llm_start", "handed"),),
        "the answer's own LLM request → its first text is handed to the TTS",
    ),
    Part("", "LLM→TTS", (("to_tts", "tts_request"),)),
    Part(
        "content_tts_ttfa",
        "TTS",
        (("tts_request", "first_byte"), ("heard", "content_on")),
        "the answer's TTS request → first byte, and the silence that leads its audio",
    ),
    Part(
        "content_queued",
        "queued",
        (("first_byte", "free"),),
        "the answer's first byte → the filler before it has been played",
    ),
    Part("", "TTS→link", (("free", "write"),)),
    Part(
        "content_output",
        "output",
        (("write", "heard"),),
        "the chunk with the answer's first sample is written → that sample is heard",
    ),
)
"""The parts, in the order of the path. Their sum is time_to_content."""


def residual_ns(path: ContentPath) -> int | None:
    """Σ of the hand-over gaps, in ns; None if the path is not whole."""
    if path.missing is not None:
        return None
    return sum(part.duration(path) or 0 for part in PARTS if not part.name)


def content_path(timeline: Timeline, turn: Turn, found: Content) -> ContentPath | None:
    """The path to a turn's content; None where nothing went before it, or there is none."""
    answer = found.utterance
    if answer is None or not goes_before(turn, found) or not answer.request_id:
        return None
    audio = audio_of(timeline, turn, answer)
    request = next(
        (m for m in turn.all("llm", "request") if answer.llm_id and m.request_id == answer.llm_id),
        None,
    )
    handed = next(
        (m.t_ns for m in turn.all("llm", "to_tts") if request and m.request_id == answer.llm_id),
        None,
    )
    asked, functions_end = _functions(turn, request, answer)
    return ContentPath(
        u_off=turn.u_off_ns,
        tts_request=answer.request_ns,
        first_byte=answer.first_byte_ns,
        release=_release(turn, asked, handed, answer),
        asked=None if asked is None else asked.t_ns,
        functions_end=functions_end,
        llm_request=None if request is None else request.t_ns,
        llm_id=answer.llm_id,
        to_tts=handed,
        **_heard(timeline, answer, audio),
    )


def _functions(
    turn: Turn, request: Mark | None, answer: Utterance
) -> tuple[Mark | None, int | None]:
    """The first LLM request on the way, and when the last function's result was there."""
    until_ns = answer.request_ns if request is None else request.t_ns
    ends = {m.request_id: m.t_ns for m in turn.all("llm", "tool_end")}
    calls = [
        m
        for m in turn.all("llm", "tool_start")
        if m.t_ns >= turn.u_on_ns and ends.get(m.request_id, until_ns + 1) <= until_ns
    ]
    if not calls:
        return request, None
    callers = [m for m in turn.all("llm", "request") if turn.u_on_ns <= m.t_ns <= calls[0].t_ns]
    return (callers[-1] if callers else request), max(ends[m.request_id] for m in calls)


def _release(turn: Turn, asked: Mark | None, handed: int | None, answer: Utterance) -> int | None:
    if asked is not None:
        return release_of(turn, asked, answer.request_ns if handed is None else handed)
    before = [m.t_ns for m in turn.all("turn", "release") if m.t_ns <= answer.request_ns]
    return before[-1] if before else None


def _heard(timeline: Timeline, answer: Utterance, audio: Spoken | None) -> dict[str, int | None]:
    if audio is None:
        return {}
    return {
        "free": audio.write_ns if audio.is_queued else answer.first_byte_ns,
        "write": audio.write_ns,
        "heard": audio.heard_ns,
        "content_on": heard_from_ns(timeline, audio),
    }
