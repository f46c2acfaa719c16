"""The critical path of a turn: where the milliseconds between the user and the agent go.

From u_off to a_on there is one chain of events. It is cut at the marks into *segments*, the work
of a component, and *gaps*, the hand-over between one component's end and the next one's start::

    u_off ─ endpointing_delay ─ release ─ gap ─ llm.request ─ llm_to_clause ─ llm.to_tts ─ gap ─
      tts.request ─ tts_ttfa ─ tts.first_byte ─ gap ─ link.write ─ output ─ ear.heard ─
      (tts_ttfa) ─ a_on

The silence that leads the reply's audio is the synthesiser's doing, so it counts to tts_ttfa. All
times are integer ns, so that segments and gaps add up to a_on − u_off exactly.

The first sound may be a line that the pipeline speaks by itself, a filler for instance. No language
model is on its path then, unless the line was spoken because the model called a function; and a
line that came before the turn's release ends the wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.timeline.answers import Chunk
from bench.timeline.timeline import Turn
from bench.timeline.utterances import Spoken, Utterance, lines, spoken
from pipelines.clock import samples_to_ns
from pipelines.marks import Mark


@dataclass(frozen=True, slots=True)
class Path:
    """The marks on a turn's critical path, in ns; None where there is none."""

    u_off: int
    release: int | None = None
    llm_request: int | None = None
    to_tts: int | None = None
    tts_request: int | None = None
    first_byte: int | None = None
    write: int | None = None
    heard: int | None = None
    a_on: int | None = None
    llm_id: str = ""
    """Request id of the LLM request that led to the answer."""
    is_line: bool = False
    """True where the first sound is a line of the pipeline's own, with no language model on its
    path. ``release`` is then when the line was asked for, where that came before the release."""

    @property
    def handed(self) -> int | None:
        """When the first text was handed to the synthesiser: at its request, where not marked."""
        return self.to_tts if self.to_tts is not None else self.tts_request

    @property
    def llm_start(self) -> int | None:
        """From when on the user waits for the language model alone.

        A turn may be released after the request: where the model itself decides that the turn is
        complete, or answers a prediction of its end. Until then it is the release that is waited
        for.
        """
        if self.llm_request is None or self.release is None:
            return self.llm_request
        return max(self.llm_request, self.release)

    @property
    def begun(self) -> int | None:
        """When work on the answer began: the language model's, or the synthesiser's on a line."""
        return self.tts_request if self.is_line else self.llm_start

    @property
    def missing(self) -> str | None:
        """The first mark that the path lacks; None if it is whole."""
        for name, value in (
            ("turn.release", self.release),
            ("llm.request", self.tts_request if self.is_line else self.llm_request),
            ("tts.request", self.tts_request),
            ("tts.first_byte", self.first_byte),
            ("link.write", self.write),
            ("ear.heard", self.heard),
            ("audible answer", self.a_on),
        ):
            if value is None:
                return name
        return None


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment or a gap of the critical path: a row of `PIECES`."""

    name: str
    """The metric's name."""
    label: str
    """Short name, for tables and plots."""
    between: tuple[tuple[str, str], ...]
    """The stretches that it is made of: the fields of `Path` at the start and the end of each."""
    lane: str
    """Lane of a turn's picture in which it lies, a key of ``bench.report.page.lanes.LANES``."""
    description: str
    """Its definition, one line."""
    colour: str = ""
    """``#rrggbb``; empty for a gap, a hand-over between components: part of the residual."""

    @property
    def is_gap(self) -> bool:
        """A hand-over between components."""
        return not self.colour

    def duration(self, path: Path) -> int | None:
        """How long it is, ns; None where a mark that it needs is missing."""
        total = 0
        for start_ns, end_ns in self.stretches(path):
            if start_ns is None or end_ns is None:
                return None
            total += end_ns - start_ns
        return total

    def stretches(self, path: Path) -> list[tuple[int | None, int | None]]:
        """(start, end) of each of its stretches, ns; None where a mark is missing."""
        return [(getattr(path, start), getattr(path, end)) for start, end in self.between]


