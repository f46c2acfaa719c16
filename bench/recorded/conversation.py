"""A recorded call as turns: who spoke when, proposed from the two channels. Pure.

A turn is what the user says until the agent speaks, or until a long pause. What begins while the
agent speaks is an event of its own: long enough to be words it is an interruption, else a
backchannel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.store.labels import UserEvent
from pipelines.audio.onsets import Span

LONG_PAUSE_S = 2.0
"""Pause of the user, s, after which what follows is another turn, as in `fixtures add`."""
WORDS_S = 0.8
"""Least length of what the user says over the agent that is taken for words, s. Our own choice: the
shipped fixtures' backchannels last 0.23 to 0.47 s, their interruptions 1.57 s and more."""


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


def turns_of(user: Sequence[Span], agent: Sequence[Span], rate_hz: int) -> list[UserTurn]:
    """The user's turns.

    Args:
        user: Stretches in which the user speaks, by time.
        agent: The same of the agent.
        rate_hz: Samples per second of both.
    """
    grouped: list[list[Span]] = []
    for span in user:
        if grouped and _goes_on(grouped[-1][-1], span, agent, rate_hz):
            grouped[-1].append(span)
        else:
            grouped.append([span])
    return [_turn(spans, agent, rate_hz) for spans in grouped]


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
