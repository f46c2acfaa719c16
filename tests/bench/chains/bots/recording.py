"""Answers by a recording, 0.5 s after the turn: plain audio, of which no synthesiser knows."""

import asyncio

import numpy as np
from bot_kit import talk
from pipecat.frames.frames import LLMContextFrame, OutputAudioRawFrame
from pipecat.processors.frame_processor import FrameProcessor

RATE_HZ = 24000


def tone(seconds, hz=440, peak=8000):
    """A tone as audio of 16 bits."""
    wave = peak * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)
    return wave.astype(np.int16).tobytes()


class Recorded(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await asyncio.sleep(0.5)
            await self.push_frame(OutputAudioRawFrame(tone(1.0), RATE_HZ, 1))
            return
        await self.push_frame(frame, direction)


async def bot(runner_args):
    await talk(runner_args, Recorded())
