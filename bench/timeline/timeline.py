"""What happened in a trial, turn by turn, rebuilt from its marks and its recording.

Marks say what the components did, the recording says what a person heard. This module joins them:
each mark is assigned to a user turn, and each turn gets its onset a_on.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np

from bench.store.recording import AGENT, Stereo
from bench.store.records import Trial
from bench.timeline.answers import (
    TOO_SOON,
    Chunk,
    Heard,
    Onset,
    Sound,
    Tags,
    find_onset,
    replies_of,
)
from pipelines.audio.ambience import audible_in, dbfs, threshold_dbfs, window_levels
from pipelines.audio.onsets import audible_spans
from pipelines.clock import NS_PER_S, ns_to_samples, samples_to_ns
from pipelines.marks import EventName, Mark, Stage, StageEvent

NO_ANSWER = "no answer"
CUT_SHORT = "no answer after one that was cut"
STILL_SPEAKING = "no answer: the agent went on with its earlier reply"
TOO_EARLY = "no answer: the agent spoke only before the user had ended"
NO_RECORDING = "no recording"

ENDLESS_S = 10.0
"""Sound without a pause of 200 ms that is longer than speech goes on without one."""


def unheard(ambience_dbfs: float) -> str:
    """Why there is no answer in a channel that is never silent, one sentence."""
    return (
        f"no answer that rises above the agent's ambience of {dbfs(ambience_dbfs)}: what is softer "
        f"than {dbfs(threshold_dbfs(ambience_dbfs))} can't be told from it"
    )


_REQUEST_STAGES: frozenset[Stage] = frozenset({"stt", "llm", "tts"})
_ANSWER_TEXTS: tuple[StageEvent, ...] = (
    ("agent", "answer_text"),
    ("llm", "end"),
    ("tts", "request"),
)
"""Marks whose text is what the agent meant to say, best first."""

ByEvent = Mapping[StageEvent, Sequence[Mark]]
"""(stage, event) → its marks, by time."""


def by_event(marks: Iterable[Mark]) -> ByEvent:
    """Groups marks by event, so that millions of them are scanned only once."""
    known = tuple(marks)
    return _grouped(map(_EVENT, known), known)


def _grouped(events: Iterable[StageEvent], marks: Iterable[Mark]) -> ByEvent:
    found: defaultdict[StageEvent, list[Mark]] = defaultdict(list)
    for event, mark in zip(events, marks, strict=True):
        found[event].append(mark)
    return dict(found)


_EVENT = attrgetter("stage", "event")
"""A mark's component and event; from C, which takes half the time."""


@dataclass(frozen=True, slots=True)
class InTime:
    """A trial's marks by time, and grouped: computed once for all who read them."""

    marks: tuple[Mark, ...]
    """All of them, by time."""
    keys: tuple[StageEvent, ...]
    """The component and event of each."""
    events: ByEvent
    """The same, grouped."""


def in_time(marks: Sequence[Mark]) -> InTime:
    """Sorts and groups a trial's marks, which may be in any order."""
    by_time = tuple(sorted(marks, key=attrgetter("t_ns")))
    keys = tuple(map(_EVENT, by_time))
    return InTime(by_time, keys, _grouped(keys, by_time))


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the user and what followed it, up to the user's next turn."""

    number: int
    """Number of the turn, from 0."""
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
    premature_starts: int = 0
    """Answers that began before the user had ended, and were cut before the user had."""
    doubt: str | None = None
    """Why the sound at ``a_on_ns`` may be no answer to this turn; None if it is one."""
    memo: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Cache of what was computed from them."""

    def all(self, stage: Stage, event: EventName) -> list[Mark]:
        """The turn's marks of one event, by time."""
        if "by_event" not in self.memo:
            self.memo["by_event"] = by_event(self.marks)
        return list(self.memo["by_event"].get((stage, event), ()))

    @property
    def transcript(self) -> str:
        """The recogniser's transcript of the turn: the last final of each utterance, in order."""
        finals: dict[str, str] = {}
        for i, mark in enumerate(self.all("stt", "final")):
            finals[mark.request_id or f"#{i}"] = mark.text or ""
        for i, mark in enumerate(self.all("line", "user_text")):
            finals[f"line {i}"] = mark.text or ""
        return " ".join(text.strip() for text in finals.values() if text.strip())

    def answer_of(self, llm_id: str) -> str | None:
        """The text that the agent meant to say by one request; None where it is not reported.

        ``agent.answer_text`` if it is marked, else what the language model wrote, else what was
        handed to the synthesiser, else what an agent elsewhere reports over its line, else the
        words that came with a recorded call.

        Args:
            llm_id: The LLM request that led to a_on, see `critical_path.critical_path`. Empty
                where there is none: then all that was meant in the turn.
        """

        def is_of(mark: Mark) -> bool:
            of = llm_of(mark) if mark.stage == "tts" else mark.request_id
            return not llm_id or of in ("", llm_id)

        for stage, event in _ANSWER_TEXTS:
            said = [mark.text or "" for mark in self.all(stage, event) if is_of(mark)]
            texts = [text.strip() for text in said if text.strip()]
            if texts:
                return " ".join(texts)
        pieces = "".join(mark.text or "" for mark in self.all("line", "agent_text"))
        words = (m.text or "" for m in self.all("given", "word") if m.request_id == "agent")
        return pieces.strip() or " ".join(words).strip() or None


