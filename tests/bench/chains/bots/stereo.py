"""A recording of two channels, the voice in the left one."""

import asyncio

import numpy as np
from bot_kit import talk
from pipecat.frames.frames import LLMContextFrame, OutputAudioRawFrame
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_transport import TransportParams
from recording import RATE_HZ, tone


class Recorded(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await asyncio.sleep(0.5)
            left = np.frombuffer(tone(1.0), np.int16)
            both = np.stack([left, np.zeros_like(left)], axis=1)
            await self.push_frame(OutputAudioRawFrame(both.tobytes(), RATE_HZ, 2))
            return
        await self.push_frame(frame, direction)


def link():
    return TransportParams(audio_in_enabled=True, audio_out_enabled=True, audio_out_channels=2)


async def bot(runner_args):
    await talk(runner_args, Recorded(), params=link, rates=(16000, RATE_HZ))
