"""duplex-nano's ear: 80 ms of the user's sound → the vector that its language model reads.

A causal network that was trained to be read: words lie near its surface. A session holds all of its
past, so a new one is a complete reset.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.duplex.nano_graph import HearingStream, StreamingGraph
from pipelines.duplex.nano_sound import Floats

VECTOR = 96
"""Floats that stand for a frame."""
EAR_NAME = "user_encoder.onnx"


class NanoEar:
    """The graph, loaded once; `open` begins a session."""

    def __init__(self, folder: Path) -> None:
        """Loads it.

        Raises:
            WeightsError: the file is missing or is no such graph.
        """
        self._graph = StreamingGraph(folder / EAR_NAME, "mel")

    def open(self) -> NanoEarSession:
        """A session that has heard nothing."""
        return NanoEarSession(self._graph)

    def hear(self, pcm: Floats) -> Floats:
        """A whole signal of (frames · 1920,) samples at once → (frames, 96)."""
        return self.open().vectors(pcm)


class NanoEarSession(HearingStream):
    """What was heard in one conversation."""

    def vectors(self, pcm: Floats) -> Floats:
        """One or more frames: (frames · 1920,) samples → (frames, 96); the same one by one.

        Raises:
            ValueError: the samples are no whole number of frames.
        """
        found: Floats
        (found,) = self.hear(pcm)
        return found
