"""A VAD on a core that is busy up to 1.5 s after the user's end: 40 ms for 32 ms of audio.

So frames wait in the aggregator's queue, and its own VAD's stop behind them.
"""

import time

from bot_kit import ScriptedLLM, listening, talk
from pipecat.audio.vad.silero import SileroVADAnalyzer

BUSY = 90
"""Windows of 32 ms that are heard on the busy core."""


class Slow(SileroVADAnalyzer):
    windows = 0

    def voice_confidence(self, buffer):
        self.windows += 1
        time.sleep(0.04 if self.windows <= BUSY else 0.002)
        return super().voice_confidence(buffer)


async def bot(runner_args):
    params = listening()
    params.vad_analyzer = Slow()
    await talk(runner_args, ScriptedLLM(), user_params=params)
