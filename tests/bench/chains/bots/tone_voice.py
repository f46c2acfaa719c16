"""A voice whose times are known: a tone of 2 s for each text, at its own rate and pace."""

import asyncio

import numpy as np
from pipecat.frames.frames import TTSAudioRawFrame
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService

LENGTH_S = 2.0
TONE_HZ = 440.0


class ToneVoice(TTSService):
    """Hands out pieces, each after a wait."""

    def __init__(self, rate_hz, piece_s, wait_s, settings):
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=rate_hz,
            settings=TTSSettings(model="tone", voice=None, language=None),
            **settings,
        )
        self.rate_hz, self.piece_s, self.wait_s = rate_hz, piece_s, wait_s

    def can_generate_metrics(self):
        return True

    async def run_tts(self, text, context_id):
        at = np.arange(int(LENGTH_S * self.rate_hz)) / self.rate_hz
        tone = (8000 * np.sin(2 * np.pi * TONE_HZ * at)).astype(np.int16)
        size = int(self.piece_s * self.rate_hz)
        for start in range(0, len(tone), size):
            await asyncio.sleep(self.wait_s)
            piece = tone[start : start + size].tobytes()
            yield TTSAudioRawFrame(piece, self.rate_hz, 1, context_id=context_id)


def tone(rate_hz=24000, piece_s=0.02, wait_s=0.02, **settings):
    """In place of a bot's own voice; by default a stream in real time."""
    return lambda _: ToneVoice(rate_hz, piece_s, wait_s, settings)
