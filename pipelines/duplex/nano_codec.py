"""The neural codec of duplex-nano: 80 ms of sound ↔ 8 codes, streaming, by ONNX Runtime.

An encoder hears a frame and gives its codes and the vector that the language model reads; a
decoder turns codes into the frame's sound. Both graphs take their whole past as one input and give
it back as one output, so a session is two such vectors and the tails of two windows: a new session
is a complete reset, and nothing grows.

Delay: a frame's codes are ready when its last sample is heard (no look-ahead), and decoding them
gives 1920 samples that lie `NanoCodec.delay` samples behind the frame's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.duplex.nano_sound import FRAME, Floats, LogMel, OverlapAdd
from pipelines.duplex.weights_error import WeightsError

BOOKS = 8
VECTOR = 96
"""Floats that stand for a frame: book 0's entry (48), then the sum of books 1–7's (48)."""
ENCODER, DECODER = "codec_encoder.onnx", "codec_decoder.onnx"
PACKAGED = Path(__file__).parent / "nano" / "weights"
"""The weights that ship."""

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the encoder says of some frames."""

    codes: Codes
    """(frames, 8) int64, 0 to 511."""
    vectors: Floats
    """(frames, 96) float32."""


class NanoCodec:
    """The codec's two graphs, loaded once; `open` begins a session."""

    def __init__(self, folder: Path) -> None:
        """Loads both graphs.

        Raises:
            WeightsError: a file is missing or is no graph of this codec.
        """
        self._encoder = _load(folder / ENCODER)
        self._decoder = _load(folder / DECODER)
        self._sizes = [int(s.get_inputs()[1].shape[0]) for s in (self._encoder, self._decoder)]
        made = self._encoder.get_modelmeta().custom_metadata_map
        self.delay = int(made.get("delay_samples", 0))
        """Samples by which decoded sound lies behind what was encoded, beside the frame itself."""

    def open(self) -> NanoCodecSession:
        """A session that has heard and said nothing."""
        return NanoCodecSession(self._encoder, self._decoder, *self._sizes)

    def encode(self, pcm: Floats) -> Encoded:
        """A whole signal of (frames · 1920,) samples at once."""
        return self.open().encode_frames(pcm)

    def decode(self, codes: Codes) -> Floats:
        """(frames, 8) codes at once → (frames · 1920,) samples."""
        return self.open().decode_frames(codes)


class NanoCodecSession:
    """One conversation's ear and mouth."""

    def __init__(self, encoder: Any, decoder: Any, heard: int, said: int) -> None:
        self._encoder, self._decoder = encoder, decoder
        self._heard, self._said = np.zeros(heard, np.float32), np.zeros(said, np.float32)
        self._mel, self._voice = LogMel(), OverlapAdd()

    def encode(self, pcm: Floats) -> tuple[Codes, Floats]:
        """One frame of (1920,) samples → its codes (8,) and its vector (96,)."""
        encoded = self.encode_frames(pcm)
        return encoded.codes[0], encoded.vectors[0]

    def decode(self, codes: Codes) -> Floats:
        """The codes (8,) of one frame → (1920,) samples."""
        return self.decode_frames(codes[None])

    def encode_frames(self, pcm: Floats) -> Encoded:
        """Several frames at once; the same numbers as one by one.

        Raises:
            ValueError: the samples are no whole number of frames.
        """
        if len(pcm) == 0 or len(pcm) % FRAME:
            raise ValueError(f"{len(pcm)} samples are no whole number of frames of {FRAME}")
        mel = self._mel(np.asarray(pcm, np.float32))
        codes, vectors, self._heard = self._encoder.run(None, {"mel": mel, "state": self._heard})
        return Encoded(codes, vectors)

    def decode_frames(self, codes: Codes) -> Floats:
        """Several frames at once; the same numbers as one by one."""
        feed = {"codes": np.asarray(codes, np.int64), "state": self._said}
        real, imaginary, self._said = self._decoder.run(None, feed)
        return self._voice(real + 1j * imaginary)


def _load(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    if not path.is_file():
        raise WeightsError(f"{path} is missing: restore it, or make it again (training/README.md)")
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        if [i.name for i in session.get_inputs()][1:] != ["state"]:
            raise ValueError("its inputs are others")
    except Exception as error:  # ONNX Runtime raises a dozen classes of its own
        first = str(error).splitlines()[0]
        raise WeightsError(f"{path} is no graph of the codec ({first}): restore it") from error
    return session
