"""A user's turn with its silences: from fixtures, or from rows in the schema of eot-bench."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.fixtures.library import RATE_HZ, Fixture, Turn, read_pcm

BEFORE_S = 0.25
"""Silence before a fixture's turn: nothing is known of the user before it."""
AFTER_S = 3.6
"""Silence after a fixture's turn, which outlasts every policy that is tried."""
LEAST_S = 0.1
"""Shortest silence that a method is asked about, as in eot-bench."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A stretch without sound."""

    start_s: float
    """End of the sound before it, from the recording's start."""
    end_s: float
    """Start of the sound after it, or the recording's end."""

    @property
    def length_s(self) -> float:
        """Its length."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class UserTurn:
    """A whole turn of a user's: all silences but the last are pauses, in which an answer is early.

    What eot-bench's rows hold besides (words, messages) is for methods that read; ours only hear.
    """

    id: str
    """Unique among the turns."""
    language: str
    """Language code, e.g. ``en``."""
    pcm: NDArray[np.int16]
    """(n,) 16 kHz."""
    silences: tuple[Silence, ...]
    """In order; the last one follows the turn's end."""
    text: str = ""
    """The words, where they are known."""

    @property
    def end_s(self) -> float:
        """The turn's end."""
        return self.silences[-1].start_s


def turns_of(fixtures: Iterable[Fixture]) -> Iterator[UserTurn]:
    """The turns that expect an answer, each recording once."""
    seen: set[str] = set()
    for fixture in fixtures:
        for number, turn in enumerate(fixture.turns, start=1):
            if turn.expect.respond and turn.text and turn.sha256 not in seen:
                seen.add(turn.sha256)
                yield _turn(f"{fixture.name}#{number}", turn)


def _turn(name: str, turn: Turn) -> UserTurn:
    before, after = round(BEFORE_S * RATE_HZ), round(AFTER_S * RATE_HZ)
    end = turn.speech[-1].audible_end
    # A little of the recording's own tail: sound that lies below the threshold is sound.
    kept = read_pcm(turn)[: end + RATE_HZ // 100]
    pcm = np.concatenate([np.zeros(before, np.int16), kept, np.zeros(after, np.int16)])
    within = [(a.audible_end, b.audible_start) for a, b in pairwise(turn.speech)]
    silences = [
        Silence((before + a) / RATE_HZ, (before + b) / RATE_HZ)
        for a, b in [*within, (end, len(pcm) - before)]
        if b - a >= LEAST_S * RATE_HZ
    ]
    return UserTurn(name, "en", pcm, tuple(silences), turn.text)
