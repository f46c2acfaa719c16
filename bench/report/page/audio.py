"""A trial's recording for the page: as Vorbis for listening, and as an envelope for drawing."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.store.recording import AGENT, USER, Stereo

VORBIS_EFFORT = 0.9
"""libsndfile's "compression level" of Vorbis, 0 to 1: about 30 kbit/s for both channels together.
At 1 the encoder mixes them: one speaker is heard on both sides, 25 dB below himself; here 36 dB.

Opus at the same size takes three times as long to encode, which was most of a report's time, and
keeps the channels 24 dB apart. Browsers that play the one in Ogg play the other.
"""
LONG_S = 60.0
BUCKET_MS, LONG_BUCKET_MS = 3.0, 10.0
"""Time that one value of an envelope covers, in recordings of up to `LONG_S`, and above."""


def vorbis(pcm: Stereo, rate_hz: int) -> bytes:
    """A recording as Ogg Vorbis, still stereo: the user left, the agent right.

    Args:
        pcm: (n, 2) int16, n ≥ 1.
        rate_hz: Samples per second.
    """
    import soundfile

    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer,
        "w",
        rate_hz,
        channels=2,
        format="OGG",
        subtype="VORBIS",
        compression_level=VORBIS_EFFORT,
    ) as file:
        # The encoder keeps what one call brings on its stack: a minute of it overflows that.
        for start in range(0, len(pcm), rate_hz):
            file.write(pcm[start : start + rate_hz])
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Envelope:
    """The envelope of a recording, for a waveform."""

    bucket_ms: float
    """Time that one value covers."""
    user: str
    """base64 of int8: least and largest sample of each bucket by turns, full scale 127."""
    agent: str
    """The agent's envelope, likewise."""


def envelope(pcm: Stereo, rate_hz: int) -> Envelope:
    """The least and the largest sample of every few ms of both channels.

    Args:
        pcm: (n, 2) int16.
        rate_hz: Samples per second.
    """
    bucket_ms = BUCKET_MS if len(pcm) <= LONG_S * rate_hz else LONG_BUCKET_MS
    user, agent = (_swing(pcm[:, channel], rate_hz, bucket_ms) for channel in (USER, AGENT))
    return Envelope(bucket_ms, user, agent)


def _swing(samples: NDArray[np.int16], rate_hz: int, bucket_ms: float) -> str:
    if len(samples) == 0:
        return ""
    # Bucket edges by time: 5 ms are not a whole number of samples at 22,050 Hz.
    count = int(np.ceil(len(samples) / (rate_hz * bucket_ms / 1000)))
    edges = np.round(np.arange(count) * rate_hz * bucket_ms / 1000).astype(np.int64)
    edges = edges[edges < len(samples)]
    low, high = np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)
    both = np.stack([low, high], axis=1).astype(np.float64) / 32768 * 127
    # Away from zero, so that barely audible samples are still seen.
    values = np.where(both < 0, np.floor(both), np.ceil(both)).clip(-127, 127).astype(np.int8)
    return base64.b64encode(values.tobytes()).decode("ascii")
