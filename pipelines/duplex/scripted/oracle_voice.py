"""The oracle's voice: it speaks in pieces cut from the recordings of the fixtures themselves.

So a recogniser that understands the fixtures understands the oracle, and its errors on other agents
are not its own weakness. A piece is as long a run of words as any recording holds without a pause.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.duplex.session.model import SAMPLE_RATE_HZ, Pcm

FADE = SAMPLE_RATE_HZ // 200
"""Length of a piece's fades in and out, in samples: 5 ms."""
PAUSE = SAMPLE_RATE_HZ // 5
"""Silence between two words that is the user's hesitation and is not repeated: a long one would
pass for the end of its answer."""

_WORD = re.compile(r"[a-z0-9']+")


def words_of(text: str) -> tuple[str, ...]:
    """Lower-case words of a text, without punctuation."""
    return tuple(_WORD.findall(text.lower()))


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording with the place of each word."""

    pcm: Pcm
    """(n,) 24 kHz."""
    words: tuple[str, ...]
    limits: tuple[tuple[int, int], ...]
    """(start, end) of each word, sample indices, half open."""


class Patchwork:
    """A voice made of recordings."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self._at: defaultdict[str, list[tuple[Recording, int]]] = defaultdict(list)
        for recording in recordings:
            for i, word in enumerate(recording.words):
                self._at[word].append((recording, i))

    def knows(self, text: str) -> bool:
        """True if every word of a text is in some recording."""
        return all(word in self._at for word in words_of(text))

    def pieces(self, text: str) -> Iterator[Pcm | str]:
        """A text as pieces of recordings; a word that is in none of them is synthesised."""
        left = words_of(text)
        while left:
            found = max(
                ((_alike(left, _fluent(r, i)), r, i) for r, i in self._at.get(left[0], ())),
                key=lambda piece: piece[0],
                default=None,
            )
            if found is None:
                yield left[0]
                left = left[1:]
                continue
            count, recording, first = found
            start, end = recording.limits[first][0], recording.limits[first + count - 1][1]
            yield _faded(recording.pcm[start:end])
            left = left[count:]


def _fluent(recording: Recording, first: int) -> tuple[str, ...]:
    """The words from one on, up to the next pause."""
    after = first + 1
    while (
        after < len(recording.words)
        and recording.limits[after][0] - recording.limits[after - 1][1] < PAUSE
    ):
        after += 1
    return recording.words[first:after]


def _alike(left: Sequence[str], right: Sequence[str]) -> int:
    """Number of words with which two texts begin alike."""
    same = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        same += 1
    return same


def _faded(pcm: Pcm) -> Pcm:
    faded = pcm.copy()
    n = min(FADE, len(faded) // 2)
    ramp = np.linspace(0, 1, n, dtype=np.float32)
    faded[:n] *= ramp
    faded[len(faded) - n :] *= ramp[::-1]
    return faded
