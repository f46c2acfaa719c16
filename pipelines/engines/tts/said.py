"""Sentences that a voice has said before: a greeting or a filler is synthesised once. Pure.

A server's fixed sentences are the same in every conversation. What a voice has made of one is kept
in the process that serves, for all its conversations; what was said longest ago goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

MOST_BYTES = 8 << 20
"""Audio that is kept: some three minutes at 22,050 Hz."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a sentence's audio."""

    pcm: bytes
    """(n,) int16, at the voice's rate."""
    phones: Sequence[Any] = ()
    """As the engine gave them with it."""

    @property
    def samples(self) -> int:
        """Length."""
        return len(self.pcm) // 2


class Said:
    """What was said, by voice and text.

    Args:
        most_bytes: Audio that is kept.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str, str], tuple[Piece, ...]] = OrderedDict()
        self._bytes = 0

    def get(self, voice: str, text: str) -> tuple[Piece, ...]:
        """The audio of a text; empty: the voice has not said it."""
        found = self._kept.get((voice, text), ())
        if found:
            self._kept.move_to_end((voice, text))
        return found

    def keep(self, voice: str, text: str, pieces: Sequence[Piece]) -> None:
        """Keeps the whole audio of a text; one that is too long is not kept."""
        size = _size(pieces)
        if (voice, text) in self._kept or not 0 < size <= self._most_bytes:
            return
        self._kept[voice, text] = tuple(pieces)
        self._bytes += size
        while self._bytes > self._most_bytes:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= _size(gone)


@cache
def of_this_process() -> Said:
    """What all conversations of this process share."""
    return Said()


def _size(pieces: Sequence[Piece]) -> int:
    return sum(len(piece.pcm) for piece in pieces)
