"""The search for the largest load that is borne: doubling, then halving the distance. Pure.

Who plays the loads is passed in, so that a test searches in no time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.capacity.slo import State

Play = Callable[[float, int], State]
"""Plays a load for the n-th time (from 0), and says whether all that was promised held."""
RESOLUTION = 0.1
"""Distance, as a share, between the largest load that holds and the smallest that does not, at
which the search ends: counts of calls differ by chance by more."""

LEAST = 0.5
"""Smallest load that is played: one call half of the time."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One load that was played."""

    load: float
    repeat: int
    state: State


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a search."""

    most: float | None
    """The largest load at which all held, each time that it was played; None: none did."""
    beyond: float | None
    """The smallest load at which it did not; None: the search's limit held."""
    tried: tuple[Tried, ...]


def search(play: Play, *, first: float = 1.0, limit: float = 64.0, repeats: int = 2) -> Found:
    """Finds the largest load at which all holds.

    Args:
        play: Plays one load.
        first: The load to begin with.
        limit: The largest load to play: beyond it the callers themselves would be late.
        repeats: Number of times that the load which is found has to hold.
    """
    tried: list[Tried] = []
    times: dict[float, int] = {}

    def holds(load: float) -> bool:
        repeat = times.get(load, 0)
        times[load] = repeat + 1
        state = play(load, repeat)
        tried.append(Tried(load, repeat, state))
        return state == "holds"

    good: float | None = None
    bad: float | None = None
    load = min(first, limit)
    while bad is None:
        if holds(load):
            good = load
            if load >= limit:
                break
            load = min(2 * load, limit)
        else:
            bad = load
    while True:
        good, bad = _bisected(holds, good, bad)
        if good is None:
            return Found(None, bad, tuple(tried))
        while times[good] < repeats:
            if not holds(good):
                # It held by chance. Those below it, which held too, are asked again.
                below = [t.load for t in tried if t.state == "holds" and t.load < good]
                failed = {t.load for t in tried if t.state != "holds"}
                good, bad = max((x for x in below if x not in failed), default=None), good
                break
        else:
            return Found(good, bad, tuple(tried))


def _bisected(
    holds: Callable[[float], bool], good: float | None, bad: float | None
) -> tuple[float | None, float | None]:
    """The two loads, close enough to each other."""
    while bad is not None:
        low = good or 0.0
        if bad - low <= RESOLUTION * bad:
            break
        middle = (low + bad) / 2
        if middle < LEAST:
            break
        if holds(middle):
            good = middle
        else:
            bad = middle
    return good, bad