@dataclass(frozen=True, slots=True)
class Timeline:
    """A whole trial."""

    trial: Trial
    turns: tuple[Turn, ...]
    """The turns that were spoken."""
    chunks: tuple[Chunk, ...]
    """The agent's chunks that arrived, as written."""
    sounds: tuple[Sound, ...]
    """Everything heard of the agent, by time."""
    marks: tuple[Mark, ...]
    """All marks, by time."""
    replies: tuple[Sound, ...] = ()
    """The agent's replies, by time: sounds less than `answers.REPLY_GAP_MS` apart are one reply."""
    ambience_dbfs: float | None = None
    """Level of the ambience above which the sounds were found; None: the channel falls silent."""
    memo: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Cache of what was computed from them."""

    def all(self, stage: Stage, event: EventName) -> Sequence[Mark]:
        """All marks of one event, by time."""
        if "by_event" not in self.memo:
            self.memo["by_event"] = by_event(self.marks)
        found: Sequence[Mark] = self.memo["by_event"].get((stage, event), ())
        return found

    def turn(self, number: int) -> Turn | None:
        """A turn, or None if it was never spoken."""
        return next((t for t in self.turns if t.number == number), None)


def reconstruct(trial: Trial, marks: Sequence[Mark] | InTime, recording: Stereo | None) -> Timeline:
    """Puts a trial together.

    Args:
        trial: Its row.
        marks: Its marks, in any order, or sorted already.
        recording: (n, 2) int16 at ``trial.rate_hz``, sample 0 at ``trial.t0_ns``; None if there
            is none: then nothing was heard.
    """
    ordered = marks if isinstance(marks, InTime) else in_time(marks)
    events = ordered.events
    sounds, ambience = _sounds(trial, recording)
    chunks = _chunks(events)
    limits = _limits(events)
    given = _given_to_turns(ordered)
    cleared = sorted(m.t_ns for clear in _CLEARS for m in events.get(clear, ()))
    heard = Heard(sounds, chunks, cleared, trial.rate_hz)
    sent = _sent(events)
    ends = {m.request_id: m.t_ns for how in _SPOKEN_OUT for m in events.get(how, ())}
    turns, doubts = [], dict[Sound, str]()
    for i, (number, u_on, u_off) in enumerate(limits):
        end_ns = limits[i + 1][1] if i + 1 < len(limits) else None
        own, own_events = given.get(number, _NONE_GIVEN)
        made = {of: sent[of] for of in _made_for(own_events, u_on)}
        others = [(t_ns, ends.get(of, math.inf)) for of, t_ns in sent.items() if of not in made]
        tags = Tags(list(made.values()), others) if sent else None
        onset = find_onset(heard, u_on, u_off, end_ns, tags)
        a_on = onset.a_on_ns
        if a_on is None and recording is not None and ("link", "context") in events:
            queued = _queued_onset(heard, list(made.values()), u_off, end_ns)
            if queued is not None and queued.heard_ns is not None:
                a_on = _first_audible_ns(trial, recording, queued.heard_ns, ambience)
        too_soon = TOO_SOON if _asked_too_soon(own_events, made, u_on, a_on) else None
        within = [s for s in sounds if s.end_ns > u_on and (end_ns is None or s.start_ns < end_ns)]
        silence = None
        if recording is None:
            silence = NO_RECORDING
        elif a_on is None:
            silence = _why_silent(within, onset, u_off, ambience)
            if silence == STILL_SPEAKING:
                sound = within[-1]
                if sound not in doubts:  # one sound may outlast many turns
                    doubts[sound] = _endless(trial, recording, sound)
                silence += doubts[sound]
        a_off = within[-1].end_ns if a_on is not None and within else None
        turn = Turn(
            number,
            u_on,
            u_off,
            end_ns,
            a_on,
            a_off,
            silence,
            tuple(own),
            onset.premature_starts,
            onset.doubt or too_soon,
        )
        turn.memo["by_event"] = own_events
        turns.append(turn)
    replies = tuple(replies_of(sounds, cleared))
    timeline = Timeline(
        trial, tuple(turns), chunks, tuple(sounds), ordered.marks, replies, ambience
    )
    timeline.memo["by_event"] = events
    return timeline


_SPOKEN_OUT: tuple[StageEvent, ...] = (("tts", "end"), ("tts", "cancelled"))
_HEARD_END: tuple[StageEvent, ...] = (
    ("vad", "speech_stop"),
    ("turn", "release"),
    ("stt", "final"),
)
"""Marks that show that the agent takes the user to have ended, or paused."""
_CLEARS: tuple[StageEvent, ...] = (("link", "clear"), ("ear", "cleared"))


def _sounds(trial: Trial, recording: Stereo | None) -> tuple[list[Sound], float | None]:
    """What was heard of the agent, and the level of its ambience in dBFS."""
    if recording is None or len(recording) == 0:
        return [], None

    def at(sample: int) -> int:
        return trial.t0_ns + samples_to_ns(sample, trial.rate_hz)

    spans, ambience = audible_in(recording[:, AGENT], trial.rate_hz)
    return [Sound(at(span.start), at(span.end)) for span in spans], ambience


def _why_silent(
    within: Sequence[Sound], onset: Onset, u_off: int, ambience_dbfs: float | None
) -> str:
    """Why a turn has no answer, one sentence.

    Args:
        within: The agent's sounds in the turn.
        onset: What was found of an answer.
        u_off: End of the user's turn, ns.
        ambience_dbfs: The ambience of the agent's channel; None: it has none.
    """
    if onset.premature_starts:
        return CUT_SHORT
    if not within:
        return NO_ANSWER if ambience_dbfs is None else unheard(ambience_dbfs)
    return STILL_SPEAKING if within[-1].end_ns > u_off else TOO_EARLY


def _endless(trial: Trial, recording: Stereo, sound: Sound) -> str:
    """What makes it doubtful that a sound is speech; empty where nothing does."""
    long_s = (sound.end_ns - sound.start_ns) / NS_PER_S
    if long_s < ENDLESS_S:
        return ""
    first, last = (
        ns_to_samples(t - trial.t0_ns, trial.rate_hz) for t in (sound.start_ns, sound.end_ns)
    )
    levels = window_levels(recording[first:last, AGENT], trial.rate_hz)
    return (
        f", which did not pause for {long_s:.0f} s ({dbfs(float(np.percentile(levels, 10)))} at "
        "its quietest): if that is ambience, it can't be told from speech"
    )


def _limits(events: ByEvent) -> list[tuple[int, int, int]]:
    """(turn, u_on, u_off) of each turn whose speech was scheduled, by time."""
    on = {m.turn: m.t_ns for m in events.get(("user", "speech_on"), ()) if m.turn >= 0}
    off = {m.turn: m.t_ns for m in events.get(("user", "speech_off"), ()) if m.turn >= 0}
    both = [(turn, on[turn], off[turn]) for turn in on if turn in off]
    return sorted(both, key=lambda limits: limits[1])


_NONE_GIVEN: tuple[list[Mark], ByEvent] = [], {}


def _given_to_turns(ordered: InTime) -> dict[int, tuple[list[Mark], ByEvent]]:
    """Turn → its marks, by time, and the same grouped by event.

    A mark's own turn number comes first. Otherwise a mark with a request id goes where its request
    began, and a synthesiser's request where that of its language model did, so that work which
    outlives its turn stays with it; the rest goes to the last turn that had started.
    """
    starts = [(m.t_ns, m.turn) for m in ordered.events.get(("user", "turn_start"), ())]
    home: dict[tuple[Stage, str], int] = {}
    given: defaultdict[int, list[Mark]] = defaultdict(list)
    grouped: defaultdict[int, defaultdict[StageEvent, list[Mark]]]
    grouped = defaultdict(lambda: defaultdict(list))
    current = -1
    upcoming = 0
    starts.append((sys.maxsize, -1))  # never reached
    next_ns = starts[0][0]
    for mark, event in zip(ordered.marks, ordered.keys, strict=True):
        while next_ns <= mark.t_ns:
            current = starts[upcoming][1]
            upcoming += 1
            next_ns = starts[upcoming][0]
        stage, turn = mark.stage, mark.turn if mark.turn >= 0 else current
        if stage in _REQUEST_STAGES and mark.request_id:
            if stage == "tts" and mark.turn < 0:
                turn = home.get(("llm", llm_of(mark)), turn)
            turn = home.setdefault((stage, mark.request_id), turn)
        elif stage == "agent" and mark.request_id and mark.turn < 0:
            turn = home.get(("llm", mark.request_id), turn)
        given[turn].append(mark)
        grouped[turn][event].append(mark)
    return {turn: (own, dict(grouped[turn])) for turn, own in given.items()}


def _sent(events: ByEvent) -> dict[str, float]:
    """Request of a synthesiser → the time from which its audio was sent, ns.

    It is when its first audio came out, or when its context's turn came, where that is marked: the
    audio may wait behind another's, or never be sent.
    """
    begun = {m.text: m.t_ns for m in reversed(events.get(("link", "context"), ()))}
    return {
        m.request_id: begun.get(m.text, math.inf) if m.text and begun else m.t_ns
        for m in reversed(events.get(("tts", "first_byte"), ()))
    }


def _made_for(events: ByEvent, u_on: int) -> set[str]:
    """The synthesiser's requests that a turn caused.

    Args:
        events: The turn's own marks.
        u_on: Start of the turn; earlier requests to the language model belong to earlier turns.
    """
    asked = {m.request_id: m.t_ns for m in events.get(("llm", "request"), ())}
    spoken = {m.request_id: m.t_ns for m in events.get(("tts", "request"), ())}
    return {
        m.request_id
        for m in events.get(("tts", "first_byte"), ())
        if asked.get(llm_of(m), spoken.get(m.request_id, m.t_ns)) >= u_on
    }


def _queued_onset(
    heard: Heard, contexts_ns: Sequence[float], u_off: int, end_ns: int | None
) -> Chunk | None:
    """The first chunk of an answer that followed an earlier reply without a silence.

    Args:
        heard: The agent's side of the trial.
        contexts_ns: When each of the turn's contexts was sent; infinite where it was not.
        u_off: The user's end, ns.
        end_ns: u_on of the next turn; None for the last one.
    """
    since_ns = min(contexts_ns, default=math.inf)
    for chunk in heard.chunks:
        if chunk.write_ns >= since_ns and chunk.heard_ns is not None:
            is_in_turn = u_off <= chunk.heard_ns < (math.inf if end_ns is None else end_ns)
            return chunk if is_in_turn else None
    return None


def _first_audible_ns(
    trial: Trial, recording: Stereo, since_ns: int, ambience_dbfs: float | None
) -> int | None:
    """The agent's first audible sample from a time on, within a second; None if there is none."""
    first = ns_to_samples(since_ns - trial.t0_ns, trial.rate_hz)
    part = recording[first : first + trial.rate_hz, AGENT]
    threshold = threshold_dbfs(ambience_dbfs)
    spans = audible_spans(part, trial.rate_hz, threshold_dbfs=threshold)
    if not spans:
        return None
    return trial.t0_ns + samples_to_ns(first + spans[0].start, trial.rate_hz)


