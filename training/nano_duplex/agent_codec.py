"""The whole codec of the agent's voice: the encoder that training needs, and the product's decoder.

Delay: a frame's codes are ready when its last sample is heard (no look-ahead), and decoding them
gives 1920 samples that lie `AgentCodec.delay` samples behind the frame's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.duplex.nano.graph import HearingStream, StreamingGraph
from pipelines.duplex.nano.sound import Floats
from pipelines.duplex.nano.voice import Codes, NanoVoice

VECTOR = 96
"""Floats that stand for a frame: book 0's entry (48), then the sum of books 1–7's (48)."""
ENCODER = "codec_encoder.onnx"
FOLDER = Path(__file__).parent / "codec_weights"
"""The encoder that is kept, with the decoder that belongs to it."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the encoder says of some frames."""

    codes: Codes
    """(frames, 8) int64, 0 to 511."""
    vectors: Floats
    """(frames, 96) float32."""


class AgentCodec:
    """Both graphs, loaded once; `open` begins a session of the encoder."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Loads both.

        Raises:
            WeightsError: a file is missing or is no graph of this codec.
        """
        self._encoder = StreamingGraph(folder / ENCODER, "mel")
        self.voice = NanoVoice(folder)
        self.delay = self.voice.delay

    def open(self) -> EncoderSession:
        """A session that has heard nothing."""
        return EncoderSession(self._encoder)

    def encode(self, pcm: Floats) -> Encoded:
        """A whole signal of (frames · 1920,) samples at once."""
        return self.open().encode(pcm)

    def decode(self, codes: Codes) -> Floats:
        """(frames, 8) codes at once → (frames · 1920,) samples."""
        return self.voice.say(codes)


class EncoderSession(HearingStream):
    """What was heard so far."""

    def encode(self, pcm: Floats) -> Encoded:
        """One or more frames; the same numbers one by one.

        Raises:
            ValueError: the samples are no whole number of frames.
        """
        return Encoded(*self.hear(pcm))
