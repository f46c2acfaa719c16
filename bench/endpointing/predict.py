"""Has a method hear turns: its estimates in every silence, and what its own policy does.

Both are causal: a method is fed 20 ms at a time. The second counts its computing: a decision is
known when the piece of sound that led to it has been computed, and what is still being computed
delays the next. The time is that of this process's thread (CPU time), so that other work on the
machine doesn't count.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.endpointing.predictions import Prediction
from bench.endpointing.turns import LEAST_S, Silence, UserTurn
from bench.fixtures.library import RATE_HZ
from pipelines.cascade.endpointing.methods import CHUNK, Listener, Method

INTERVAL_S = 0.1
"""Time between two estimates, as in eot-bench."""
_EPS = 1e-6


@dataclass(frozen=True, slots=True)
class Decided:
    """What a method's own policy did in one turn."""

    turn: str
    """The turn's id."""
    pauses: int
    """Its pauses."""
    cut: int
    """Those in which the turn was taken for over."""
    mid_speech: int
    """Times it was taken for over while the user spoke."""
    wait_s: float | None
    """Decision about the whole turn − its end; None: it never came."""
    computed_s: float | None
    """The same when the decision has been computed."""
    watched_s: float
    """Silence after its end in which a decision was waited for."""
    longest_s: float
    """The longest computing of one piece of sound, CPU s."""
    busy: float
    """CPU s per s of sound."""


def estimates(method: Method, turn: UserTurn) -> Iterator[Prediction]:
    """A method's estimate at every 0.1 s of each silence, and at its end."""
    listener = method.scorer()
    asked = sorted(_moments(turn))
    for at in range(0, len(turn.pcm) - CHUNK + 1, CHUNK):
        listener.feed(turn.pcm[at : at + CHUNK])
        now = (at + CHUNK) / RATE_HZ
        while asked and (asked[0][0] < now + CHUNK / RATE_HZ - _EPS):
            when, index, silence = asked.pop(0)
            yield _prediction(turn, index, when, silence, listener)


def _moments(turn: UserTurn) -> Iterator[tuple[float, int, Silence]]:
    for index, silence in enumerate(turn.silences):
        if silence.length_s < LEAST_S - _EPS:
            continue
        steps = int((silence.length_s + _EPS) / INTERVAL_S)
        moments = [silence.start_s + k * INTERVAL_S for k in range(steps + 1)]
        # The exact end says how long the silence is.
        for when in moments if silence.end_s - moments[-1] < _EPS else [*moments, silence.end_s]:
            yield when, index, silence


def _prediction(
    turn: UserTurn, index: int, when: float, silence: Silence, listener: Listener
) -> Prediction:
    return Prediction(
        turn.id,
        turn.language,
        index,
        round(when, 6),
        round(when - silence.start_s, 6),
        listener.probability(),
        "eot" if index + 1 == len(turn.silences) else "hold",
    )


def decided(method: Method, turn: UserTurn) -> Decided:
    """What a method's own policy does in a turn."""
    listener = method.listener()
    free_s, longest_s, used_s = 0.0, 0.0, 0.0
    cut: set[int] = set()
    mid_speech = 0
    wait_s = computed_s = None
    for at in range(0, len(turn.pcm) - CHUNK + 1, CHUNK):
        now_s = (at + CHUNK) / RATE_HZ
        before_ns = time.thread_time_ns()
        over = listener.feed(turn.pcm[at : at + CHUNK])
        cost_s = (time.thread_time_ns() - before_ns) / 1e9
        free_s = max(free_s, now_s) + cost_s
        longest_s, used_s = max(longest_s, cost_s), used_s + cost_s
        if not over:
            continue
        index = silence_at(turn, now_s)
        if index is None:
            mid_speech += 1
        elif index + 1 == len(turn.silences):
            wait_s, computed_s = now_s - turn.end_s, free_s - turn.end_s
            break
        else:
            cut.add(index)
    return Decided(
        turn.id,
        len(turn.silences) - 1,
        len(cut),
        mid_speech,
        wait_s,
        computed_s,
        turn.silences[-1].length_s,
        longest_s,
        used_s / now_s,
    )


def silence_at(turn: UserTurn, now_s: float) -> int | None:
    """The silence of a moment; None while the user speaks."""
    starts = np.array([s.start_s for s in turn.silences])
    index = int(np.searchsorted(starts, now_s - _EPS)) - 1
    if index < 0 or now_s > turn.silences[index].end_s + CHUNK / RATE_HZ:
        return None
    return index
