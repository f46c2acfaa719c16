"""Office ambience, noise of −40 dBFS, mixed under everything that the bot sends; the LLM takes
0.8 s."""

import numpy as np
from bot_kit import ScriptedLLM, link, talk
from pipecat.audio.mixers.base_audio_mixer import BaseAudioMixer


class Ambience(BaseAudioMixer):
    async def start(self, sample_rate):
        self.rng = np.random.default_rng(0)

    async def stop(self):
        pass

    async def process_frame(self, frame):
        pass

    async def mix(self, audio):
        pcm = np.frombuffer(audio, np.int16).astype(np.int32)
        pcm += self.rng.normal(0, 330, len(pcm)).astype(np.int32)
        return np.clip(pcm, -32768, 32767).astype(np.int16).tobytes()


def noisy_link():
    params = link()
    params.audio_out_mixer = Ambience()
    return params


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(delay=0.8), params=noisy_link)
