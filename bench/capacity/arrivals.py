"""When calls come: a Poisson process, which waits for nobody (open loop).

A caller who waits for the last call to end before the next begins would slow down with the agent,
and hide its queue (*coordinated omission*).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrival:
    """One call."""

    at_s: float
    """Time from the beginning of the load."""
    fixture: str
    """What the caller says."""
    number: int
    """From 0, in the order of their coming."""
    settled: bool
    """False: it came while the load still built up, and counts in no figure."""


def rate_per_s(load: float, mean_s: float) -> float:
    """Calls a second at which so many calls are open on average (Little's law).

    Args:
        load: Calls that are open at once, on average, if none waits.
        mean_s: Mean length of a call, s.
    """
    return load / mean_s


def arrivals(
    lengths_s: Mapping[str, float], load: float, counted: int, seed: str
) -> tuple[Arrival, ...]:
    """The calls of one load.

    The load builds up for as long as the longest call lasts; the calls that count come after that.

    Args:
        lengths_s: Fixture → length of its call, s.
        load: Calls that are open at once, on average, if none waits.
        counted: Number of calls that count.
        seed: The same seed gives the same calls.
    """
    drawn = random.Random(f"{seed} {load:g}")
    rate = rate_per_s(load, mean_length_s(lengths_s))
    settles_s = max(lengths_s.values())
    mix = _mix(list(lengths_s), drawn)
    found: list[Arrival] = []
    at_s, left = 0.0, counted
    while left:
        at_s += drawn.expovariate(rate)
        settled = at_s >= settles_s
        found.append(Arrival(at_s, next(mix), len(found), settled))
        left -= settled
    return tuple(found)


def mean_length_s(lengths_s: Mapping[str, float]) -> float:
    """Mean length of a call, s: each fixture is as frequent as any other."""
    return sum(lengths_s.values()) / len(lengths_s)


def lasts_s(calls: Sequence[Arrival], lengths_s: Mapping[str, float]) -> float:
    """Time until the last of the calls is over, s."""
    return max(call.at_s + lengths_s[call.fixture] for call in calls)


def _mix(names: list[str], drawn: random.Random) -> Iterator[str]:
    """Every fixture once, in a new order, again and again."""
    while True:
        drawn.shuffle(names)
        yield from names