def _asked_too_soon(
    events: ByEvent, made: Mapping[str, float], u_on: int, a_on: int | None
) -> bool:
    """True if the first sound is a line of the pipeline's own that answers nothing heard yet.

    Args:
        events: The turn's own marks.
        made: The turn's requests, and the time from which the audio of each was sent.
        u_on: Start of the turn.
        a_on: The first sound.
    """
    if a_on is None:
        return False
    heard = [m.t_ns for how in _HEARD_END for m in events.get(how, ()) if m.t_ns >= u_on]
    lines = {m.request_id: m.t_ns for m in events.get(("tts", "request"), ()) if not llm_of(m)}
    last = max((of for of, t_ns in made.items() if t_ns <= a_on), key=made.__getitem__, default="")
    return bool(heard) and lines.get(last, sys.maxsize) < min(heard)


def llm_of(mark: Mark) -> str:
    """The LLM request that a TTS request's id, ``<llm id>/<tts id>``, names; empty if none."""
    of, named, _ = mark.request_id.partition("/")
    return of if named else ""


def _chunks(events: ByEvent) -> tuple[Chunk, ...]:
    """The chunks for which both the writing and the receiving are marked, as written."""
    written = {m.request_id: m for m in events.get(("link", "write"), ())}
    received = {m.request_id: m for m in events.get(("ear", "received"), ())}
    heard = {m.request_id: m for m in events.get(("ear", "heard"), ())}
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
