"""What happened in a trial, turn by turn, rebuilt from its marks and its recording.

Marks say what the components did, the recording says what a person heard. Here they come
together: each mark is given to a user turn, and each turn its onset a_on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.recording import AGENT, Stereo
from bench.records import Trial
from pipelines.audio.onsets import audible_spans
from pipelines.clock import NS_PER_MS, samples_to_ns
from pipelines.marks import Mark

REPLY_GAP_MS = 800
"""Agent silence after which a new sound is a new reply, and no longer the earlier one."""

NO_ANSWER = "no answer"
STILL_SPEAKING = "no answer: the agent went on with its earlier reply"
NO_RECORDING = "no recording"

_REQUEST_STAGES = frozenset({"stt", "llm", "tts"})


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of the agent's audio, from its writing to its hearing."""

    chunk_id: str
    """``g<generation>:<seq>``."""
    write_ns: int
    """When the agent's end of the link stamped and sent it."""
    index: int
    """Index of its first sample in the agent's stream."""
    received_ns: int
    """When the caller received it."""
    samples: int
    """Its length."""
    heard_ns: int | None
    """When its first sample was heard; None if it never was."""
    heard_samples: int
    """How many of its samples were heard: fewer than ``samples`` where a clear cut it."""

    @property
    def generation(self) -> str:
        """The part of the agent's stream between two clears that it belongs to."""
        return self.chunk_id.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Sound:
    """A stretch of audible sound of the agent, half open, in time."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the user and what followed it, up to the user's next turn."""

    number: int
    """From 0."""
    u_on_ns: int
    """First audible sample of the user."""
    u_off_ns: int
    """End of the user's last audible sample."""
    end_ns: int | None
    """u_on of the next turn; None for the last one."""
    a_on_ns: int | None
    """First audible sample of the agent's answer; None if none was heard."""
    a_off_ns: int | None
    """End of the agent's last sound within this turn."""
    silence: str | None
    """Why there is no ``a_on_ns``; None if there is."""
    marks: tuple[Mark, ...]
    """The turn's marks, by time."""

    def all(self, stage: str, event: str) -> list[Mark]:
        """The turn's marks of one event, by time."""
        return [m for m in self.marks if m.stage == stage and m.event == event]

    @property
    def transcript(self) -> str:
        """What the recogniser made of the turn: the last final of each utterance, in order."""
        finals: dict[str, str] = {}
        for i, mark in enumerate(self.all("stt", "final")):
            finals[mark.request_id or f"#{i}"] = mark.text or ""
        return " ".join(text.strip() for text in finals.values() if text.strip())

    @property
    def answer(self) -> str | None:
        """What the agent meant to say; None where it did not tell.

        ``agent.answer_text`` if it is marked, else what the language model wrote, else what was
        handed to the synthesiser. What a request meant that was cancelled counts only where there
        is nothing else: it was begun before the user had ended.
        """
        cancelled = {mark.request_id for mark in self.all("llm", "cancelled")}
        for stage, event in (("agent", "answer_text"), ("llm", "end"), ("tts", "request")):
            said = [mark for mark in self.all(stage, event) if mark.text and mark.text.strip()]
            kept = [m for m in said if m.request_id.partition("/")[0] not in cancelled]
            texts = [mark.text.strip() for mark in kept or said if mark.text]
            if texts:
                return " ".join(texts)
        return None


@dataclass(frozen=True, slots=True)
class Timeline:
    """A whole trial."""

    trial: Trial
    turns: tuple[Turn, ...]
    """The turns that were spoken."""
    chunks: tuple[Chunk, ...]
    """The agent's chunks that arrived, as written."""
    sounds: tuple[Sound, ...]
    """All that was heard of the agent, by time."""
    marks: tuple[Mark, ...]
    """All marks, by time."""

    def turn(self, number: int) -> Turn | None:
        """A turn, or None if it was never spoken."""
        return next((t for t in self.turns if t.number == number), None)


def reconstruct(trial: Trial, marks: Sequence[Mark], recording: Stereo | None) -> Timeline:
    """Puts a trial together.

    Args:
        trial: Its row.
        marks: Its marks, in any order.
        recording: (n, 2) int16 at ``trial.rate_hz``, sample 0 at ``trial.t0_ns``; None if there
            is none: then nothing was heard.
    """
    by_time = sorted(marks, key=lambda m: m.t_ns)
    sounds = _sounds(trial, recording)
    limits = _limits(by_time)
    given = _given_to_turns(by_time)
    cleared = [m.t_ns for m in by_time if (m.stage, m.event) in _CLEARS]
    turns = []
    for i, (number, u_on, u_off) in enumerate(limits):
        end_ns = limits[i + 1][1] if i + 1 < len(limits) else None
        a_on = _onset(sounds, u_on, u_off, end_ns, cleared, trial.rate_hz)
        within = [s for s in sounds if s.end_ns > u_on and (end_ns is None or s.start_ns < end_ns)]
        silence = None
        if a_on is None:
            silence = STILL_SPEAKING if within else NO_ANSWER
            silence = NO_RECORDING if recording is None else silence
        own = tuple(m for m, turn in zip(by_time, given, strict=True) if turn == number)
        a_off = within[-1].end_ns if a_on is not None and within else None
        turns.append(Turn(number, u_on, u_off, end_ns, a_on, a_off, silence, own))
    return Timeline(trial, tuple(turns), _chunks(by_time), tuple(sounds), tuple(by_time))


