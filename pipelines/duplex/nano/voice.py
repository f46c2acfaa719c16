"""duplex-nano's voice: 8 codes → 80 ms of sound.

It is the decoder of a neural codec that was trained on the agent's one voice; only training uses
the encoder (`training.nano_duplex.agent_codec`). A session holds all of its past, so a new one is a
complete reset.

Delay: a frame's 1920 samples lie `NanoVoice.delay` samples behind the sound that the codes are of.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.duplex.nano.graph import Stream, StreamingGraph
from pipelines.duplex.nano.names import DECODER
from pipelines.duplex.nano.sound import Floats, OverlapAdd

BOOKS = 8

Codes = npt.NDArray[np.int64]


class NanoVoice:
    """The graph, loaded once; `open` begins a session."""

    def __init__(self, folder: Path) -> None:
        """Loads it.

        Raises:
            WeightsError: the file is missing or is not such a graph.
        """
        self._graph = StreamingGraph(folder / DECODER, "codes")
        made = self._graph.graph.get_modelmeta().custom_metadata_map
        self.delay = int(made.get("delay_samples", 0))
        """Samples by which decoded sound lies behind the encoded sound, beside the frame itself."""

    def open(self) -> NanoVoiceSession:
        """A fresh session."""
        return NanoVoiceSession(self._graph)

    def say(self, codes: Codes) -> Floats:
        """(frames, 8) codes at once → (frames · 1920,) samples."""
        return self.open().say(codes)


class NanoVoiceSession(Stream):
    """The state of one conversation."""

    def __init__(self, of: StreamingGraph) -> None:
        super().__init__(of)
        self._voice = OverlapAdd()

    def say(self, codes: Codes) -> Floats:
        """One or more frames: (frames, 8) codes → (frames · 1920,) samples; the same one by one."""
        real, imaginary = self(np.asarray(codes, np.int64))
        spectra: npt.NDArray[np.complex64] = real + np.complex64(1j) * imaginary
        return self._voice(spectra)
