"""A VAD that listens and changes nothing: Pipecat's observers need to know when users speak.

A duplex model takes no turns, so nothing may be interrupted by it: the tap broadcasts
VADUserStartedSpeakingFrame and VADUserStoppedSpeakingFrame, and stands behind the model, which
therefore never waits for it. Silero runs in Pipecat's own thread.
"""

from __future__ import annotations

import numpy as np
from pipecat.audio.vad.vad_analyzer import VADState
from pipecat.processors.audio.vad_processor import VADProcessor

from pipelines.audio.stream_resample import StreamResampler
from pipelines.link.silero import SharedSilero

SILERO_RATE_HZ = 16_000


class AnyRateSilero(SharedSilero):
    """Silero for input of any rate: it knows 8 and 16 kHz, a duplex pipeline runs at 24."""

    def __init__(self) -> None:
        super().__init__(sample_rate=SILERO_RATE_HZ)
        self._to_silero: StreamResampler | None = None

    def set_sample_rate(self, sample_rate: int) -> None:
        """Takes the pipeline's rate, Hz."""
        super().set_sample_rate(SILERO_RATE_HZ)
        if sample_rate != SILERO_RATE_HZ:
            self._to_silero = StreamResampler(sample_rate, SILERO_RATE_HZ)

    async def analyze_audio(self, buffer: bytes) -> VADState:
        """Takes int16 PCM at the pipeline's rate."""
        if self._to_silero is not None:
            pcm = np.frombuffer(buffer, np.int16).astype(np.float32)
            resampled = np.rint(self._to_silero.feed(pcm))
            buffer = np.clip(resampled, -32768, 32767).astype(np.int16).tobytes()
        return await super().analyze_audio(buffer)


def passive_vad() -> VADProcessor:
    """The processor to put behind `pipelines.duplex.processor.MoshiProcessor`."""
    return VADProcessor(vad_analyzer=AnyRateSilero())
