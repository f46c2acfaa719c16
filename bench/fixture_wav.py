"""The one audio format of fixtures: WAV, 16 kHz, mono, 16-bit; read with a clear error."""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.fixture_records import RATE_HZ, FixtureError


def encode(pcm: NDArray[np.int16]) -> bytes:
    """(n,) int16 at 16 kHz → a WAV file with a header of 44 bytes."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(pcm.astype("<i2").tobytes())
    return buffer.getvalue()


def decode(path: Path, data: bytes) -> NDArray[np.int16]:
    """The audio of a WAV file, (n,) int16 at 16 kHz, n > 0.

    Raises:
        FixtureError: it is empty, truncated, or of another format; the text names ``path``.
    """
    if not data:
        raise FixtureError(f"{path}: is empty; restore it.")
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, width, rate_hz, frames, *_ = file.getparams()
            raw = file.readframes(frames)
    # wave answers damaged chunk sizes with whatever happens to fail first.
    except (wave.Error, EOFError, RuntimeError, struct.error, ArithmeticError) as error:
        reason = str(error) or "its header is cut off"
        raise FixtureError(
            f"{path}: is not a 16-bit PCM WAV ({reason}); import it with duplex-lab fixtures add."
        ) from None
    if (channels, width, rate_hz) != (1, 2, RATE_HZ):
        raise FixtureError(
            f"{path}: has {channels} channel(s), {8 * width} bit, {rate_hz} Hz, but must be mono, "
            f"16 bit, {RATE_HZ} Hz; import it with duplex-lab fixtures add."
        )
    if len(raw) != 2 * frames:
        raise FixtureError(
            f"{path}: is truncated, its header says {frames} samples but {len(raw) // 2} are "
            f"there; restore it."
        )
    if frames == 0:
        raise FixtureError(f"{path}: holds no samples; restore it.")
    return np.frombuffer(raw, dtype="<i2").astype(np.int16)
