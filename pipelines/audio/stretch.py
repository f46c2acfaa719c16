"""Makes speech last longer or shorter and keeps its pitch: WSOLA, block by block, as a stream.

Waveform-similarity overlap-add (Verhelst & Roelands, ICASSP 1993): the output is cross-faded from
pieces of the input, each taken near where the stretched time says, at the place most similar to
what would have come next. So periods of the voice are repeated or left out as wholes. A model that
is somewhat too slow sounds slower, without holes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

BLOCK_MS = 15.0
"""Length of a block of output, all of it a cross-fade: longer than a period of a low voice."""
SEARCH_MS = 10.0
"""Largest distance of a piece from its place: half a period of 50 Hz."""
MIN_FACTOR, MAX_FACTOR = 0.5, 2.0
LEAST_TARGET_MS = 80.0
"""Least target of the queue, ms: with a shorter pre-roll, stretching aims at a frame's length."""

MOST_FACTOR = 1.3
"""Factor of audio that arrives while nothing is queued."""

Floats = NDArray[np.float32]


def factor_for(queued_ms: float, target_ms: float, most: float = MOST_FACTOR) -> float:
    """Stretching factor for audio that just arrived, given the length of the queue before it.

    1 where the queue is as long as wanted, ``most`` where it is empty, and linear in between: a
    model that takes s ms for 80 settles where the factor is s / 80.
    """
    lack = 1 - queued_ms / target_ms if target_ms > 0 else 0.0
    return 1 + (most - 1) * min(1.0, max(0.0, lack))


class Stretcher:
    """One stream. The factor may differ from feed to feed."""

    def __init__(self, rate_hz: int) -> None:
        """Makes an empty stretcher."""
        self.block = max(2, round(BLOCK_MS * rate_hz / 1000))
        """H: samples of output per block."""
        self.search = max(1, round(SEARCH_MS * rate_hz / 1000))
        rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(self.block) + 0.5) / self.block)
        self._rise = rise.astype(np.float32)
        self._held = np.zeros(0, np.float32)  # input from index `_base` on
        self._base = 0
        # `_next`: start of the input that follows without a cut; `_target`: wanted start of a piece
        self._next = 0
        self._target = 0.0
        self._given, self._owed = 0, 0.0

    @property
    def hold_back(self) -> int:
        """Most samples of input that it needs beyond those that are heard."""
        return self.block + 2 * self.search

    def feed(self, pcm: NDArray[Any], factor: float = 1.0) -> Floats:
        """Takes a chunk and gives the blocks that are complete.

        Args:
            pcm: (n,) floats in ±1, n >= 0.
            factor: Output for input: 1.25 makes it last 1.25 times as long. 1 leaves it as it is.

        Returns:
            (m · H,) float32. Over a stream of a constant factor, what was given lags n · factor by
            less than ``hold_back`` · factor and a block.

        Raises:
            ValueError: the factor is out of range.
        """
        if not MIN_FACTOR <= factor <= MAX_FACTOR:
            raise ValueError(f"a factor lies in {MIN_FACTOR}–{MAX_FACTOR}, not at {factor}")
        self._held = np.concatenate((self._held, np.asarray(pcm, np.float32)))
        self._owed += len(pcm) * factor
        blocks = []
        while self._ready():
            blocks.append(self._step(factor))
        self._forget()
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)

    def finish(self, factor: float = 1.0) -> Floats:
        """Gives the rest: in all, n · factor samples come out, rounded."""
        wanted = round(self._owed) - self._given
        if wanted <= 0:
            return np.zeros(0, np.float32)
        silence = np.zeros(2 * self.hold_back + int(wanted / MIN_FACTOR), np.float32)
        owed = self._owed
        rest = self.feed(silence, factor)[:wanted]
        self._owed = owed
        return np.pad(rest, (0, wanted - len(rest)))

    def _ready(self) -> bool:
        if self._given + self.block > self._owed:
            return False  # far below a factor of 1, more than that could be made already
        end = self._base + len(self._held)
        return max(self._next, round(self._target) + self.search) + self.block <= end

    def _step(self, factor: float) -> Floats:
        """One block: cross-faded from what would come next to the piece that looks most like it."""
        expected = self._at(self._next, self.block)
        place = self._most_alike(expected, factor)
        piece = self._at(place, self.block)
        self._next = place + self.block
        self._target += self.block / factor
        self._given += self.block
        faded: Floats = expected + self._rise * (piece - expected)
        return faded

    def _most_alike(self, expected: Floats, factor: float) -> int:
        """The place around the target where the input is most similar to ``expected``."""
        middle = round(self._target)
        first = max(self._base, middle - self.search)
        last = middle + self.search
        if factor == 1 and abs(self._next - middle) <= self.search:
            return self._next  # nothing is more similar to what comes next than itself
        near = self._at(first, last - first + self.block)
        product = np.correlate(near, expected, "valid")
        power = np.einsum("ij,ij->i", *[sliding_window_view(near, self.block)] * 2)
        alike = product / np.sqrt(power + 1e-9)
        return first + int(np.argmax(alike))

    def _at(self, index: int, length: int) -> Floats:
        start = index - self._base
        return self._held[start : start + length]

    def _forget(self) -> None:
        keep = max(self._base, min(self._next, round(self._target) - self.search))
        self._held = self._held[keep - self._base :]
        self._base = keep
