"""duplex-nano's ear: 80 ms of the user's sound → the vector that its language model hears.

A causal network that was trained to be read, and its reader: a vector, and how likely each word was
said in this frame. A session holds all of its past, so a new one is a complete reset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipelines.duplex.nano.graph import HearingStream, StreamingGraph
from pipelines.duplex.nano.names import EAR_NAME, EAR_WORDS
from pipelines.duplex.nano.sound import FRAME, Floats
from pipelines.weights.error import WeightsError

VECTOR = 96
"""Number of floats that represent a frame's sound; after them come the likelihoods of no word and
each."""
PIECE = 250
"""Largest number of frames that the graph gets at once: its memory grows with their square."""


class NanoEar:
    """The graph, loaded once; `open` begins a session."""

    def __init__(self, folder: Path) -> None:
        """Loads it.

        Raises:
            WeightsError: a file is missing, or is not such a graph.
        """
        self._graph = StreamingGraph(folder / EAR_NAME, "mel")
        try:
            self.words = tuple((folder / EAR_WORDS).read_text(encoding="utf-8").split())
            """Words that it can read, as `words_told` counts them."""
        except (OSError, ValueError) as error:
            raise WeightsError(
                f"{folder / EAR_WORDS} can't be read ({error}): take the folder from the "
                "repository again, or export the ear again (training/nano_duplex/README.md)"
            ) from error
        self.width = VECTOR + 1 + len(self.words)
        """Number of floats per frame."""

    def open(self) -> NanoEarSession:
        """A fresh session."""
        return NanoEarSession(self._graph)

    def hear(self, pcm: Floats) -> Floats:
        """A whole signal of (frames · 1920,) samples at once → (frames, width)."""
        return self.open().vectors(pcm)


class NanoEarSession(HearingStream):
    """The state of one conversation."""

    def vectors(self, pcm: Floats) -> Floats:
        """One or more frames: (frames · 1920,) samples → (frames, width); the same one by one.

        Raises:
            ValueError: the samples are not a whole number of frames.
        """
        size = PIECE * FRAME
        pieces = [self.hear(pcm[at : at + size])[0] for at in range(0, max(1, len(pcm)), size)]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def words_told(vectors: Floats, words: Sequence[str]) -> Iterator[str]:
    """The words that the ear reads, greedily, as in CTC: the likeliest of each frame, repeats once.

    Args:
        vectors: (frames, width) of `NanoEarSession.vectors`.
        words: Words of the ear.
    """
    best = vectors[:, VECTOR:].argmax(1)
    before = np.concatenate(([0], best[:-1]))
    for place in best[(best != before) & (best > 0)]:
        yield words[place - 1]
