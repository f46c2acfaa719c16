"""A recorded call as turns: who spoke when, proposed from the two channels. Pure.

A turn is what the user says until the agent speaks, or until a long pause. What begins while the
agent speaks is an event of its own: long enough to be words it is an interruption, else a
backchannel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bench.store.labels import UserEvent
from pipelines.audio.onsets import Span

LONG_PAUSE_S = 2.0
"""Pause of the user, s, after which what follows is another turn, as in `fixtures add`."""
WORDS_S = 0.8
"""Least length of what the user says over the agent that is taken for words, s. Our own choice: the
shipped fixtures' backchannels last 0.23 to 0.47 s, their interruptions 1.57 s and more."""


@dataclass(frozen=True, slots=True)
class Label:
    """What came with a call on a stretch of the user's channel."""

    kind: str
    """``pause`` or another."""
    span: Span
    """The stretch, in samples of the recording."""
    event: UserEvent = ""
    """What the user's speech in it is; empty: nothing special."""


@dataclass(frozen=True, slots=True)
class UserTurn:
    """One turn of the user, in samples of the recording."""

    on: int
    """First audible sample."""
    off: int
    """Sample after the last audible one."""
    pauses: tuple[Span, ...] = ()
    """Pauses inside it."""
    event: UserEvent = ""
    """Its kind where it begins over the agent's speech."""


def turns_of(
    user: Sequence[Span],
    agent: Sequence[Span],
    rate_hz: int,
    labels: Sequence[Label] = (),
) -> list[UserTurn]:
    """The user's turns.

    Args:
        user: Stretches in which the user speaks, by time.
        agent: The same of the agent.
        rate_hz: Samples per second of all.
        labels: What came with the call. A labelled pause divides no turn, and where one is
            labelled no other gap is taken for a pause; an event is the kind of the turn that it
            covers most of.
    """
    pauses = [label.span for label in labels if label.kind == "pause"]
    grouped: list[list[Span]] = []
    for span in user:
        before = grouped[-1][-1] if grouped else None
        is_pause = before is not None and _overlaps(Span(before.end, span.start), pauses)
        if before is not None and (is_pause or _goes_on(before, span, agent, rate_hz)):
            grouped[-1].append(span)
        else:
            grouped.append([span])
    turns = [_turn(spans, agent, rate_hz) for spans in grouped]
    if pauses:
        turns = [
            replace(turn, pauses=tuple(p for p in turn.pauses if _overlaps(p, pauses)))
            for turn in turns
        ]
    for label in labels:
        if label.event and (number := covered(turns, label.span)) is not None:
            turns[number] = replace(turns[number], event=label.event)
    return turns


def covered(turns: Sequence[UserTurn], span: Span) -> int | None:
    """The turn of which a span covers most; None where it covers nothing of any."""
    found = [min(turn.off, span.end) - max(turn.on, span.start) for turn in turns]
    return found.index(max(found)) if found and max(found) > 0 else None


def _overlaps(span: Span, others: Sequence[Span]) -> bool:
    return any(span.start < other.end and other.start < span.end for other in others)


def _goes_on(before: Span, span: Span, agent: Sequence[Span], rate_hz: int) -> bool:
    """Whether what the user says belongs to the turn before: a short pause, and nobody spoke."""
    if span.start - before.end >= LONG_PAUSE_S * rate_hz:
        return False
    return not any(before.end <= a.start < span.start for a in agent) and not _over(span, agent)


def _over(span: Span, agent: Sequence[Span]) -> bool:
    """Whether it begins while the agent speaks."""
    return any(a.start <= span.start < a.end for a in agent)


def _turn(spans: Sequence[Span], agent: Sequence[Span], rate_hz: int) -> UserTurn:
    event: UserEvent = ""
    if _over(spans[0], agent):
        spoken = sum(span.end - span.start for span in spans)
        event = "interruption" if spoken >= WORDS_S * rate_hz else "backchannel"
    pauses = tuple(Span(a.end, b.start) for a, b in pairwise(spans))
    return UserTurn(spans[0].start, spans[-1].end, pauses, event)