# Okabe & Ito's palette: distinguishable with any kind of colour vision.
PIECES: tuple[Piece, ...] = (
    Piece(
        "endpointing_delay",
        "endpointing delay",
        (("u_off", "release"),),
        "turn",
        "turn release − u_off: VAD stop, end-of-turn model, wait for the final transcript; to a "
        "filler's request, where that came before the release",
        "#e69f00",
    ),
    Piece(
        "gap_release_to_llm",
        "turn→LLM",
        (("release", "begun"),),
        "llm",
        "turn release → LLM request, or the TTS request of a line without an LLM; 0 where the "
        "request came first",
    ),
    Piece(
        "llm_to_clause",
        "LLM",
        (("llm_start", "handed"),),
        "llm",
        "LLM request (or turn release, if later) → its first text is handed to the TTS",
        "#56b4e9",
    ),
    Piece(
        "gap_llm_to_tts",
        "LLM→TTS",
        (("to_tts", "tts_request"),),
        "tts",
        "text handed over → TTS request (null where the hand-over is not marked)",
    ),
    Piece(
        "tts_ttfa",
        "TTS",
        (("tts_request", "first_byte"), ("heard", "a_on")),
        "tts",
        "TTS request → first byte, and the silence that leads the reply's audio",
        "#009e73",
    ),
    Piece(
        "gap_tts_to_link",
        "TTS→link",
        (("first_byte", "write"),),
        "out",
        "first byte → the reply's first chunk is written to the link",
    ),
    Piece(
        "output",
        "output",
        (("write", "heard"),),
        "out",
        "the reply's first chunk is written → its first sample is heard",
        "#cc79a7",
    ),
)
"""The pieces, in the order of the path. Their sum is voice_to_voice."""


def durations(path: Path) -> dict[str, int]:
    """Piece → ns; empty if the path is not whole. The values add up to a_on − u_off."""
    if path.missing is not None:
        return {}
    pieces = {piece.name: piece.duration(path) for piece in PIECES}
    return {name: ns for name, ns in pieces.items() if ns is not None}


def residual_ns(path: Path) -> int | None:
    """Σ of the hand-over gaps, in ns; None if the path is not whole."""
    whole = durations(path)
    return sum(whole.get(p.name, 0) for p in PIECES if p.is_gap) if whole else None


def critical_path(turn: Turn, chunks: Sequence[Chunk], rate_hz: int) -> Path:
    """Finds the critical path of a turn.

    The LLM request that led to the answer is the last one before a_on from which an unbroken
    chain of marks, each after the one before, leads to a chunk heard by a_on: so a request that
    was cancelled on the way, or one that belongs to what came later, is never taken for it.

    Args:
        turn: The turn.
        chunks: All chunks of the trial, as written.
        rate_hz: Rate of the recording; a_on is exact to one sample of it.

    Returns:
        The path. It is not whole where a mark is missing or the turn has no answer; what is
        there is then that of the turn's last LLM request.
    """
    if line := _first_line(turn, chunks, rate_hz):
        return _from_line(turn, *line)
    cancelled = {m.request_id for m in turn.all("llm", "cancelled")}
    requests = [m for m in turn.all("llm", "request") if m.t_ns >= turn.u_on_ns]
    # The recording's samples lie up to half a sample from the ear's times.
    latest = None if turn.a_on_ns is None else turn.a_on_ns + samples_to_ns(1, rate_hz)
    before = [m for m in requests if latest is None or m.t_ns <= latest]
    found = []
    for i in reversed(range(len(before))):
        until = before[i + 1].t_ns if i + 1 < len(before) else None
        path = _from_request(turn, before[i], until, chunks, latest)
        if path.missing is None:
            return path
        found.append(path)
    if not found:
        releases = turn.all("turn", "release")
        release = releases[-1].t_ns if releases else None
        return Path(turn.u_off_ns, release=release, a_on=turn.a_on_ns)
    return next((path for path in found if path.llm_id not in cancelled), found[0])


def _first_line(
    turn: Turn, chunks: Sequence[Chunk], rate_hz: int
) -> tuple[Utterance, Spoken] | None:
    """The line of the pipeline's own that is the turn's first sound; None: it is no such line."""
    own = {line.request_id: line for line in lines(turn)}
    if not own or turn.a_on_ns is None:
        return None
    latest = turn.a_on_ns + samples_to_ns(1, rate_hz)
    heard = [
        found for found in spoken(turn, chunks, rate_hz).items() if found[1].heard_ns <= latest
    ]
    if not heard or heard[-1][0] not in own:
        return None
    request_id, found = heard[-1]
    return own[request_id], found