_CLEARS = frozenset({("link", "clear"), ("ear", "cleared")})


def _sounds(trial: Trial, recording: Stereo | None) -> list[Sound]:
    if recording is None or len(recording) == 0:
        return []

    def at(sample: int) -> int:
        return trial.t0_ns + samples_to_ns(sample, trial.rate_hz)

    spans = audible_spans(recording[:, AGENT], trial.rate_hz)
    return [Sound(at(span.start), at(span.end)) for span in spans]


def _limits(marks: Sequence[Mark]) -> list[tuple[int, int, int]]:
    """(turn, u_on, u_off) of each turn whose speech was scheduled, by time."""
    user = [m for m in marks if m.stage == "user" and m.turn >= 0]
    on = {m.turn: m.t_ns for m in user if m.event == "speech_on"}
    off = {m.turn: m.t_ns for m in user if m.event == "speech_off"}
    both = [(turn, on[turn], off[turn]) for turn in on if turn in off]
    return sorted(both, key=lambda limits: limits[1])


def _given_to_turns(marks: Sequence[Mark]) -> list[int]:
    """The turn of each mark.

    A stamp of its own wins. Else what carries a request id goes where its request began, so that
    work which outlives its turn stays with it; the rest goes to the last turn that had started.
    """
    starts = [(m.t_ns, m.turn) for m in marks if (m.stage, m.event) == ("user", "turn_start")]
    home: dict[tuple[str, str], int] = {}
    given = []
    current = -1
    upcoming = 0
    for mark in marks:
        while upcoming < len(starts) and starts[upcoming][0] <= mark.t_ns:
            current = starts[upcoming][1]
            upcoming += 1
        turn = mark.turn if mark.turn >= 0 else current
        if mark.request_id and mark.stage in _REQUEST_STAGES:
            turn = home.setdefault((mark.stage, mark.request_id), turn)
        elif mark.request_id and mark.stage == "agent" and mark.turn < 0:
            turn = home.get(("llm", mark.request_id), turn)
        given.append(turn)
    return given


def _onset(
    sounds: Sequence[Sound],
    u_on: int,
    u_off: int,
    end_ns: int | None,
    cleared: Sequence[int],
    rate_hz: int,
) -> int | None:
    """a_on of the answer to a turn.

    The first sound that begins within the turn. One that begins while the user still speaks counts
    (its gap is negative), unless it only goes on with the earlier reply: then less than
    `REPLY_GAP_MS` of silence precede it and no clear cut the earlier reply off.
    """
    if not sounds:  # of a trial that failed at its start, even the rate is unknown
        return None
    one_sample = samples_to_ns(1, rate_hz) + 1
    last_end = -math.inf
    for sound in sounds:
        begins_within = u_on <= sound.start_ns and (end_ns is None or sound.start_ns < end_ns)
        if begins_within:
            paused = sound.start_ns - last_end >= REPLY_GAP_MS * NS_PER_MS
            cut = any(last_end - one_sample <= t <= sound.start_ns for t in cleared)
            if sound.start_ns >= u_off or paused or cut:
                return sound.start_ns
        last_end = sound.end_ns
    return None


def _chunks(marks: Sequence[Mark]) -> tuple[Chunk, ...]:
    """The chunks for which both the writing and the receiving are marked, as written."""
    written = {m.request_id: m for m in _of(marks, "link", "write")}
    received = {m.request_id: m for m in _of(marks, "ear", "received")}
    heard = {m.request_id: m for m in _of(marks, "ear", "heard")}
    chunks = []
    for chunk_id, write in written.items():
        arrival = received.get(chunk_id)
        if arrival is None:
            continue
        sound = heard.get(chunk_id)
        count = int(sound.value or 0) if sound is not None else 0
        chunks.append(
            Chunk(
                chunk_id,
                write.t_ns,
                int(write.value or 0),
                arrival.t_ns,
                int(arrival.value or 0),
                sound.t_ns if sound is not None and count > 0 else None,
                count,
            )
        )
    return tuple(chunks)


def _of(marks: Sequence[Mark], stage: str, event: str) -> Iterator[Mark]:
    return (m for m in marks if m.stage == stage and m.event == event)
