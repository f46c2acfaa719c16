"""Simulated times like a voice agent's, on which the statistics are tried.

Log-normal, with one turn of twenty in a heavy tail; or with one of eight that takes 3 s longer,
like an end-of-turn model that waits for more speech.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]
DrawTimes = Callable[[np.random.Generator, int], tuple[Floats, NDArray[np.bool_]]]

TAIL_SHARE, TAIL_MS, TAIL_POWER = 1 / 20, 400.0, 1.5
SLOW_SHARE, SLOW_MS = 1 / 8, 3000.0
LONGEST_MS = 10_000.0
"""Longest wait for an answer, ms."""


def log_normal(rng: np.random.Generator, n: int) -> Floats:
    """(n,) times in ms with a median of 400 and a long right tail."""
    return rng.lognormal(np.log(400), 0.4, n)


def with_tail(rng: np.random.Generator, times: Floats) -> Floats:
    """The same times, with one in twenty later by 400 ms or (Pareto, 1.5) much more."""
    late = TAIL_MS * (1 + rng.pareto(TAIL_POWER, times.shape))
    return np.minimum(times + late * (rng.random(times.shape) < TAIL_SHARE), LONGEST_MS)


def heavy_tail(rng: np.random.Generator, n: int) -> Floats:
    """(n,) times in ms: log-normal, 5 % of them in a heavy tail."""
    return with_tail(rng, log_normal(rng, n))


def two_humps(rng: np.random.Generator, n: int) -> Floats:
    """(n,) times in ms: log-normal, one in eight 3 s longer."""
    return log_normal(rng, n) + SLOW_MS * (rng.random(n) < SLOW_SHARE)


def in_conversations(turns: int, alike: float) -> Draw:
    """Makes (n, turns) times of n conversations: log-normal, 5 % of them in a heavy tail.

    Args:
        turns: Number of turns of a conversation.
        alike: Share of the variance of a time's logarithm that its conversation's turns share.
    """

    def draw(rng: np.random.Generator, n: int) -> Floats:
        shared = rng.normal(0, 0.4 * np.sqrt(alike), (n, 1))
        own = rng.normal(0, 0.4 * np.sqrt(1 - alike), (n, turns))
        return with_tail(rng, 400 * np.exp(shared + own))

    return draw


def coins_in_conversations(chance: float, turns: int, alike: float) -> Draw:
    """Makes (n, turns) hits and misses of n conversations.

    Args:
        chance: Of a hit.
        turns: Number of turns of a conversation.
        alike: Correlation of two turns of one conversation.
    """
    strength = (1 - alike) / alike

    def draw(rng: np.random.Generator, n: int) -> Floats:
        own = rng.beta(chance * strength, (1 - chance) * strength, (n, 1))
        return (rng.random((n, turns)) < own).astype(np.float64)

    return draw


def both_alike(rng: np.random.Generator, n: int) -> Floats:
    """(n,) differences of two agents of the same kind, of which the candidate takes 20 ms more.

    Both say the same sentences; 6 % of scatter and the heavy tail are independent.
    """
    sentence = log_normal(rng, n)
    base, candidate = (with_tail(rng, sentence * rng.lognormal(0, 0.06, n)) for _ in range(2))
    return candidate + 20 - base


def one_slow(rng: np.random.Generator, n: int) -> Floats:
    """(n,) differences where one in eight of the candidate's answers is 3 s longer."""
    return both_alike(rng, n) + SLOW_MS * (rng.random(n) < SLOW_SHARE)


def cut_short(first_ms: float, last_ms: float) -> DrawTimes:
    """Makes (n,) stops and whether each was observed: the reply's own end cuts the others short."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Floats, NDArray[np.bool_]]:
        stop = heavy_tail(rng, n)
        end = rng.uniform(first_ms, last_ms, n)
        return np.minimum(stop, end), stop <= end

    return draw


def coins(chance: float) -> Draw:
    """Makes (n,) hits of 1 and misses of 0."""
    return lambda rng, n: (rng.random(n) < chance).astype(np.float64)


def coin_pairs(base: float, candidate: float) -> Draw:
    """Makes (n,) differences of hits: −1, 0 or 1; half of the base's variation is shared."""

    def draw(rng: np.random.Generator, n: int) -> Floats:
        own, theirs = rng.random(n), rng.random(n)
        theirs = np.where(rng.random(n) < 0.5, own, theirs)
        return (theirs < candidate).astype(np.float64) - (own < base)

    return draw