def _from_line(turn: Turn, line: Utterance, found: Spoken) -> Path:
    """The chain that led to a line of the pipeline's own."""
    ended = _before_line(turn, line.request_ns)
    request, handed = ended or (None, None)
    released = [m.t_ns for m in turn.all("turn", "release")]
    before = [t_ns for t_ns in released if t_ns <= line.request_ns]
    release = before[-1] if before else line.request_ns if released else None
    if request is not None:
        release = release_of(turn, request, handed)
    return Path(
        u_off=turn.u_off_ns,
        release=release,
        llm_request=request.t_ns if request is not None else None,
        to_tts=handed,
        tts_request=line.request_ns,
        first_byte=line.first_byte_ns,
        write=found.write_ns,
        heard=found.heard_ns,
        a_on=turn.a_on_ns,
        llm_id=request.request_id if request is not None else "",
        is_line=request is None,
    )


def _before_line(turn: Turn, line_ns: int) -> tuple[Mark, int] | None:
    """The LLM request whose call of a function led to a line, and when it called; None if none."""
    requests = [m for m in turn.all("llm", "request") if turn.u_on_ns <= m.t_ns <= line_ns]
    if not requests:
        return None
    calls = [m.t_ns for m in turn.all("llm", "tool_start")]
    called = next((t for t in calls if requests[-1].t_ns <= t <= line_ns), None)
    return None if called is None else (requests[-1], called)


def _from_request(
    turn: Turn, request: Mark, until: int | None, chunks: Sequence[Chunk], latest: int | None
) -> Path:
    """The chain that an LLM request began, as far as it can be followed.

    Args:
        turn: The turn.
        request: The LLM request.
        until: When the next LLM request began, ns; what the synthesiser is handed then is not
            this one's. None if there is none.
        chunks: All chunks of the trial, as written.
        latest: A chunk of the answer was heard by then, ns. None if no answer was heard.
    """
    spoken = _spoken(turn, request, until)
    first_byte = write = heard = None
    if spoken is not None:
        first_byte = _first_byte(turn, spoken)
    if first_byte is not None:
        after = (c for c in chunks if c.write_ns >= first_byte and c.heard_ns is not None)
        chunk = next(after, None)
        if chunk is not None and chunk.heard_ns is not None:
            write = chunk.write_ns
            heard = chunk.heard_ns if latest is None or chunk.heard_ns <= latest else None
    handed = [
        m
        for m in turn.all("llm", "to_tts")
        if m.request_id in ("", request.request_id)
        and m.t_ns >= request.t_ns
        and (until is None or m.t_ns < until)
    ]
    handed_ns = handed[0].t_ns if handed else spoken.t_ns if spoken is not None else None
    return Path(
        u_off=turn.u_off_ns,
        release=release_of(turn, request, handed_ns),
        llm_request=request.t_ns,
        to_tts=handed[0].t_ns if handed else None,
        tts_request=spoken.t_ns if spoken is not None else None,
        first_byte=first_byte,
        write=write,
        heard=heard,
        a_on=turn.a_on_ns,
        llm_id=request.request_id,
    )


def release_of(turn: Turn, request: Mark, handed_ns: int | None) -> int | None:
    """The turn's release that let a request's answer out, ns: the last one before the request.

    Where none came before it, the first one after it, up to when its text was handed on.
    """
    releases = [m.t_ns for m in turn.all("turn", "release")]
    before = [t_ns for t_ns in releases if t_ns <= request.t_ns]
    after = [t_ns for t_ns in releases if handed_ns is not None and t_ns <= handed_ns]
    return before[-1] if before else next(iter(after), None)


def _spoken(turn: Turn, request: Mark, until: int | None) -> Mark | None:
    """The first text of an LLM request's answer that was spoken.

    A TTS request names its LLM request (``<llm id>/<tts id>``), or else is the LLM request's by
    time. A text of which no audio came, a lone dash for instance, is passed over if there is
    another.
    """
    handed = []
    own = {line.request_id for line in lines(turn)}
    for mark in turn.all("tts", "request"):
        if mark.request_id in own:
            continue
        of, named, _ = mark.request_id.partition("/")
        in_time = mark.t_ns >= request.t_ns and (until is None or mark.t_ns < until)
        if of == request.request_id if named else in_time:
            handed.append(mark)
    audible = [mark for mark in handed if _first_byte(turn, mark) is not None]
    return next(iter([*audible, *handed]), None)


def _first_byte(turn: Turn, spoken: Mark) -> int | None:
    """Time of the first audio of a TTS request, ns."""
    marks = turn.all("tts", "first_byte")
    made = next((m.t_ns for m in marks if m.request_id == spoken.request_id), None)
    # What was synthesised ahead of its release is there at once, and not before it is asked for.
    return None if made is None else max(made, spoken.t_ns)
