"""The agent's speech, reply by reply, and how each reply ended: by itself, or because the user
spoke.

A reply was stopped if a clear cut what was not yet heard, if an interruption dropped what was held
back, if requests were cancelled, or if a model reported that it yielded; else it ended by itself.
Of a recorded call nothing but the sound is known: what ends after the least reaction is taken to
have stopped, with that doubt.
`bench.timeline.answers.replies_of` defines a reply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.timeline.answers import REPLY_GAP_MS, Sound
from bench.timeline.timeline import Timeline, Turn, llm_of
from pipelines.audio.onsets import MERGE_GAP_MS
from pipelines.clock import NS_PER_MS, NS_PER_S, samples_to_ns
from pipelines.marks import Mark

GAP_NS = REPLY_GAP_MS * NS_PER_MS
WORD_GAP_NS = round(MERGE_GAP_MS * NS_PER_MS)
"""Longest silence inside a sound."""
FALSE_WITHIN_NS = NS_PER_S
"""A reply that stops so soon after the end of an event was stopped by it."""
CANCELLED = frozenset({("llm", "cancelled"), ("tts", "cancelled")})
"""Marks that the rest of the agent's answer was taken back."""
LEAST_REACTION_NS = 160 * NS_PER_MS
"""Shortest time from the user's first sound to a stop for it: a duplex model's floor, a frame of
80 ms and its delay of one frame. A reply of a recorded call that ends sooner ended by itself."""
LEFT_UNKNOWN = "how much of the reply was left is not known"

Interval = tuple[int, int]
"""(start, end), ns."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a reply that the user spoke into ended."""

    stopped: bool
    """False: it ended by itself."""
    doubt: str | None = None
    """Why that is not certain."""


def reply_at(timeline: Timeline, t_ns: int) -> Sound | None:
    """The reply that is under way at a time; None if there is none."""
    return next((r for r in timeline.replies if r.start_ns <= t_ns < r.end_ns), None)


def ending(timeline: Timeline, reply: Sound, since_ns: int) -> Ending:
    """How a reply that was under way at ``since_ns`` ended.

    A duplex model that does not report the rest of its answer is taken to have stopped, and so is
    an agent of a recorded call that falls silent after `LEAST_REACTION_NS`. Of an agent with
    ambience something is always queued: a clear after the reply's end took nothing back.
    """
    until_ns = reply.end_ns + GAP_NS
    within = [m for m in timeline.marks if since_ns <= m.t_ns < until_ns]
    asked = {m.request_id for m in timeline.marks if m.event == "request" and m.t_ns < since_ns}
    for mark in within:
        event = (mark.stage, mark.event)
        too_late = timeline.ambience_dbfs is not None and mark.t_ns > reply.end_ns + WORD_GAP_NS
        if event == ("ear", "cleared") and mark.value != 0 and not too_late:
            return Ending(True)
        if event == ("link", "withheld"):
            return Ending(True)
        if event in CANCELLED and mark.request_id in asked:
            return Ending(True)
    if yielded(within) is not None:
        return Ending(True)
    is_stream = any((m.stage, m.event) == ("duplex", "frame_out") for m in within)
    if is_stream and timeline.trial.weights != "scripted":
        return Ending(True, LEFT_UNKNOWN)
    if timeline.trial.kind == "recorded" and reply.end_ns - since_ns >= LEAST_REACTION_NS:
        return Ending(True, LEFT_UNKNOWN)
    return Ending(False)


def yielded(marks: Sequence[Mark]) -> Mark | None:
    """A duplex model's report that it fell silent for the user, where it gives one."""
    return next((m for m in marks if (m.stage, m.event) == ("duplex", "yielded")), None)


def yield_ns(timeline: Timeline, reply: Sound, since_ns: int) -> int | None:
    """Time at which the agent decided to yield; None where it is not reported.

    For a duplex model by its own report, for a cascade when its pipeline interrupted.
    """
    until_ns = reply.end_ns + GAP_NS
    within = [m for m in timeline.marks if since_ns <= m.t_ns < until_ns]
    told = yielded(within)
    if told is not None:
        return told.t_ns
    for event in (("turn", "interruption"), ("link", "clear")):
        times = [m.t_ns for m in within if (m.stage, m.event) == event]
        if times:
            return times[0]
    return None


def left_ms(timeline: Timeline, reply: Sound, t_ns: int) -> float | None:
    """The least that was left of a reply at a time; None where it is not known.

    For a cascade, what its synthesiser had made for the answer by then, less what of it was heard
    by then. For a duplex model that reports when it yields, what it left unsaid then, and what it
    said in between.
    """
    until_ns = reply.end_ns + GAP_NS
    told = yielded([m for m in timeline.marks if t_ns <= m.t_ns < until_ns])
    if told is not None and told.value is not None:
        return told.value + (told.t_ns - t_ns) / NS_PER_MS
    made = [m for m in timeline.marks if m.stage == "tts" and m.t_ns <= t_ns]
    begun = [m for m in made if m.event == "first_byte"]
    if not begun:
        return None
    answer = llm_of(begun[-1])
    last = begun[-1].request_id
    own = [m for m in made if (llm_of(m) == answer if answer else m.request_id == last)]
    first_ns = min(m.t_ns for m in own)
    ends = [m.value for m in own if m.event == "end" and m.value is not None]
    if not ends:
        return None
    rate_hz = timeline.trial.rate_hz
    heard_ns = 0
    for chunk in timeline.chunks:
        if chunk.heard_ns is not None and chunk.write_ns >= first_ns and chunk.heard_ns < t_ns:
            length_ns = samples_to_ns(chunk.heard_samples, rate_hz)
            heard_ns += min(length_ns, t_ns - chunk.heard_ns)
    return (samples_to_ns(round(sum(ends)), rate_hz) - heard_ns) / NS_PER_MS


def answer_span(timeline: Timeline, turn: Turn) -> Interval | None:
    """When the answer to a turn was heard: from a_on to the end of the turn's last reply.

    A reply that goes on over what the user says next is heard to its end.
    """
    if turn.a_on_ns is None:
        return None
    until = turn.end_ns
    ends = [
        reply.end_ns
        for reply in timeline.replies
        if reply.end_ns > turn.a_on_ns and (until is None or reply.start_ns < until)
    ]
    return (turn.a_on_ns, max(ends)) if ends else None


def broken_into(timeline: Timeline, turn: Turn) -> bool:
    """Whether the user's next turn stopped the answer to this one: not all of it was said."""
    following = timeline.turn(turn.number + 1)
    if following is None:
        return False
    reply = reply_at(timeline, following.u_on_ns)
    if reply is None or reply.end_ns > following.u_off_ns + FALSE_WITHIN_NS:
        return False
    return ending(timeline, reply, following.u_on_ns).stopped
